"""What MLflow's records mean here, wherever they were read: runs, logged models, statuses, tags that are facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.logged_model import (
    INPUT_TAGS,
    MESSAGE_TAG,
    OUTPUT_TAGS,
    SOURCE_RUN_TAG,
    TYPE_TAG,
    series_of,
)
from gitruns.entities.run import MODEL_KIND, MODEL_TAGS, RunStatus
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError
from gitruns.exchange.fitting import without_credentials
from gitruns.exchange.foreign import Damage, ForeignFile, ForeignRun

NAMESPACE = "mlflow"
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
REMOTE_TAG = "mlflow.source.git.repoURL"
SOURCE_TAG = "mlflow.source.name"
CONTEXT_TAG = "mlflow.data.context"
DELETED_STAGE = "Deleted_Internal"
"""The stage of a version that was deleted: MLflow keeps its row, so that its number is not given again."""

STATUSES = {
    1: RunStatus.RUNNING,
    2: RunStatus.SCHEDULED,
    3: RunStatus.FINISHED,
    4: RunStatus.FAILED,
    5: RunStatus.KILLED,
}
MODEL_STATUSES = {0: RunStatus.RUNNING, 1: RunStatus.RUNNING, 2: RunStatus.FINISHED, 3: RunStatus.FAILED}
_MODEL_WORDS = {
    "UNSPECIFIED": 0,
    "LOGGED_MODEL_STATUS_UNSPECIFIED": 0,
    "PENDING": 1,
    "LOGGED_MODEL_PENDING": 1,
    "READY": 2,
    "LOGGED_MODEL_READY": 2,
    "FAILED": 3,
    "LOGGED_MODEL_UPLOAD_FAILED": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPoint:
    """A point that was measured on a logged model: by which run, and of which dataset."""

    metric: str
    step: int
    time_ms: int
    value: float
    run: str | None = None
    dataset: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as MLflow has it. `info` has the names of MLflow's `RunInfo`; texts are as they stand there."""

    info: Mapping[str, Any]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Callable[[], Iterable[Point]]
    artifacts: Callable[[], Iterable[ForeignFile | Damage]]
    inputs: tuple[DatasetInput, ...] = ()
    input_models: Sequence[str] = ()
    output_models: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A logged model as MLflow has it. `info` has the names of MLflow's `LoggedModel`."""

    info: Mapping[str, Any]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[ModelPoint]
    artifacts: Callable[[], Iterable[ForeignFile | Damage]]
    deleted: bool = False


def foreign_run(record: RunRecord) -> ForeignRun:
    """Returns a run in our words; raises `CorruptDataError` for facts that make no sense."""
    info = record.info
    tags = {key: text for key, text in record.tags.items() if not key.startswith(MODEL_TAGS)}
    _take_credentials_away(tags)
    tags |= {INPUT_TAGS + model: "" for model in record.input_models}
    tags |= {OUTPUT_TAGS + model: str(step) for model, step in record.output_models}
    name = tags.pop(NAME_TAG, "") or _text(info.get("run_name")) or _text(info.get("name"))
    return ForeignRun(
        id=_text(info.get("run_id") or info.get("run_uuid")),
        name=name,
        experiment=_text(info.get("experiment_id")),
        status=status_of(info.get("status")),
        start_time_ms=time_of(info.get("start_time")) or 0,
        end_time_ms=time_of(info.get("end_time")),
        user=_text(info.get("user_id")) or None,
        entry_point=tags.get(SOURCE_TAG) or _text(info.get("source_name")) or None,
        deleted=info.get("lifecycle_stage") == "deleted",
        parent=tags.pop(PARENT_TAG, None) or None,
        params=record.params,
        tags=tags,
        inputs=record.inputs,
        commit=tags.get(COMMIT_TAG) or _text(info.get("source_version")) or None,
        branch=tags.get(BRANCH_TAG),
        remote_url=tags.get(REMOTE_TAG),
        points=record.points,
        artifacts=record.artifacts,
    )


