"""`--sort FIELD`: order by what the query language can order by, or by a field as `--json` names it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gitruns.query import format_order
from gitruns.query.ast import Entity, Field, OrderItem, Summary
from gitruns.query.fields import SUMMARY_FUNCTIONS

_OF_JSON = {
    "id": "run_id",
    "short": "run_id",
    "start_time_ms": "start_time",
    "end_time_ms": "end_time",
    "duration_ms": "duration",
    "error": "attributes.error",
    "source.branch": "branch",
    "source.dirty": "dirty",
    "source.incomplete": "incomplete",
    "source.remote_url": "remote_url",
}
_ENTITIES = {"metrics": Entity.METRIC, "params": Entity.PARAM, "tags": Entity.TAG}

Known = Mapping[Entity, Collection[str]]
"""The keys that runs have, by what they are keys of."""


def order_texts(sorts: Sequence[str], known: Known) -> tuple[str, ...]:
    """Returns what to order by, in the query language: `-acc`, `metrics.loss.min`, `started desc`, `acc - loss`.

    A key that runs have may stand as it is, whatever its characters; what is no such field is passed on.
    """
    return tuple(_order_text(sort, known) for sort in sorts)


def _order_text(sort: str, known: Known) -> str:
    descending, path = sort.startswith("-"), sort.removeprefix("-")
    if path in _OF_JSON and not _is_key(path, known):
        return f"-{_OF_JSON[path]}" if descending else _OF_JSON[path]
    value = _key_of(path, known)
    return sort if value is None else format_order([OrderItem(value, descending)])[0]


def _is_key(path: str, known: Known) -> bool:
    return any(path in keys for keys in known.values())


def _key_of(path: str, known: Known) -> Field | Summary | None:
    prefix, _, key = path.partition(".")
    entity = _ENTITIES.get(prefix)
    if entity is None:
        # A bare name means what it means in a query; only one that could not stand there needs help.
        return Field(Entity.BARE, path) if _is_key(path, known) and not path.isidentifier() else None
    if key in known.get(entity, ()):
        return Field(entity, key)
    metric, _, function = key.rpartition(".")
    if entity is Entity.METRIC and function in SUMMARY_FUNCTIONS and metric in known.get(entity, ()):
        return Summary(function, metric)
    return None
