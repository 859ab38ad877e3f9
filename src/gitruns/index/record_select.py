"""Pages of records in order of time, as SQL: a range of one B-tree, by time or by a label and time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gitruns.entities.record import encode_json
from gitruns.index.record_schema import INDEXED_FIELDS, LINK_PREFIX, LINKED, MAX_LABEL_LENGTH


class Place(NamedTuple):
    """Where a record stands in the order of time: behind which one a page begins."""

    time_ms: int
    id: str


def best_label(where: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns the name and value among some conditions that lead to the fewest records, None when none is a label."""
    for name, value in where.items():
        if value is True and name.startswith(LINK_PREFIX):
            return name, LINKED
    for name in INDEXED_FIELDS:
        value = where.get(name)
        if isinstance(value, str) and len(value) <= MAX_LABEL_LENGTH:
            return name, value
    return None


def equals(found: object, wanted: object) -> bool:
    """Returns whether two values are the same in JSON, where true is not 1."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


class Query(NamedTuple):
    """One chunk of the records of a kind: those behind a place, at most `limit`.

    `rest` are conditions beside the label, by name. What is surely otherwise is left out; the caller compares.
    """

    kind: str
    label: tuple[str, str] | None
    rest: Mapping[str, Any]
    since_ms: int | None
    until_ms: int | None
    most_hidden: int
    behind: Place | None
    limit: int

    def rows(self, connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
        """Returns id, time and fields of one chunk."""
        chosen = list(self._conditions())
        joined = "records place" if self.label is None else "labels place JOIN records USING (record)"
        sql = (
            f"SELECT place.id, place.time_ms, fields FROM {joined} "  # noqa: S608  our own words
            f"WHERE {' AND '.join(condition for condition, _ in chosen)} "
            "ORDER BY place.time_ms DESC, place.id LIMIT ?"
        )
        bound = [value for _, values in chosen for value in values]
        return connection.execute(sql, [*bound, self.limit]).fetchall()

    def _conditions(self) -> Iterator[tuple[str, Sequence[Any]]]:
        yield "place.kind = ?", [self.kind]
        if self.label is not None:
            yield "place.name = ? AND place.value = ?", self.label
        if self.since_ms is not None:
            yield "place.time_ms >= ?", [self.since_ms]
        if self.until_ms is not None:
            yield "place.time_ms < ?", [self.until_ms]
        if self.behind is not None:
            at = self.behind
            yield "place.time_ms <= ? AND (place.time_ms < ? OR place.id > ?)", [at.time_ms, at.time_ms, at.id]
        yield "hidden <= ?", [self.most_hidden]
        for name, value in self.rest.items():
            if isinstance(value, (str, int)):
                # The one form of JSON: a field of that value stands so in the text, though not only there.
                yield "instr(fields, ?) > 0", [f"{_json(name)}:{_json(value)}"]


def _json(value: str | int) -> str:
    return encode_json(value).decode()
