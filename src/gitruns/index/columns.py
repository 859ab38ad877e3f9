"""Values of many runs, field by field: what tables, data frames and statistics are made of."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitruns.entities.ids import RunId
from gitruns.entities.run import MODEL_TAGS
from gitruns.entities.values import Scalar
from gitruns.index.keybook import find_key
from gitruns.index.layout import DETAILS, EXPERIMENT, RUN_LAYOUT, Column
from gitruns.index.rows import Row, value_of
from gitruns.index.schema import KEY_METRIC, KEY_PARAM, KEY_TAG, RUN_BITS, RUN_MASK
from gitruns.query.ast import Entity, Field, Summary

_KINDS = {Entity.METRIC: KEY_METRIC, Entity.PARAM: KEY_PARAM, Entity.TAG: KEY_TAG}
_WORDS = {KEY_METRIC: "metric", KEY_PARAM: "param", KEY_TAG: "tag"}
_SUMMARIES = frozenset(("first", "last", "min", "max", "mean", "count", "step"))
COLUMN_ATTRIBUTES: Mapping[str, Column] = {**RUN_LAYOUT.attributes, "commit": Column("d.source_commit", DETAILS)}
"""The attributes that are columns. A commit is compared by what a revision names, and shown by its id."""

_FEW = 10
"""A key is read from end to end when more than one in so many of its runs is wanted."""

_SOME = 2000
"""So many runs are looked up for an attribute; for more it is read from end to end."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that runs have: its kind (`metric`, `param`, `tag`), and how many runs have it."""

    kind: str
    name: str
    runs: int


def known_keys(connection: sqlite3.Connection) -> list[KnownKey]:
    """Returns all keys that runs have, those of most runs first, then by name."""
    rows = connection.execute(
        "SELECT kind, name, uses FROM keys WHERE uses > 0 AND kind <= ? ORDER BY uses DESC, name, kind", (KEY_TAG,)
    )
    return [KnownKey(_WORDS[kind], name, uses) for kind, name, uses in rows if not name.startswith(MODEL_TAGS)]


class Columns:
    """Reads fields of some runs, in the order in which those are given."""

    def __init__(self, connection: sqlite3.Connection, run_ids: Sequence[RunId]) -> None:
        self._connection = connection
        rows = dict(
            connection.execute(
                "SELECT r.run_id, r.run FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value",
                (json.dumps(list(run_ids)),),
            ).fetchall()
        )
        self.numbers: list[int | None] = [rows.get(run_id) for run_id in run_ids]
        self._wanted = [number for number in self.numbers if number is not None]

    def of(self, field: Field | Summary) -> list[Scalar]:
        """Returns a field's value of each run, None where it has none; params typed, text and times as they are.

        Metrics are floats, NaN too. A param that is None also gives None.
        """
        return list(map(self._values(field).get, self.numbers))  # type: ignore[arg-type]  # None is no number

    def _values(self, field: Field | Summary) -> Mapping[int, Scalar]:
        if isinstance(field, Summary):
            return self._metric(field.metric, field.function)
        if field.entity is Entity.METRIC:
            return self._metric(field.key, "last")
        if field.entity in (Entity.PARAM, Entity.TAG):
            rows = self._rows_of(_KINDS[field.entity], field.key, "kind, text")
            if field.entity is Entity.TAG:
                return {number: text for number, _, text in rows}
            return _typed(rows)
        return self._attribute(field.key)

    def _metric(self, name: str, column: str) -> Mapping[int, Scalar]:
        if column not in _SUMMARIES:
            raise ValueError(f"'{column}' is no summary of a metric")
        rows = self._rows_of(KEY_METRIC, name, column)
        if column in ("count", "step"):
            return dict(rows)
        return {number: math.nan if value is None else value for number, value in rows}

    def _rows_of(self, kind: int, name: str, columns: str) -> Iterator[Row]:
        found = find_key(self._connection, kind, name)
        if found is None:
            return iter(())
        key, uses = found
        few = self._wanted if len(self._wanted) * _FEW < uses else None
        return _rows(self._connection, "metrics" if kind == KEY_METRIC else "labels", key, columns, few)

    def _attribute(self, name: str) -> Mapping[int, Scalar]:
        column = COLUMN_ATTRIBUTES[name]
        tables = "runs r"
        if column.needs == DETAILS:
            tables += " CROSS JOIN details d ON d.run = r.run"
        elif column.needs == EXPERIMENT:
            tables += " CROSS JOIN experiments e ON e.number = r.experiment"
        text = f"SELECT r.run, {column.sql} FROM {tables}"  # noqa: S608  our own names
        if len(self._wanted) <= _SOME:
            text += " WHERE r.run IN (SELECT value FROM json_each(?))"
            return dict(self._connection.execute(text, (json.dumps(self._wanted),)))
        return dict(self._connection.execute(text))


def _typed(rows: Iterable[Row]) -> dict[int, Scalar]:
    """Returns params by run; many runs share a value, so each is read from its text once."""
    known: dict[tuple[int, str], Scalar] = {}
    found: dict[int, Scalar] = {}
    for number, kind, text in rows:
        written = kind, text
        if written not in known:
            known[written] = value_of(kind, text)
        found[number] = known[written]
    return found


def _rows(
    connection: sqlite3.Connection, table: str, key: int, columns: str, few: Sequence[int] | None
) -> Iterator[Row]:
    """Yields number of the run and columns of all rows of a key, or of some few runs'."""
    low = key << RUN_BITS
    if few is None:
        return connection.execute(
            f"SELECT id & {RUN_MASK}, {columns} FROM {table} WHERE id BETWEEN ? AND ?",  # noqa: S608  our own names
            (low, low | RUN_MASK),
        )
    return connection.execute(
        f"SELECT j.value, {columns} FROM json_each(?) j CROSS JOIN {table} v ON v.id = ? + j.value",  # noqa: S608  ours
        (json.dumps(list(few)), low),
    )
