"""The index of records brought up to date: of a journal what was appended since, of a ref the pieces that are new.

Pieces and stretches of journals are transactions of their own, each noted with what it brought: several processes share
the work, and whoever is killed leaves less to do for the next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from gitruns.entities.ids import ObjectId
from gitruns.entities.record import Change
from gitruns.errors import GitRunsError
from gitruns.index.database import writing
from gitruns.index.record_rows import apply_changes

_BATCH = 4096
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


def refresh(connection: sqlite3.Connection, source: RecordSource) -> None:
    """Reads what is new. Journals are read before refs are looked at: what is sealed meanwhile is in one of them."""
    sizes = source.journals()
    known = dict(connection.execute("SELECT name, offset FROM journals"))
    for name, size in sizes.items():
        if size > known.get(name, 0):
            _read_journal(connection, source, name, known.get(name, 0), size)
    tips = source.tips()
    gone = [name for name in known if name not in sizes]
    if dict(connection.execute("SELECT ref, tip FROM tips")) != tips:
        _read_refs(connection, source, tips)
    if gone:
        with writing(connection):
            connection.executemany("DELETE FROM journals WHERE name = ?", [(name,) for name in gone])


def _read_journal(connection: sqlite3.Connection, source: RecordSource, name: str, start: int, size: int) -> None:
    """Reads a journal as far as it was written when somebody looked: whoever wrote to it has to find it here.

    Another thread or process may have read a part of that meanwhile, and perhaps not all: what is behind is read too.
    """
    place = start
    while place < size:
        reached = _read_stretch(connection, source, name, place)
        if reached == place:  # the rest is no whole line yet
            return
        place = reached


def _read_stretch(connection: sqlite3.Connection, source: RecordSource, name: str, start: int) -> int:
    """Returns how far the journal is in now."""
    batch: list[Change] = []
    behind = begun = start
    for changes, offset in source.journal_changes(name, start):
        batch += changes
        behind = offset
        if len(batch) >= _BATCH:
            begun = _write_journal(connection, name, begun, behind, batch)
            batch = []
            if begun != behind:
                return begun
    return _write_journal(connection, name, begun, behind, batch) if behind > begun else begun


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
        forget_everything(connection)
        refresh(connection, source)
        return
    for ref, pieces in wanted.items():
        for oid, path in pieces.items():
            _read_piece(connection, source, ref, path, oid)
    with writing(connection):
        connection.executemany("INSERT OR REPLACE INTO tips VALUES (?, ?)", [(ref, tips[ref]) for ref in wanted])


def _is_less(
    connection: sqlite3.Connection, gone: Collection[str], wanted: Mapping[str, Mapping[ObjectId, str]]
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


def forget_everything(connection: sqlite3.Connection) -> None:
    """Empties the index."""
    with writing(connection):
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  our own names
        connection.execute("DELETE FROM meta WHERE name = 'newest'")
