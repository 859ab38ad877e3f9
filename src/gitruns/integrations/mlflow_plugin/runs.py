"""The tracking store's calls for runs: begun, found, ended, deleted, restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlflow import entities
from mlflow.entities import RunStatus as MlflowStatus

from gitruns.entities import names
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, is_object_id, is_run_id, new_run_id
from gitruns.entities.run import Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.integrations.mlflow_plugin.base import lifecycle_of
from gitruns.integrations.mlflow_plugin.errors import missing, refused, speaks_mlflow
from gitruns.integrations.mlflow_plugin.experiments import ExperimentCalls
from gitruns.integrations.mlflow_plugin.views import PARENT_TAG, RUN_NAME_TAG, info_entity, run_entity
from gitruns.query.dialects import Dialect
from gitruns.repo import RunLog, now_ms

COMMIT_TAG = "mlflow.source.git.commit"


@speaks_mlflow
class RunCalls(ExperimentCalls):
    """Begins, finds, ends, deletes and restores runs."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: Sequence[Any] | None,
        run_name: str | None,
    ) -> entities.Run:
        """Begins a run: its source is captured here, unless this is a server, where the code is elsewhere."""
        experiment = self._experiment(experiment_id)
        self._check_experiment_is_active(experiment)
        given = {tag.key: tag.value for tag in tags or ()}
        named = given.pop(RUN_NAME_TAG, None)
        if run_name and named and run_name != named:
            raise refused(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{run_name}', mlflow.runName='{named}')."
            )
        parent = given.get(PARENT_TAG)
        parent_id = given.pop(PARENT_TAG) if parent is not None and is_run_id(parent) else None
        other_parent = given.pop(PARENT_TAG, None)
        if self.hub.in_server:
            log = self._begin_for_client(experiment.id, run_name or named, user_id, start_time, parent_id, given)
        else:
            log = self.hub.session.start(
                experiment_id=experiment.id,
                run_name=run_name or named,
                parent_run_id=parent_id,
                tags=given,
                start_time_ms=start_time,
            )
        if other_parent is not None:
            log.write_tags({PARENT_TAG: other_parent})
        self.hub.logs.began(log)
        return self.get_run(log.run_id)

    def _begin_for_client(
        self,
        experiment_id: ExperimentId,
        name: str | None,
        user: str | None,
        start_time: int | None,
        parent: str | None,
        tags: dict[str, str],
    ) -> RunLog:
        """Begins a run of a client that is another process, perhaps of another machine: only what it says is known."""
        repo = self.hub.repo
        commit = tags.get(COMMIT_TAG)
        known = commit is not None and is_object_id(commit) and repo.store.backend.has_object(ObjectId(commit))
        info = RunInfo(
            id=new_run_id(),
            name=names.check_text("run name", name or names.new_run_name(), names.MAX_NAME_LENGTH),
            experiment_id=experiment_id,
            writer=repo.writer,
            start_time_ms=now_ms() if start_time is None else start_time,
            user=user or tags.get("mlflow.user"),
            entry_point=tags.get("mlflow.source.name"),
            source=Source(commit=ObjectId(commit)) if known and commit is not None else Source(),
            parent_run_id=None if parent is None else RunId(parent),
        )
        return repo.start_run(
            info,
            environment=None,
            identity=repo.identity(),
            tags=tags,
            experiment_name=repo.get_experiment(experiment_id).name,
        )

    def get_run(self, run_id: str) -> entities.Run:
        """Returns a run as it stands now, live or ended, deleted or not."""
        return self._run_entity(self._run(run_id))

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> entities.RunInfo:
        """Changes status, end and name of a run; a status that ends it seals it into git."""
        run = self._active_run(run_id)
        if run_name:
            self._rename(run.info.id, run_name)
        if run_status is not None:
            self._set_status(run, RunStatus(MlflowStatus.to_string(run_status)), end_time)
        changed = self._run(run_id)
        return info_entity(changed, self._uri_of(changed), self._lifecycle(changed))

    def _set_status(self, run: Run, status: RunStatus, end_time: int | None) -> None:
        run_id = run.info.id
        if status.ended:
            self.hub.logs.end(run_id, status, end_time)
        elif status is RunStatus.RUNNING:
            self.hub.logs.resume(run_id)
        else:
            self.hub.logs.resume(run_id).set_fields({"status": status.value})

    def _rename(self, run_id: RunId, name: str) -> None:
        log = self.hub.logs.find(run_id)
        if log is not None:
            log.set_fields({"name": names.check_text("run name", name, names.MAX_NAME_LENGTH)})
            return
        with self.hub.repo.edit(run_id) as edit:
            edit.rename(name)

    def delete_run(self, run_id: str) -> None:
        """Deletes a run until it is restored."""
        self._set_lifecycle(run_id, Lifecycle.DELETED)

    def restore_run(self, run_id: str) -> None:
        """Brings a run back."""
        self._set_lifecycle(run_id, Lifecycle.ACTIVE)

    def _set_lifecycle(self, run_id: str, lifecycle: Lifecycle) -> None:
        run = self._run(run_id)
        if run.info.lifecycle is not lifecycle:
            with self.hub.repo.edit(run.info.id) as edit:
                edit.set_lifecycle(lifecycle)

    # Searching

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: Sequence[str] | None,
        page_token: str | None,
    ) -> tuple[list[entities.Run], str | None]:
        self._check_max_results(max_results, allow_none=True)
        search = self.hub.repo.search(
            filter_string or "",
            experiment_ids=self._experiment_ids(experiment_ids),
            lifecycle=lifecycle_of(run_view_type),
            max_results=max_results,
            order_by=tuple(order_by or ()),
            page_token=page_token or "",
            dialect=Dialect.MLFLOW,
        )
        listed, token = self.hub.repo.index.list_runs(replace(search, artifact_uri=(f"{self.hub.uri}/", "/artifacts")))
        deleted = {one.id for one in self.hub.repo.list_experiments(lifecycle=Lifecycle.DELETED)}
        elsewhere = {one: self._location(one) for one in {listed_run.run.info.experiment_id for listed_run in listed}}
        found = []
        for one in listed:
            run = self.hub.repo.get_run(one.run.info.id) if one.inputs else one.run
            lifecycle = Lifecycle.DELETED if run.info.experiment_id in deleted else run.info.lifecycle
            uri = self._artifact_uri(run, elsewhere[run.info.experiment_id])
            found.append(run_entity(run, uri, lifecycle, run.inputs))
        return found, token or None

    # What `mlflow gc` asks for

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        """Returns the deleted runs that were deleted so many milliseconds ago, or longer."""
        latest = now_ms() - older_than
        found, _ = self.hub.repo.search_run_ids("", lifecycle=Lifecycle.DELETED)
        return [run_id for run_id in found if self._deleted_ms(run_id) <= latest]

    def _deleted_ms(self, run_id: RunId) -> int:
        run = self.hub.repo.get_run(run_id)
        own = run.stamps.get("run/lifecycle") if run.info.lifecycle is Lifecycle.DELETED else None
        if own is not None:
            return own.time_ms
        return self.hub.repo.get_experiment(run.info.experiment_id).last_update_time_ms

    def _hard_delete_run(self, run_id: str) -> None:
        """Purges a run: see `git runs purge`."""
        from gitruns.repo.purging import purge_runs

        purge_runs(self.hub.repo, [self._run(run_id).info.id], reason="mlflow gc")

    # Inside

    def _run(self, run_id: str) -> Run:
        try:
            found = self.hub.repo.get_run(RunId(run_id)) if is_run_id(run_id) else None
        except NotFoundError:
            found = None
        if found is None or found.info.kind is not None:
            raise missing(f"Run with id={run_id} not found")
        return found

    def _active_run(self, run_id: str) -> Run:
        run = self._run(run_id)
        lifecycle = self._lifecycle(run)
        if lifecycle is not Lifecycle.ACTIVE:
            raise refused(f"The run {run_id} must be in the 'active' state. Current state is {lifecycle.value}.")
        return run

    def _lifecycle(self, run: Run) -> Lifecycle:
        """Returns whether a run is deleted: it is, with its experiment."""
        if run.info.lifecycle is Lifecycle.DELETED:
            return Lifecycle.DELETED
        try:
            return self.hub.repo.get_experiment(run.info.experiment_id).lifecycle
        except GitRunsError:  # the experiment was not fetched, and so not deleted here
            return Lifecycle.ACTIVE

    def _uri_of(self, run: Run) -> str:
        try:
            elsewhere = self._location(run.info.experiment_id)
        except GitRunsError:
            elsewhere = None
        return self._artifact_uri(run, elsewhere)

    def _run_entity(self, run: Run) -> entities.Run:
        return run_entity(run, self._uri_of(run), self._lifecycle(run), run.inputs)
