"""Fields of many runs without the runs: read from the index column by column, as `run_json` would give them.

A hundred thousand runs are listed in a pipe in seconds this way; what only a whole record has is read the other way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitruns.cli.run_json import as_json_value
from gitruns.cli.times import iso
from gitruns.query import format_order
from gitruns.query.ast import Entity, Field, OrderItem, Summary
from gitruns.query.fields import SUMMARY_FUNCTIONS

if TYPE_CHECKING:
    from gitruns.cli.queries import Query
    from gitruns.repo import Repo

_ATTRIBUTES = {
    "id": "run_id",
    "short": "run_id",
    "name": "run_name",
    "status": "status",
    "live": "live",
    "experiment_id": "experiment_id",
    "experiment": "experiment",
    "start_time_ms": "start_time",
    "started": "start_time",
    "end_time_ms": "end_time",
    "ended": "end_time",
    "user": "user_id",
    "host": "host",
    "entry_point": "entry_point",
    "exit_code": "exit_code",
    "error": "attributes.error",
    "parent_run_id": "parent_run_id",
}
_DURATION = "duration_ms"
_FOR_DURATION = ("start_time", "end_time", "live")
_ENTITIES = {"metrics": Entity.METRIC, "params": Entity.PARAM, "tags": Entity.TAG}


def quick_rows(
    repo: Repo, query: Query, fields: Sequence[str], limit: int | None, now_ms: int
) -> Iterator[list[Any]] | None:
    """Returns the values of fields, run by run, or None when some field is in no column of the index."""
    known: dict[Entity, set[str]] = {}
    if any("." in field for field in fields):
        for key in repo.known_keys():
            known.setdefault(Entity(key.kind), set()).add(key.name)
    columns = {field: _column(field, known) for field in fields if field != _DURATION}
    if None in columns.values():
        return None
    wanted = [column for column in columns.values() if column is not None]
    wanted += _FOR_DURATION if _DURATION in fields else []
    page = limit if limit is not None and limit <= query.LARGEST_PAGE else None
    how = {**query.how, "order_by": query.order_by, "max_results": page}
    ids, table = repo.table(query.text, list(dict.fromkeys(wanted)), **how)
    return _rows(fields, columns, table, len(ids[:limit]), now_ms)


def _rows(
    fields: Sequence[str],
    columns: Mapping[str, str | None],
    table: Mapping[str, Sequence[Any]],
    count: int,
    now_ms: int,
) -> Iterator[list[Any]]:
    for place in range(count):
        row = []
        for field in fields:
            column = columns.get(field)
            if column is None:
                start, end, live = (table[name][place] for name in _FOR_DURATION)
                until = end if end is not None else now_ms if live else None
                row.append(None if until is None else max(until - start, 0))
            else:
                row.append(_shown(field, table[column][place]))
        yield row


def _column(field: str, known: Mapping[Entity, Collection[str]]) -> str | None:
    if field in _ATTRIBUTES:
        return _ATTRIBUTES[field]
    prefix, _, key = field.partition(".")
    entity = _ENTITIES.get(prefix)
    if entity is None:
        return None
    if key in known.get(entity, ()):
        return _text(Field(entity, key))
    metric, _, function = key.rpartition(".")
    if entity is Entity.METRIC and function in SUMMARY_FUNCTIONS and metric in known.get(entity, ()):
        return _text(Summary(function, metric))
    return None


def _text(value: Field | Summary) -> str:
    return format_order([OrderItem(value)])[0].removesuffix(" ASC")


def _shown(field: str, value: Any) -> Any:
    if value is None:
        return None
    if field == "short":
        return value[:8]
    if field in ("started", "ended"):
        return iso(value)
    return bool(value) if field == "live" else as_json_value(value)