def foreign_model(record: ModelRecord, makers: Mapping[str, str | None]) -> ForeignRun:
    """Returns a logged model in our words; `makers` says which commit the run named that made a model."""
    info = record.info
    maker = _text(info.get("source_run_id")) or None
    tags = {key: text for key, text in record.tags.items() if not key.startswith(MODEL_TAGS)}
    told = {TYPE_TAG: info.get("model_type"), MESSAGE_TAG: info.get("status_message")}
    tags |= {key: _text(value) for key, value in told.items() if value}
    if maker is not None and maker not in makers:  # a run that is not there: its id is all there is
        tags[SOURCE_RUN_TAG] = maker
    points = []
    for one in record.points:
        run = None if one.run == maker else one.run
        name, key, text = series_of(one.metric, one.digest, one.dataset, run)
        if key is not None:
            tags[key] = text
        points.append(Point(name, one.step, one.time_ms, one.value))
    status = model_status_of(info.get("status"))
    created = time_of(info.get("creation_timestamp")) or 0
    return ForeignRun(
        id=_text(info.get("model_id")),
        name=_text(info.get("name")),
        experiment=_text(info.get("experiment_id")),
        status=status,
        start_time_ms=created,
        end_time_ms=time_of(info.get("last_updated_timestamp")),
        kind=MODEL_KIND,
        deleted=record.deleted,
        parent=maker if maker in makers else None,
        commit=makers.get(maker) if maker is not None else None,
        params=record.params,
        tags=tags,
        points=lambda: points,
        artifacts=record.artifacts,
    )


def dataset_of(given: Mapping[str, Any], tags: Mapping[str, str]) -> DatasetInput:
    """Returns a dataset that went into a run; `given` has the names of MLflow's `Dataset`."""
    others = {key: text for key, text in tags.items() if key != CONTEXT_TAG}
    return DatasetInput(
        name=_text(given.get("name")),
        digest=_text(given.get("digest")),
        source=without_credentials(_text(given.get("source"))),
        source_type=_text(given.get("source_type")) or "local",
        schema=_text(given.get("schema")) or None,
        profile=_text(given.get("profile")) or None,
        context=tags.get(CONTEXT_TAG),
        tags=tuple(sorted(others.items())),
    )


def status_of(given: object) -> RunStatus:
    """Returns the status that a number or a word names; what is missing is running, as MLflow has it."""
    if given is None:
        return RunStatus.RUNNING
    if isinstance(given, int) and given in STATUSES:
        return STATUSES[given]
    text = str(given)
    if text.isdigit() and int(text) in STATUSES:
        return STATUSES[int(text)]
    try:
        return RunStatus(text.upper())
    except ValueError:
        raise CorruptDataError(f"'{text:.40}' is no status of a run", kind="bad-source") from None


def model_status_of(given: object) -> RunStatus:
    """Returns the status of a record that is a logged model, from MLflow's number or word for it."""
    text = str(given)
    number = int(text) if text.isdigit() else _MODEL_WORDS.get(text.upper())
    if number not in MODEL_STATUSES:
        raise CorruptDataError(f"'{text:.40}' is no status of a logged model", kind="bad-source")
    return MODEL_STATUSES[number]


def time_of(given: object) -> int | None:
    """Returns a time in milliseconds, None for none; raises `CorruptDataError`."""
    if given is None or given == "":
        return None
    try:
        time_ms = given if isinstance(given, int) else int(float(str(given)))
    except (TypeError, ValueError, OverflowError):
        raise CorruptDataError(f"'{given!s:.40}' is no time", kind="bad-source") from None
    if not 0 <= time_ms < 2**62:
        raise CorruptDataError(f"{time_ms} is no time", kind="bad-source")
    return time_ms


def _take_credentials_away(tags: dict[str, str]) -> None:
    for key in (REMOTE_TAG, SOURCE_TAG):
        if key in tags:
            tags[key] = without_credentials(tags[key])


def _text(value: object) -> str:
    return "" if value is None else str(value)
