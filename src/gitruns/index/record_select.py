"""Pages of records in order of time, as SQL: a range of one B-tree, by time or by a label and time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from gitruns.index.record_schema import INDEXED_FIELDS, MAX_LABEL_LENGTH


class Place(NamedTuple):
    """Where a record stands in the order of time: behind which one a page begins."""

    time_ms: int
    id: str


def best_label(where: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns the name and value among some conditions that lead to the fewest records, None when none is a label."""
    for name in INDEXED_FIELDS:
        value = where.get(name)
        if isinstance(value, str) and len(value) <= MAX_LABEL_LENGTH:
            return name, value
    return None


def equals(found: object, wanted: object) -> bool:
    """Returns whether two values are the same in JSON, where true is not 1."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


class Query(NamedTuple):
    """One chunk of the records of a kind: those behind a place, at most `limit`."""

    kind: str
    label: tuple[str, str] | None
    since_ms: int | None
    until_ms: int | None
    most_hidden: int
    behind: Place | None
    limit: int

    def rows(self, connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
        """Returns id, time and fields of one chunk."""
        conditions, values = ["place.kind = ?"], [self.kind]
        if self.label is not None:
            conditions += ["place.name = ?", "place.value = ?"]
            values += self.label
        times: list[tuple[str, int]] = []
        if self.since_ms is not None:
            times.append(("place.time_ms >= ?", self.since_ms))
        if self.until_ms is not None:
            times.append(("place.time_ms < ?", self.until_ms))
        bound: list[Any] = [*values, *(value for _, value in times)]
        conditions += [condition for condition, _ in times]
        if self.behind is not None:
            conditions.append("place.time_ms <= ? AND (place.time_ms < ? OR place.id > ?)")
            bound += [self.behind.time_ms, self.behind.time_ms, self.behind.id]
        joined = "records place" if self.label is None else "labels place JOIN records USING (record)"
        fields = "place" if self.label is None else "records"
        sql = (
            f"SELECT place.id, place.time_ms, {fields}.fields FROM {joined} "  # noqa: S608  our own words
            f"WHERE {' AND '.join(conditions)} AND {fields}.hidden <= ? "
            "ORDER BY place.time_ms DESC, place.id LIMIT ?"
        )
        return connection.execute(sql, [*bound, self.most_hidden, self.limit]).fetchall()
