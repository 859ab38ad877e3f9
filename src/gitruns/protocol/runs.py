"""Calls for runs: begun, found, ended, deleted, restored, searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitruns.entities import names
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, is_object_id, is_run_id, new_run_id
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.protocol import checks
from gitruns.protocol.addresses import below
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.experiments import active_experiment, experiment_ids_of, locations_of, run_artifacts_at
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import COMMIT_TAG, PARENT_TAG, RUN_NAME_TAG, ShownRun
from gitruns.query.dialects import Dialect
from gitruns.repo import ListedRun, RunLog, Search, now_ms


def find_run(hub: Hub, run_id: str | None) -> Run:
    """Returns a run as it stands now, deleted or not."""
    try:
        found = hub.repo.get_run(RunId(run_id)) if isinstance(run_id, str) and is_run_id(run_id) else None
    except NotFoundError:
        found = None
    if found is None or found.info.kind is not None:
        raise missing(f"Run with id={run_id} not found")
    return found


def active_run(hub: Hub, run_id: str) -> Run:
    """Returns a run that may be logged into: neither it nor its experiment is deleted."""
    checked = hub.logs.checking(RunId(run_id))
    run = find_run(hub, run_id)
    lifecycle = lifecycle_of_run(hub, run)
    if lifecycle is not Lifecycle.ACTIVE:
        raise refused(f"The run {run_id} must be in the 'active' state. Current state is {lifecycle.value}.")
    checked()
    return run


def lifecycle_of_run(hub: Hub, run: Run) -> Lifecycle:
    """Returns whether a run is deleted: it is, with its experiment."""
    if run.info.lifecycle is Lifecycle.DELETED:
        return Lifecycle.DELETED
    try:
        return hub.repo.get_experiment(run.info.experiment_id).lifecycle
    except GitRunsError:  # the experiment was not fetched, and so not deleted here
        return Lifecycle.ACTIVE


def shown_run(hub: Hub, run: Run) -> ShownRun:
    """Returns a run with the place of its artifacts, deleted if its experiment is."""
    return ShownRun(run, run_artifacts_at(hub, run.info.experiment_id, run.info.id), lifecycle_of_run(hub, run))


# Begun


def create_run(
    hub: Hub,
    experiment_id: object,
    *,
    user: str | None = None,
    start_time_ms: int | None = None,
    tags: Iterable[tuple[str, str]] = (),
    run_name: str | None = None,
) -> ShownRun:
    """Begins a run: its source is captured here, unless this is a server, where the code is elsewhere."""
    experiment = active_experiment(hub, experiment_id)
    given = dict(tags)
    for key in given:
        checks.check_not_reserved(key)
    named = given.pop(RUN_NAME_TAG, None)
    if run_name and named and run_name != named:
        raise refused(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{run_name}', mlflow.runName='{named}')."
        )
    parent = given.get(PARENT_TAG)
    parent_id = RunId(given.pop(PARENT_TAG)) if parent is not None and is_run_id(parent) else None
    other_parent = given.pop(PARENT_TAG, None)
    if hub.in_server:
        kept = dict(names.check_tag(key, text) for key, text in given.items())
        log = _begin_for_client(hub, experiment.id, run_name or named, user, start_time_ms, parent_id, kept)
    else:
        log = hub.session.start(
            experiment_id=experiment.id,
            run_name=run_name or named,
            parent_run_id=parent_id,
            tags=given,
            start_time_ms=start_time_ms,
        )
    if other_parent is not None:
        log.write_tags({PARENT_TAG: other_parent})
    hub.logs.began(log)
    return get_run(hub, log.run_id)


def _begin_for_client(
    hub: Hub,
    experiment_id: ExperimentId,
    name: str | None,
    user: str | None,
    start_time_ms: int | None,
    parent: RunId | None,
    tags: dict[str, str],
) -> RunLog:
    """Begins a run of a client that is another process, perhaps of another machine: only what it says is known."""
    repo = hub.repo
    info = RunInfo(
        id=new_run_id(),
        name=names.check_text("run name", name or names.new_run_name(), names.MAX_NAME_LENGTH),
        experiment_id=experiment_id,
        writer=repo.writer,
        start_time_ms=now_ms() if start_time_ms is None else start_time_ms,
        user=user or tags.get("mlflow.user"),
        entry_point=tags.get("mlflow.source.name"),
        source=_source_of(hub, tags.get(COMMIT_TAG)),
        parent_run_id=parent,
    )
    return repo.start_run(
        info,
        environment=None,
        identity=repo.identity(),
        tags=tags,
        experiment_name=repo.get_experiment(experiment_id).name,
        on_behalf=True,
    )


def _source_of(hub: Hub, commit: str | None) -> Source:
    """Returns the source of a run whose client names a commit: it is the run's parent where this repository has it.

    A commit that is not here is recorded too: queries link the two by id once it is.
    """
    if commit is None or not is_object_id(commit):
        return Source()
    return Source(commit=ObjectId(commit))


# Found


def get_run(hub: Hub, run_id: str) -> ShownRun:
    """Returns a run as it stands now, live or ended, deleted or not."""
    return shown_run(hub, find_run(hub, run_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSearch:
    """What is searched for, as MLflow asks it: which runs, in which order, which page."""

    experiment_ids: Iterable[object]
    filter: str | None = None
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE
    max_results: int | None = None
    order_by: Sequence[str] | None = None
    page_token: str | None = None

    def on(self, hub: Hub) -> Search:
        """Returns the search as the index takes it."""
        if self.max_results is not None:
            checks.check_max_results(self.max_results)
        search = hub.repo.search(
            self.filter or "",
            experiment_ids=experiment_ids_of(self.experiment_ids),
            lifecycle=self.lifecycle,
            max_results=self.max_results,
            order_by=tuple(self.order_by or ()),
            page_token=self.page_token or "",
            dialect=Dialect.MLFLOW,
        )
        return replace(search, artifact_uri=(f"{hub.uri}/", "/artifacts"))


def search_runs(hub: Hub, experiment_ids: Iterable[object], **how: Any) -> tuple[list[ShownRun], str]:
    """Returns one page of runs, and the token of the next, empty on the last; `how` as for `RunSearch`."""
    listed, token = hub.repo.index.list_runs(RunSearch(experiment_ids=experiment_ids, **how).on(hub))
    return shown_runs(hub, listed), token


def shown_runs(hub: Hub, listed: Sequence[ListedRun]) -> list[ShownRun]:
    """Returns runs that the index lists, with the places of their artifacts, deleted if their experiments are."""
    repo = hub.repo
    deleted = {one.id for one in repo.list_experiments(lifecycle=Lifecycle.DELETED)}
    places = locations_of(hub, {one.run.info.experiment_id for one in listed})
    found = []
    for one in listed:
        run = repo.get_run(one.run.info.id) if one.inputs else one.run
        state = Lifecycle.DELETED if run.info.experiment_id in deleted else run.info.lifecycle
        uri = below(places[one.run.info.experiment_id], run.info.id, "artifacts")
        found.append(ShownRun(run, uri, state))
    return found


# Changed


def update_run(
    hub: Hub, run_id: str, *, status: RunStatus | None = None, end_time_ms: int | None = None, name: str | None = None
) -> ShownRun:
    """Changes status, end and name of a run; a status that ends it seals it into git."""
    run = active_run(hub, run_id)
    if name:
        rename_run(hub, run.info.id, name)
    if status is not None:
        _set_status(hub, run.info.id, status, end_time_ms)
    return get_run(hub, run_id)


def _set_status(hub: Hub, run_id: RunId, status: RunStatus, end_time_ms: int | None) -> None:
    if status.ended:
        hub.logs.end(run_id, status, end_time_ms)
    elif status is RunStatus.RUNNING:
        hub.logs.resume(run_id)
    else:
        hub.logs.resume(run_id).set_fields({"status": status.value})


def is_open(hub: Hub, run_id: RunId) -> bool:
    """Returns whether a run is open here; a server opens one that goes on, as each change of it would be a commit."""
    if hub.logs.find(run_id) is not None:
        return True
    if not hub.in_server or hub.repo.get_run(run_id).info.status.ended:
        return False
    hub.logs.get(run_id)
    return True


def rename_run(hub: Hub, run_id: RunId, name: str) -> None:
    """Gives a run another name: in its journal while that is open here, else as a change of the run."""
    if is_open(hub, run_id):
        checked = names.check_text("run name", name, names.MAX_NAME_LENGTH)
        hub.logs.write(run_id, lambda log: log.set_fields({"name": checked}))
        return
    with hub.repo.edit(run_id) as edit:
        edit.rename(name)


def delete_run(hub: Hub, run_id: str) -> None:
    """Deletes a run until it is restored."""
    _set_lifecycle(hub, run_id, Lifecycle.DELETED)


def restore_run(hub: Hub, run_id: str) -> None:
    """Brings a run back."""
    _set_lifecycle(hub, run_id, Lifecycle.ACTIVE)


def _set_lifecycle(hub: Hub, run_id: str, lifecycle: Lifecycle) -> None:
    run = find_run(hub, run_id)
    if run.info.lifecycle is not lifecycle:
        with hub.repo.edit(run.info.id) as edit:
            edit.set_lifecycle(lifecycle)
        hub.logs.look_again()


# What `mlflow gc` asks for


def deleted_runs(hub: Hub, older_than_ms: int = 0, kind: str | None = None) -> list[RunId]:
    """Returns the runs, or records of another kind, that were deleted so long ago, or longer."""
    latest = now_ms() - older_than_ms
    found, _ = hub.repo.search_run_ids("", lifecycle=Lifecycle.DELETED, kind=kind)
    return [run_id for run_id in found if _deleted_ms(hub, run_id) <= latest]


def _deleted_ms(hub: Hub, run_id: RunId) -> int:
    run = hub.repo.get_run(run_id)
    own = run.stamps.get("run/lifecycle") if run.info.lifecycle is Lifecycle.DELETED else None
    if own is not None:
        return own.time_ms
    return hub.repo.get_experiment(run.info.experiment_id).last_update_time_ms


def purge_record(hub: Hub, record: RunId) -> None:
    """Purges a run, or a record of another kind: see `git runs purge`."""
    from gitruns.repo.purging import purge_runs

    purge_runs(hub.repo, [record], reason="mlflow gc")
