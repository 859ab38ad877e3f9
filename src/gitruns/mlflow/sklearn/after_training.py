"""Metrics that are computed after training from what a model predicted: added to the run that trained it.

    pred = model.predict(test_X)
    accuracy_score(test_y, pred)        is logged as accuracy_score_test_X

The name is that of the variable which the data was in, as MLflow finds it; the second call of one metric is `-2`.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities.views import input_record
from gitruns.mlflow.warn import warn
from gitruns.tracking.datasets import from_any

INFO_FILE = "metric_info.json"
_NO_METRICS = ("check_scoring", "get_scorer", "get_scorer_names", "make_scorer")
_LONGEST_TEXT = 32

_runs: dict[int, tuple[str, str | None]] = {}
_predictions: dict[int, tuple[str, str, str | None]] = {}
_datasets: dict[str, dict[str, list[int]]] = {}
_calls: dict[str, dict[str, list[tuple[str, str]]]] = {}


def metric_names() -> list[str]:
    """Returns the functions of `sklearn.metrics` that measure something."""
    from sklearn import metrics

    return [
        name
        for name in metrics.__all__
        if name not in _NO_METRICS and not name.startswith("plot_") and not inspect.isclass(getattr(metrics, name))
    ]


def remember_model(estimator: Any, run_id: str, model_id: str | None) -> None:
    """Notes which run trained an estimator and as what it was logged, for as long as that lives."""
    if id(estimator) not in _runs:
        weakref.finalize(estimator, _runs.pop, id(estimator), None)
    _runs[id(estimator)] = (run_id, model_id)


def is_remembered(estimator: Any) -> bool:
    """Returns whether it is known which run trained an estimator."""
    return id(estimator) in _runs


def remember_prediction(estimator: Any, data: Any, predicted: Any, *, log_dataset: bool) -> None:
    """Notes on which data some predictions were made, and by whom."""
    run_id, model_id = _runs[id(estimator)]
    name = _dataset_name(run_id, data)
    try:
        weakref.finalize(predicted, _predictions.pop, id(predicted), None)
    except TypeError:  # a list: it may be gone, and another thing have its id, before we hear of it
        return
    _predictions[id(predicted)] = (run_id, name, model_id)
    if log_dataset:
        try:
            MlflowClient().log_inputs(run_id, [input_record(from_any(data, context="eval"))])
        except Exception as error:  # data that is no dataset
            warn(f"dataset not logged: {error}", stacklevel=5)


def log_measure(measure: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any], value: Any) -> None:
    """Logs a metric if one of its arguments is what a model predicted."""
    found = next((one for one in map(_prediction, [*args, *named.values()]) if one is not None), None)
    if found is not None and _is_number(value):
        run_id, dataset, model_id = found
        text = _call_text(measure.__name__, measure, args, named)
        _log(run_id, model_id, measure.__name__, dataset, text, value)


def _prediction(argument: Any) -> tuple[str, str, str | None] | None:
    return None if argument is None or isinstance(argument, (str, int, float)) else _predictions.get(id(argument))


def log_score(
    estimator: Any, score: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any], value: Any
) -> None:
    """Logs the score of a model on some data."""
    data = args[0] if args else named.get("X")
    if not _is_number(value):
        return
    (run_id, model_id), kind = _runs[id(estimator)], type(estimator).__name__
    text = _call_text(f"{kind}.score", score, args, named)
    _log(run_id, model_id, f"{kind}_score", _dataset_name(run_id, data), text, value)


def _log(run_id: str, model_id: str | None, metric: str, dataset: str, call: str, value: Any) -> None:
    calls = _calls.setdefault(run_id, {}).setdefault(metric, [])
    key = f"{_numbered(metric, len(calls))}_{dataset}"
    calls.append((key, call))
    told = dict(sorted(pair for pairs in _calls[run_id].values() for pair in pairs))
    try:
        client = MlflowClient()
        client.log_metric(run_id, key, float(value), model_id=model_id)
        client.log_dict(run_id, told, INFO_FILE)
    except Exception as error:  # the run was purged, the disk is full: the number is the caller's all the same
        warn(f"metric '{key}' not logged: {error}", stacklevel=6)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) or (hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0)


def _numbered(name: str, place: int) -> str:
    return name if place == 0 else f"{name}-{place + 1}"


def _dataset_name(run_id: str, data: Any) -> str:
    """Returns what the data is called in the caller's code; another thing of that name gets a number."""
    name = _variable(data) or "unknown_dataset"
    known = _datasets.setdefault(run_id, {}).setdefault(name, [])
    if id(data) not in known:
        known.append(id(data))
    return _numbered(name, known.index(id(data)))


def _variable(thing: Any) -> str | None:
    """Returns the name of a variable of the caller's that holds a thing, looking outwards from here."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(("gitruns.mlflow", "sklearn", "functools", "contextlib")):
            for name, value in frame.f_locals.items():
                if value is thing:
                    return name
        frame = frame.f_back
    return None


def _call_text(name: str, function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """Returns the call as one would write it, data by the names of its variables."""
    names = list(inspect.signature(function).parameters)
    given = [*zip(names, args, strict=False), *named.items()]
    return f"{name}({', '.join(f'{key}={_argument(value)}' for key, value in given)})"


def _argument(value: Any) -> str:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return repr(value[:_LONGEST_TEXT] + "...")
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    return _variable(value) or f"<{type(value).__name__}>"
