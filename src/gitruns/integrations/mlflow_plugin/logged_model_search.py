"""Which logged models match, and in which order: as MLflow's SQL store finds them.

The filter is read by MLflow's own parser. A metric matches when any of its points does; one that is ordered by counts
as it was measured last.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gitruns.integrations.mlflow_plugin.errors import refused

_ATTRIBUTES = {
    **{name: name for name in ("name", "model_id", "model_type", "source_run_id", "status", "experiment_id")},
    **dict.fromkeys(("creation_timestamp", "creation_time", "creation_timestamp_ms"), "creation_timestamp"),
    **dict.fromkeys(("last_updated_timestamp", "last_updated_timestamp_ms"), "last_updated_timestamp"),
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "LIKE": lambda value, pattern: _like(pattern, 0).match(value) is not None,
    "ILIKE": lambda value, pattern: _like(pattern, re.IGNORECASE).match(value) is not None,
    "IN": lambda value, listed: value in listed,
    "NOT IN": lambda value, listed: value not in listed,
}


def _like(pattern: str, flags: int) -> re.Pattern[str]:
    text = "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern)
    return re.compile(text + r"\Z", flags | re.DOTALL)


def matching(models: Iterable[Any], text: str | None, datasets: Sequence[Mapping[str, Any]] | None) -> list[Any]:
    """Returns the models that a filter finds, of those measured on some datasets, where any are given."""
    if datasets and not all(one.get("dataset_name") for one in datasets):
        raise refused("`dataset_name` in the `datasets` clause must be specified.")
    comparisons = _parse(text) if text else []
    for one in comparisons:
        if one.entity.type.value == "attributes" and one.entity.key not in _ATTRIBUTES:
            raise refused(f"Invalid attribute key '{one.entity.key}' specified. Valid keys are {sorted(_ATTRIBUTES)}")
    on_metrics = any(one.entity.type.value == "metrics" for one in comparisons)
    found = [model for model in models if all(_fits(model, one, datasets) for one in comparisons)]
    if datasets and not on_metrics:
        return [model for model in found if any(_is_on(metric, datasets) for metric in model.metrics or ())]
    return found


def _parse(text: str) -> list[Any]:
    try:
        from mlflow.utils.search_logged_model_utils import parse_filter_string
    except ImportError as error:  # mlflow-skinny has the parser, and not what it imports
        raise refused("a filter of logged models needs the whole of MLflow: pip install mlflow") from error
    found: list[Any] = parse_filter_string(text)
    return found


def _fits(model: Any, comparison: Any, datasets: Sequence[Mapping[str, Any]] | None) -> bool:
    kind, key = comparison.entity.type.value, comparison.entity.key
    compare = _COMPARE[comparison.op]
    if kind == "metrics":
        return any(
            metric.key == key and compare(metric.value, comparison.value) and _is_on(metric, datasets)
            for metric in model.metrics or ()
        )
    value = _attribute(model, key) if kind == "attributes" else getattr(model, kind).get(key)
    return value is not None and compare(value, comparison.value)


def _is_on(metric: Any, datasets: Sequence[Mapping[str, Any]] | None) -> bool:
    return not datasets or any(
        metric.dataset_name == one["dataset_name"] and one.get("dataset_digest") in (None, metric.dataset_digest)
        for one in datasets
    )


def _attribute(model: Any, name: str) -> Any:
    value = getattr(model, _ATTRIBUTES[name])
    return str(value) if name == "status" else value


def in_order(models: list[Any], order_by: Sequence[Mapping[str, Any]] | None) -> list[Any]:
    """Returns models in order: what has no value comes last, then those created last come first."""
    ordered = sorted(models, key=lambda model: (-model.creation_timestamp, model.model_id))
    for item in reversed(order_by or ()):
        value_of = _value_of(item)
        having = [model for model in ordered if value_of(model) is not None]
        having.sort(key=value_of, reverse=not item.get("ascending", True))
        ordered = having + [model for model in ordered if value_of(model) is None]
    return ordered


def _value_of(item: Mapping[str, Any]) -> Callable[[Any], Any]:
    name = str(item.get("field_name"))
    kind, dot, key = name.partition(".")
    if not dot:
        if name not in _ATTRIBUTES:
            raise refused(f"Invalid order by field name: {name}")
        return lambda model: _attribute(model, name)
    if kind != "metrics":
        raise refused(f"Invalid order by field name: {name}. Only metrics are supported.")
    wanted = {part: item[f"dataset_{part}"] for part in ("name", "digest") if item.get(f"dataset_{part}")}

    def latest(model: Any) -> Any:
        points = [
            metric
            for metric in model.metrics or ()
            if metric.key == key and all(getattr(metric, f"dataset_{part}") == text for part, text in wanted.items())
        ]
        return max(points, key=lambda one: (one.timestamp, one.step)).value if points else None

    return latest
