"""Calls for logged models: created, found, changed, finalized, deleted. `logged_model` says how they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitruns.entities import names
from gitruns.entities.ids import RunId, is_run_id, new_run_id
from gitruns.entities.logged_model import MODEL_PREFIX, SOURCE_RUN_TAG, TYPE_TAG
from gitruns.entities.run import MODEL_KIND, Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsError
from gitruns.protocol import checks
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.experiments import active_experiment, experiment_ids_of
from gitruns.protocol.hub import Hub
from gitruns.protocol.logged_model import FAILED, READY, LoggedModel, model_named, model_not_found, shown_model
from gitruns.protocol.logged_model_search import Datasets, in_order, matching, needs_points, page_of
from gitruns.protocol.logging import write_tags
from gitruns.protocol.runs import deleted_runs, purge_record
from gitruns.repo import now_ms

MODELS_PAGE = 100
_BAD_CHARACTERS = ("/", ":", ".", "%", '"', "'")
_ENDS = {READY: RunStatus.FINISHED, FAILED: RunStatus.FAILED}


def create_logged_model(
    hub: Hub,
    experiment_id: object,
    *,
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    model_type: str | None = None,
) -> LoggedModel:
    """Begins a logged model: it is pending until it is finalized."""
    _check_name(name)
    experiment = active_experiment(hub, experiment_id)
    repo = hub.repo
    maker = _maker(hub, source_run_id)
    kept = _checked_tags(tags or {}) | _facts(model_type, source_run_id if maker is None else None)
    fresh = dict(names.check_param(key, value) for key, value in (params or {}).items())
    info = RunInfo(
        id=new_run_id(),
        name=names.check_text("model name", name or names.new_run_name(), names.MAX_NAME_LENGTH),
        experiment_id=experiment.id,
        writer=repo.writer,
        start_time_ms=now_ms(),
        user=maker.info.user if maker is not None else None,
        host=maker.info.host if maker is not None else None,
        source=maker.info.source if maker is not None else Source(),
        parent_run_id=maker.info.id if maker is not None else None,
        kind=MODEL_KIND,
    )
    log = repo.start_run(
        info,
        environment=None,
        identity=repo.identity(),
        tags={},
        experiment_name=experiment.name,
        on_behalf=hub.in_server,
    )
    hub.logs.began(log)
    if kept:
        log.write_tags(kept)
    if fresh:
        log.log_params(fresh)
    return shown_model(hub, model_named(hub, MODEL_PREFIX + info.id))


def _check_name(name: str | None) -> None:
    if name is not None and (not name or any(character in name for character in _BAD_CHARACTERS)):
        raise refused(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot contain the "
            f"following characters: {_BAD_CHARACTERS}"
        )


def _checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    for key in tags:
        checks.check_not_reserved(key)
    return dict(names.check_tag(key, text) for key, text in tags.items())


def _facts(model_type: str | None, source_run_id: str | None) -> dict[str, str]:
    """Returns what of a model is kept in reserved tags; a run that made it and is here is its parent instead."""
    given = {TYPE_TAG: model_type, SOURCE_RUN_TAG: source_run_id}
    return dict(names.check_tag(key, text) for key, text in given.items() if text is not None)


def _maker(hub: Hub, run_id: str | None) -> Run | None:
    if run_id is None or not is_run_id(run_id):
        return None
    try:
        return hub.repo.get_run(RunId(run_id))
    except GitRunsError:
        return None


def get_logged_model(hub: Hub, model_id: str, *, deleted: bool = False) -> LoggedModel:
    """Returns a logged model; a deleted one only when it is asked for so."""
    found = model_named(hub, model_id)
    if found.info.lifecycle is Lifecycle.DELETED and not deleted:
        raise model_not_found(model_id)
    return shown_model(hub, found)


def finalize_logged_model(hub: Hub, model_id: str, status: str) -> LoggedModel:
    """Ends a logged model as ready or failed, which seals it into git; with any other status it is pending again."""
    record = model_named(hub, model_id).info.id
    end = _ENDS.get(status)
    if end is None:
        hub.logs.resume(record)
    else:
        hub.logs.end(record, end, None)
    return shown_model(hub, model_named(hub, model_id))


def set_logged_model_tags(hub: Hub, model_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a logged model."""
    record = model_named(hub, model_id).info.id
    if tags:
        write_tags(hub, record, _checked_tags(tags))


def delete_logged_model_tag(hub: Hub, model_id: str, key: str) -> None:
    """Takes a tag of a logged model away."""
    model = model_named(hub, model_id)
    if key not in model.shown_tags:
        raise missing(f"No tag with key {key!r} found for model with ID {model_id!r}.")
    write_tags(hub, model.info.id, {key: None})


def log_logged_model_params(hub: Hub, model_id: str, params: Mapping[str, str]) -> None:
    """Logs params of a logged model."""
    record = model_named(hub, model_id).info.id
    if params:
        hub.logs.write(record, lambda log: log.log_params(params))


def delete_logged_model(hub: Hub, model_id: str) -> None:
    """Deletes a logged model."""
    with hub.repo.edit(model_named(hub, model_id).info.id) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)


def search_logged_models(
    hub: Hub,
    experiment_ids: Iterable[object],
    *,
    filter: str | None = None,  # noqa: A002  MLflow's name
    datasets: Datasets | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    page_token: str | None = None,
) -> tuple[list[LoggedModel], str]:
    """Returns one page of logged models and the token of the next one, empty on the last."""
    wanted = experiment_ids_of(experiment_ids)
    order = list(order_by or ())
    if max_results is not None and max_results < 0:
        raise refused(f"Invalid value {max_results} for parameter 'max_results' supplied.")
    ids, _ = hub.repo.search_run_ids("", experiment_ids=wanted, kind=MODEL_KIND)
    records = {MODEL_PREFIX + one: hub.repo.get_run(one) for one in ids}
    measured = needs_points(filter or "", datasets, order)
    everything = [shown_model(hub, one, points=measured) for one in records.values()]
    found = in_order(matching(everything, filter or "", datasets), order)
    asked = (wanted, filter or "", [sorted(item.items()) for item in order])
    page, token = page_of(found, max_results or MODELS_PAGE, page_token or "", asked)
    return [one if measured else shown_model(hub, records[one.model_id]) for one in page], token


# What `mlflow gc` asks for


def deleted_models(hub: Hub, older_than_ms: int = 0) -> list[str]:
    """Returns the ids of the models that were deleted so many milliseconds ago, or longer."""
    return [MODEL_PREFIX + record for record in deleted_runs(hub, older_than_ms, MODEL_KIND)]


def purge_model(hub: Hub, model_id: str) -> None:
    """Purges a logged model: see `git runs purge`."""
    purge_record(hub, model_named(hub, model_id).info.id)
