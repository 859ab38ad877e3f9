"""What a training script logs to its run, with MLflow's names and limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitruns.entities.ids import RunId
from gitruns.mlflow.active import current_log, current_run_id, experiment_id
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.exceptions import speaks_mlflow
from gitruns.mlflow.log_calls import fitting, point
from gitruns.protocol import checks
from gitruns.protocol.shown import PARENT_TAG, RUN_NAME_TAG
from gitruns.repo import RunLog
from gitruns.tracking import fluent as native

_FACTS = (RUN_NAME_TAG, PARENT_TAG)
"""Tags that are facts of a run here."""


class RunOperations:
    """What MLflow's calls return when they are told not to wait. Here all is done when they return."""

    def wait(self) -> None:
        """Returns at once."""


_DONE = RunOperations()


def _answer(synchronous: bool | None) -> RunOperations | None:
    return _DONE if synchronous is False else None


def log_of(run_id: str | None) -> RunLog:
    """Returns the open log of a run, by default of the current one."""
    log = native.current_log()
    if run_id is None or (log is not None and log.run_id == run_id):
        return log if log is not None else current_log()
    client = MlflowClient()
    return client.hub.logs.get(RunId(client.get_run(run_id).info.run_id))


@speaks_mlflow
def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Logs one point of a metric to the current run; when it returns, a kill of the process cannot lose it."""
    checks.check_key(key, "name")
    if model_id is None and dataset is None:
        log_of(run_id).log_metric(key, value, step, timestamp)
    else:
        _log_with_model(run_id or current_run_id(), {key: value}, step, timestamp, model_id, dataset)
    return _answer(synchronous)


@speaks_mlflow
def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Logs one point each of some metrics, as one record: all of them survive, or none."""
    for key in metrics:
        checks.check_key(key, "name")
    if model_id is None and dataset is None:
        log_of(run_id).log_metrics(metrics, step, timestamp)
    else:
        _log_with_model(run_id or current_run_id(), metrics, step, timestamp, model_id, dataset)
    return _answer(synchronous)


def _log_with_model(
    run_id: str, metrics: Mapping[str, Any], step: int | None, time_ms: int | None, model_id: str | None, dataset: Any
) -> None:
    """Logs points that are of a logged model too. A dataset is noted with the model only, as in MLflow."""
    name, digest = (None, None) if dataset is None else (dataset.name, dataset.digest)
    points = [point(key, value, time_ms, step, model_id, name, digest) for key, value in metrics.items()]
    MlflowClient().log_batch(run_id, points)


@speaks_mlflow
def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Logs one param and returns its value; a param is write-once, the same value again is fine."""
    log_of(None).log_params({key: fitting(key, value)})
    return _answer(synchronous) or value


@speaks_mlflow
def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Logs params: all of them, or none when one is refused."""
    log_of(run_id).log_params({key: fitting(key, value) for key, value in params.items()})
    return _answer(synchronous)


@speaks_mlflow
def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Sets a tag of the current run."""
    return set_tags({key: value}, synchronous)


@speaks_mlflow
def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Sets tags of the current run."""
    checked = dict(checks.check_tag(key, str(value)) for key, value in tags.items())
    plain = {key: text for key, text in checked.items() if key not in _FACTS}
    log = log_of(None)
    if plain:
        log.set_tags(plain)
    for key in checked.keys() - plain.keys():
        MlflowClient().set_tag(log.run_id, key, checked[key])
    return _answer(synchronous)


@speaks_mlflow
def delete_tag(key: str) -> None:
    """Takes a tag of the current run away."""
    MlflowClient().delete_tag(current_run_id(), key)


@speaks_mlflow
def set_experiment_tag(key: str, value: Any) -> None:
    """Sets a tag of the current experiment."""
    MlflowClient().set_experiment_tag(experiment_id(), key, value)


@speaks_mlflow
def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Sets tags of the current experiment."""
    for key, value in tags.items():
        set_experiment_tag(key, value)


@speaks_mlflow
def delete_experiment_tag(key: str) -> None:
    """Takes a tag of the current experiment away."""
    MlflowClient().delete_experiment_tag(experiment_id(), key)


# Data


@speaks_mlflow
def log_input(
    dataset: Any = None, context: str | None = None, tags: Mapping[str, str] | None = None, model: Any = None
) -> None:
    """Logs a dataset that the current run reads: one of `mlflow.data`, or a DataFrame, an array, a path."""
    log_inputs(
        None if dataset is None else [dataset], [context], [dict(tags) if tags else None], [model] if model else None
    )


@speaks_mlflow
def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, str] | None] | None = None,
    models: Sequence[Any] | None = None,
) -> None:
    """Logs datasets and logged models that the current run reads."""
    log = log_of(None)
    count = len(datasets or ())
    told = zip(datasets or (), contexts or [None] * count, tags_list or [None] * count, strict=True)
    for dataset, context, tags in told:
        log.add_input_made(_described(dataset, context, tags))
    if models:
        MlflowClient().log_inputs(log.run_id, models=[one for one in models if one is not None])


def _described(dataset: Any, context: str | None, tags: Mapping[str, str] | None) -> Callable[[], Any]:
    def describe() -> Any:
        from gitruns.tracking.datasets import from_any

        found = from_any(getattr(dataset, "kept", dataset), context=context)
        return dataclasses.replace(found, tags=tuple((tags or {}).items()))

    return describe


# Waiting: nothing is ever waited for


def flush_async_logging() -> None:
    """Returns when all that was logged is on disk."""
    native.flush()


def flush_artifact_async_logging() -> None:
    """Returns when all that was logged is on disk."""
    native.flush()
