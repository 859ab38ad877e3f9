"""Which logged models match, and in which order: as MLflow's SQL store finds them.

A metric matches when any of its points does; one that is ordered by counts as it was measured last. Models are looked
at one by one: of an experiment there are hundreds.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gitruns.protocol.errors import refused
from gitruns.protocol.logged_model import LoggedModel, ModelPoint
from gitruns.query import LOGGED_MODELS, Dialect, matches, read_query
from gitruns.query.ast import Among, And, Comparison, Condition, Entity, Field, Match

Datasets = Sequence[Mapping[str, Any]]
"""`dataset_name` and, where that matters, `dataset_digest` of what models were measured on."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FIELDS = {
    **{name: name for name in ("name", "model_id", "model_type", "source_run_id", "status", "experiment_id")},
    "creation_timestamp": "creation_time_ms",
    "last_updated_timestamp": "update_time_ms",
}


def matching(models: Iterable[LoggedModel], text: str, datasets: Datasets | None) -> list[LoggedModel]:
    """Returns the models that a filter finds, of those measured on some datasets, where any are given."""
    if datasets and not all(one.get("dataset_name") for one in datasets):
        raise refused("`dataset_name` in the `datasets` clause must be specified.")
    clauses = _clauses(text)
    found = [model for model in models if all(_fits(model, one, datasets) for one in clauses)]
    if datasets and not any(_field_of(one).entity is Entity.METRIC for one in clauses):
        return [model for model in found if any(_is_on(point, datasets) for point in model.points)]
    return found


def needs_points(text: str, datasets: Datasets | None, order_by: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether a search looks at what was measured on models."""
    by_metric = any(str(item.get("field_name")).startswith("metrics.") for item in order_by)
    return bool(datasets) or by_metric or any(_field_of(one).entity is Entity.METRIC for one in _clauses(text))


def _clauses(text: str) -> tuple[Condition, ...]:
    tree = read_query(text, Dialect.MLFLOW, LOGGED_MODELS)
    return tree.conditions if isinstance(tree, And) else (tree,)


def _field_of(clause: Condition) -> Field:
    """Returns what a clause is about: to MLflow that is always one field."""
    value = clause.left if isinstance(clause, Comparison) else getattr(clause, "value", None)
    return value if isinstance(value, Field) else Field(Entity.ATTRIBUTE, "")


def _fits(model: LoggedModel, clause: Condition, datasets: Datasets | None) -> bool:
    if isinstance(clause, And):
        return all(_fits(model, one, datasets) for one in clause.conditions)
    field = _field_of(clause)
    if field.entity is Entity.METRIC:
        points = (point for point in model.points if point.key == field.key and _is_on(point, datasets))
        return any(_compared(clause, point.value) for point in points)
    if field.entity is Entity.ATTRIBUTE:
        value = _attribute(model, field.key)
    else:
        value = (model.params if field.entity is Entity.PARAM else model.tags).get(field.key)
    return value is not None and _compared(clause, value)


def _compared(clause: Condition, value: Any) -> bool:
    if isinstance(clause, Comparison):
        return _COMPARE[clause.operator](value, getattr(clause.right, "value", None))
    if isinstance(clause, Among):
        return (value in [getattr(item, "value", None) for item in clause.items]) != clause.negated
    return isinstance(clause, Match) and matches(clause, str(value)) != clause.negated


def _is_on(point: ModelPoint, datasets: Datasets | None) -> bool:
    return not datasets or any(
        point.dataset_name == one["dataset_name"] and one.get("dataset_digest") in (None, "", point.dataset_digest)
        for one in datasets
    )


def _attribute(model: LoggedModel, name: str) -> Any:
    return getattr(model, _FIELDS[name])


# Order


def in_order(models: Iterable[LoggedModel], order_by: Sequence[Mapping[str, Any]]) -> list[LoggedModel]:
    """Returns models in order: what has no value comes last, then those created last come first."""
    ordered = sorted(models, key=lambda model: (-model.creation_time_ms, model.model_id))
    for item in reversed(order_by):
        value_of = _value_of(item)
        having = [(value, model) for model in ordered if (value := value_of(model)) is not None]
        having.sort(key=lambda one: one[0], reverse=item.get("ascending") is False)
        there = {model.model_id for _, model in having}
        ordered = [model for _, model in having] + [model for model in ordered if model.model_id not in there]
    return ordered


def _value_of(item: Mapping[str, Any]) -> Callable[[LoggedModel], Any]:
    name = item.get("field_name")
    if not isinstance(name, str) or not name:
        raise refused("`field_name` in the `order_by` clause must be specified.")
    kind, dot, key = name.partition(".")
    if not dot:
        attribute = LOGGED_MODELS.attribute(name)
        if attribute is None:
            raise refused(f"Invalid order by field name: {name}")
        return lambda model: _attribute(model, attribute.name)
    if kind != "metrics":
        raise refused(f"Invalid order by field name: {name}. Only metrics are supported.")
    wanted = [item] if item.get("dataset_name") else None

    def latest(model: LoggedModel) -> Any:
        points = [point for point in model.points if point.key == key and _is_on(point, wanted)]
        if not points:
            return None
        value = max(points, key=lambda one: (one.time_ms, one.step)).value
        return None if math.isnan(value) else value

    return latest


# Pages


def page_of(
    found: Sequence[LoggedModel], max_results: int, page_token: str, asked: object
) -> tuple[list[LoggedModel], str]:
    """Returns one page and the token of the next, empty on the last; a token goes with what was `asked` only."""
    start = _start(page_token, repr(asked))
    end = start + max_results
    token = json.dumps([end, repr(asked)]).encode() if end < len(found) else b""
    return list(found[start:end]), base64.urlsafe_b64encode(token).decode()


def _start(page_token: str, asked: str) -> int:
    if not page_token:
        return 0
    try:
        start, of = json.loads(base64.urlsafe_b64decode(page_token.encode()))
        if of == asked and isinstance(start, int) and start > 0:
            return start
    except (ValueError, TypeError, RecursionError, binascii.Error):
        pass
    raise refused(f"Invalid page token: {page_token[:100]}. It is of no page of this search.")
