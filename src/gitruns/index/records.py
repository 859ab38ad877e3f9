"""The index of records: each as it stands now, found by id, or by time and a few fields, among 100,000.

It is fed from journals and pieces (`RecordSource`): of a journal only what was appended since, a piece once. It may be
deleted at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.record import Record, RecordState
from gitruns.entities.stamp import Stamp
from gitruns.index.database import Database, reading, writing
from gitruns.index.record_refresh import RecordSource, forget_everything, refresh
from gitruns.index.record_rows import DELETED, PURGED, SHOWN, named_blobs, newest_stamp, state_of
from gitruns.index.record_schema import RECORDS_SCHEMA
from gitruns.index.record_select import Place, Query, best_label, equals

T = TypeVar("T")

_FIRST_CHUNK, _LARGEST_CHUNK = 128, 2048


class RecordIndex:
    """Answers from a SQLite file at `path` (None: in memory), brought up to date from a source by each question.

    `heard` is the greatest stamp of all that answers were given from: what is changed because of one comes after it.
    """

    def __init__(self, path: Path | None, source: RecordSource) -> None:
        self._database = Database(path, schema=RECORDS_SCHEMA)
        self._source = source
        self.heard: Stamp | None = None

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
        label = best_label(where)
        rest = {name: value for name, value in where.items() if label is None or name != label[0]}
        behind: Place | None = None
        chunk = _FIRST_CHUNK
        while True:
            hidden = DELETED if deleted else SHOWN
            rows = self._answer(Query(kind, label, rest, since_ms, until_ms, hidden, behind, chunk).rows)
            for record_id, _, fields in rows:
                decoded = json.loads(fields)
                if all(equals(decoded.get(name), value) for name, value in rest.items()):
                    yield Record(kind, record_id, decoded)
            if len(rows) < chunk:
                return
            behind = Place(rows[-1][1], rows[-1][0])
            chunk = min(chunk * 4, _LARGEST_CHUNK)

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

        with suppress(sqlite3.Error):  # then it reads them
            self._database.run(work)

    def refresh(self) -> None:
        """Brings the index up to date."""
        self._database.run(lambda connection: refresh(connection, self._source))

    def rebuild(self) -> None:
        """Reads everything anew."""
        self._database.run(forget_everything)
        self.refresh()

    def close(self) -> None:
        """Closes the file; the index can still be used and opens it again."""
        self._database.close()

    def _answer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def attempt(connection: sqlite3.Connection) -> T:
            refresh(connection, self._source)
            with reading(connection):
                self.heard = newest_stamp(connection)
                return work(connection)

        return self._database.run(attempt)
