"""A logged model as MLflow's clients see it: made from the record that keeps it.

A logged model is stored as a run is, with `kind: model` in its `run.yaml`, under the id without MLflow's `m-`; its
parent is the run that made it, and its source that run's. Points that were measured on a model are its metrics; which
data and which run they are of, where that is not the run that made it, is said by a reserved tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitruns.entities.logged_model import MESSAGE_TAG, MODEL_PREFIX, SOURCE_RUN_TAG, TYPE_TAG, told_by_series
from gitruns.entities.run import MODEL_KIND, Run, RunStatus
from gitruns.entities.status import Lifecycle
from gitruns.entities.values import Point, param_text
from gitruns.errors import NotFoundError
from gitruns.protocol.addresses import model_record
from gitruns.protocol.errors import ProtocolError, missing
from gitruns.protocol.experiments import artifacts_at
from gitruns.protocol.hub import Hub

PENDING, READY, FAILED = "PENDING", "READY", "FAILED"
_STATUSES = {RunStatus.FINISHED: READY, RunStatus.FAILED: FAILED, RunStatus.KILLED: FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """One value that was measured on a model. Times are milliseconds UTC."""

    key: str
    value: float
    time_ms: int
    step: int
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A logged model. `status` is MLflow's word: PENDING, READY or FAILED. Times are milliseconds UTC."""

    model_id: str
    experiment_id: str
    name: str
    artifact_uri: str
    creation_time_ms: int
    update_time_ms: int
    status: str
    status_message: str | None
    model_type: str | None
    source_run_id: str | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: tuple[ModelPoint, ...]


def logged_model(record: Run, artifact_uri: str, points: Iterable[Point]) -> LoggedModel:
    """Returns the model that a record keeps; `points` are those of the record, distinct ones count once."""
    info = record.info
    deleted = record.stamps.get("run/lifecycle") if info.lifecycle is Lifecycle.DELETED else None
    changed_ms = info.start_time_ms if info.end_time_ms is None else info.end_time_ms
    return LoggedModel(
        model_id=MODEL_PREFIX + info.id,
        experiment_id=str(info.experiment_id),
        name=info.name,
        artifact_uri=artifact_uri,
        creation_time_ms=info.start_time_ms,
        update_time_ms=changed_ms if deleted is None else max(changed_ms, deleted.time_ms),
        status=_STATUSES.get(info.status, PENDING),
        status_message=record.tags.get(MESSAGE_TAG) or info.error,
        model_type=record.tags.get(TYPE_TAG),
        source_run_id=source_run_of(record),
        tags=dict(record.shown_tags),
        params={key: param_text(value) for key, value in record.params.items()},
        points=tuple(_measured(record, points)),
    )


def model_named(hub: Hub, model_id: str) -> Run:
    """Returns the record of a logged model, deleted or not."""
    record = model_record(model_id)
    try:
        found = None if record is None else hub.repo.get_run(record)
    except NotFoundError:
        found = None
    if found is None or found.info.kind != MODEL_KIND:
        raise model_not_found(model_id)
    return found


def model_not_found(model_id: str) -> ProtocolError:
    """Returns the error for a logged model that is not there."""
    return missing(f"Logged model with ID '{model_id}' not found.")


def shown_model(hub: Hub, record: Run, *, points: bool = True) -> LoggedModel:
    """Returns a logged model as clients see it; its points have to be read, so not where nobody looks at them."""
    place = artifacts_at(hub, record.info.experiment_id, "models", MODEL_PREFIX + record.info.id, "artifacts")
    return logged_model(record, place, hub.repo.iter_points(record.info.id) if points and record.metrics else ())


def source_run_of(record: Run) -> str | None:
    """Returns the id of the run that made a model, also of one that is not here."""
    return record.info.parent_run_id or record.tags.get(SOURCE_RUN_TAG)


def _measured(record: Run, points: Iterable[Point]) -> Iterable[ModelPoint]:
    found: dict[tuple[str, int, int], ModelPoint] = {}
    for point in points:
        distinct = (point.metric, point.time_ms, point.step)
        if distinct in found:
            continue
        key, told = told_by_series(point.metric, record.tags)
        found[distinct] = ModelPoint(
            key=key,
            value=point.value,
            time_ms=point.time_ms,
            step=point.step,
            dataset_name=told.get("name"),
            dataset_digest=told.get("digest"),
            run_id=told.get("run", record.info.parent_run_id),
        )
    return found.values()
