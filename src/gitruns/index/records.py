"""The index of records: each as it stands now, found by id, or by time and a few fields, among 100,000.

It is fed from journals and pieces (`RecordSource`): of a journal only what was appended since, a piece once. It may be
deleted at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.record import Change, Record, RecordState
from gitruns.entities.stamp import Stamp
from gitruns.errors import GitRunsError
from gitruns.index.database import Database, reading, writing
from gitruns.index.record_rows import DELETED, PURGED, SHOWN, apply_changes, named_blobs, newest_stamp, state_of
from gitruns.index.record_schema import INDEXED_FIELDS, MAX_LABEL_LENGTH, RECORDS_SCHEMA

T = TypeVar("T")

_BATCH = 4096
_FIRST_CHUNK, _LARGEST_CHUNK = 128, 2048
_TABLES = ("journals", "tips", "pieces", "unreadable", "records", "labels", "blobs")


class RecordSource(Protocol):
    """Where changes come from."""

    def journals(self) -> Mapping[str, int]:
        """Returns the journals by name, with their sizes in bytes."""

    def journal_changes(self, name: str, start: int) -> Iterator[tuple[list[Change], int]]:
        """Yields changes of a journal from an offset on, some at a time, with the offset behind them."""

    def tips(self) -> Mapping[str, ObjectId]:
        """Returns the refs of all writers."""

    def pieces(self, tip: ObjectId) -> Mapping[str, ObjectId]:
        """Returns the pieces at a commit: path → id; raises `GitRunsError`."""

    def piece_changes(self, path: str, oid: ObjectId) -> list[Change]:
        """Returns the changes of a piece; raises `GitRunsError`."""


class Place(NamedTuple):
    """Where a record stands in the order of time: behind which one a page begins."""

    time_ms: int
    id: str


class RecordIndex:
    """Answers from a SQLite file at `path` (None: in memory), brought up to date from a source by each question."""

    def __init__(self, path: Path | None, source: RecordSource) -> None:
        self._database = Database(path, schema=RECORDS_SCHEMA)
        self._source = source

    def get(self, kind: str, record_id: str) -> RecordState | None:
        """Returns a record with its stamps, None when there is none; deleted ones too."""

        def work(connection: sqlite3.Connection) -> RecordState | None:
            row = connection.execute(
                "SELECT stamps, fields FROM records WHERE kind = ? AND id = ?", (kind, record_id)
            ).fetchone()
            return None if row is None else state_of(*row)

        return self._answer(work)

    def select(
        self,
        kind: str,
        where: Mapping[str, Any],
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        deleted: bool = False,
    ) -> Iterator[Record]:
        """Yields the records of a kind whose fields equal those of `where`, newest first, then by id.

        They are read a chunk at a time, so a caller that stops early pays for little; what changes meanwhile shows or
        does not.
        """
        label = _best_label(where)
        rest = {name: value for name, value in where.items() if label is None or name != label[0]}
        behind: Place | None = None
        chunk, is_first = _FIRST_CHUNK, True
        while True:
            query = _Query(kind, label, since_ms, until_ms, DELETED if deleted else SHOWN, behind, chunk)
            rows = (self._answer if is_first else self._database.run)(query.rows)
            for record_id, _, fields in rows:
                decoded = json.loads(fields)
                if all(_equals(decoded.get(name), value) for name, value in rest.items()):
                    yield Record(kind, record_id, decoded)
            if len(rows) < chunk:
                return
            behind = Place(rows[-1][1], rows[-1][0])
            chunk, is_first = min(chunk * 4, _LARGEST_CHUNK), False

    def count(self, kind: str, where: Mapping[str, Any], *, deleted: bool = False) -> int:
        """Returns how many records `select` would yield."""
        if not where:
            hidden = DELETED if deleted else SHOWN
            sql = "SELECT count(*) FROM records WHERE kind = ? AND hidden <= ?"
            return self._answer(lambda connection: int(connection.execute(sql, (kind, hidden)).fetchone()[0]))
        return sum(1 for _ in self.select(kind, where, deleted=deleted))

    def kinds(self) -> dict[str, int]:
        """Returns how many records there are of each kind, deleted ones left out."""
        sql = "SELECT kind, count(*) FROM records WHERE hidden = 0 GROUP BY kind ORDER BY kind"
        return self._answer(lambda connection: dict(connection.execute(sql).fetchall()))

    def purged(self) -> set[tuple[str, str]]:
        """Returns kind and id of the records that are deleted for good."""
        sql = f"SELECT kind, id FROM records WHERE hidden = {PURGED}"  # noqa: S608  our own number
        return self._answer(lambda connection: set(connection.execute(sql)))

    def blobs(self) -> dict[Digest, int]:
        """Returns the large content that records name, deleted ones too: digest → size."""
        return self._answer(lambda connection: dict(named_blobs(connection)))

    def unreadable(self) -> dict[ObjectId, str]:
        """Returns the pieces that could not be read, and why."""
        return self._answer(lambda connection: dict(connection.execute("SELECT oid, reason FROM unreadable")))

    def newest(self) -> Stamp | None:
        """Returns the greatest stamp that was seen, without a look at what is new."""
        return self._database.run(newest_stamp)

    def note_sealed(self, ref: str, tip: ObjectId, parent: ObjectId | None, covers: Mapping[str, int]) -> None:
        """Takes note that what a ref has more than before stood in journals up to these offsets, where that is in."""
        before = {} if parent is None else self._source.pieces(parent)
        fresh = [(oid, ref) for path, oid in self._source.pieces(tip).items() if path not in before]

        def work(connection: sqlite3.Connection) -> None:
            with writing(connection):
                read = dict(connection.execute("SELECT name, offset FROM journals"))
                row = connection.execute("SELECT tip FROM tips WHERE ref = ?", (ref,)).fetchone()
                is_read = all(read.get(name, 0) >= offset for name, offset in covers.items())
                if is_read and (row[0] if row else None) == parent:
                    connection.executemany("INSERT OR IGNORE INTO pieces VALUES (?, ?)", fresh)
                    connection.execute("INSERT OR REPLACE INTO tips VALUES (?, ?)", (ref, tip))

        self._database.run(work)

    def refresh(self) -> None:
        """Brings the index up to date."""
        self._database.run(lambda connection: refresh(connection, self._source))

    def rebuild(self) -> None:
        """Reads everything anew."""
        self._database.run(_forget_everything)
        self.refresh()

    def close(self) -> None:
        """Closes the file; the index can still be used and opens it again."""
        self._database.close()

    def _answer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def attempt(connection: sqlite3.Connection) -> T:
            refresh(connection, self._source)
            with reading(connection):
                return work(connection)

        return self._database.run(attempt)


# Asking


def _best_label(where: Mapping[str, Any]) -> tuple[str, str] | None:
    for name in INDEXED_FIELDS:
        value = where.get(name)
        if isinstance(value, str) and len(value) <= MAX_LABEL_LENGTH:
            return name, value
    return None


def _equals(found: object, wanted: object) -> bool:
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


class _Query(NamedTuple):
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


# Keeping up


def refresh(connection: sqlite3.Connection, source: RecordSource) -> None:
    """Reads what is new. Journals are looked at before refs, so what is sealed meanwhile is seen in one of them."""
    sizes = source.journals()
    tips = source.tips()
    known = dict(connection.execute("SELECT name, offset FROM journals"))
    for name, size in sizes.items():
        if size > known.get(name, 0):
            _read_journal(connection, source, name, known.get(name, 0))
    gone = [name for name in known if name not in sizes]
    if dict(connection.execute("SELECT ref, tip FROM tips")) != tips:
        _read_refs(connection, source, tips)
    if gone:
        with writing(connection):
            connection.executemany("DELETE FROM journals WHERE name = ?", [(name,) for name in gone])


def _read_journal(connection: sqlite3.Connection, source: RecordSource, name: str, start: int) -> None:
    batch: list[Change] = []
    behind = begun = start
    for changes, offset in source.journal_changes(name, start):
        batch += changes
        behind = offset
        if len(batch) >= _BATCH:
            begun = _write_journal(connection, name, begun, behind, batch)
            batch = []
            if begun != behind:  # another process is at it
                return
    if behind > begun:
        _write_journal(connection, name, begun, behind, batch)


def _write_journal(connection: sqlite3.Connection, name: str, start: int, behind: int, changes: list[Change]) -> int:
    """Returns how far the journal is in now."""
    with writing(connection):
        row = connection.execute("SELECT offset FROM journals WHERE name = ?", (name,)).fetchone()
        if (row[0] if row else 0) != start:
            return row[0] if row else 0
        apply_changes(connection, changes)
        connection.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, behind))
    return behind


def _read_refs(connection: sqlite3.Connection, source: RecordSource, tips: Mapping[str, ObjectId]) -> None:
    known = dict(connection.execute("SELECT ref, tip FROM tips"))
    wanted: dict[str, dict[ObjectId, str]] = {}
    for ref, tip in tips.items():
        if known.get(ref) != tip:
            try:
                wanted[ref] = {oid: path for path, oid in source.pieces(tip).items()}
            except GitRunsError as error:
                _note_unreadable(connection, tip, str(error))
                wanted[ref] = {}
    if _is_less(connection, known.keys() - tips.keys(), wanted):
        # What was folded in cannot be taken out again.
        _forget_everything(connection)
        refresh(connection, source)
        return
    for ref, pieces in wanted.items():
        for oid, path in pieces.items():
            _read_piece(connection, source, ref, path, oid)
    with writing(connection):
        connection.executemany("INSERT OR REPLACE INTO tips VALUES (?, ?)", [(ref, tips[ref]) for ref in wanted])


def _is_less(
    connection: sqlite3.Connection, gone: Iterator[str] | set[str], wanted: Mapping[str, Mapping[ObjectId, str]]
) -> bool:
    """Returns whether a ref has no longer something that it had."""
    if gone:
        return True
    for ref, pieces in wanted.items():
        here = connection.execute("SELECT oid FROM pieces WHERE ref = ?", (ref,))
        if any(oid not in pieces for (oid,) in here):
            return True
    return False


def _read_piece(connection: sqlite3.Connection, source: RecordSource, ref: str, path: str, oid: ObjectId) -> None:
    found = connection.execute("SELECT ref FROM pieces WHERE oid = ?", (oid,)).fetchall()
    if (ref,) in found:
        return
    changes: list[Change] = []
    reason = None
    if not found:
        try:
            changes = source.piece_changes(path, oid)
        except GitRunsError as error:
            reason = str(error)
    with writing(connection):
        if reason is not None:
            connection.execute("INSERT OR REPLACE INTO unreadable VALUES (?, ?)", (oid, reason))
        elif not connection.execute("SELECT 1 FROM pieces WHERE oid = ?", (oid,)).fetchone():
            apply_changes(connection, changes)
        connection.execute("INSERT OR IGNORE INTO pieces VALUES (?, ?)", (oid, ref))


def _note_unreadable(connection: sqlite3.Connection, oid: ObjectId, reason: str) -> None:
    with writing(connection):
        connection.execute("INSERT OR REPLACE INTO unreadable VALUES (?, ?)", (oid, reason))


def _forget_everything(connection: sqlite3.Connection) -> None:
    with writing(connection):
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  our own names
        connection.execute("DELETE FROM meta WHERE name = 'newest'")
