"""The index brought up to date: what changed is found by marks and states, read in pieces, and written.

The pieces are transactions of their own. What is still to be read is in the file, so whoever is killed leaves less to
do for the next, and several processes share the work. Queries answer only when nothing is pending.
"""

from __future__ import annotations

import gc
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import RunId
from gitruns.index.database import writing
from gitruns.index.rows import RunRows, rows_of
from gitruns.index.source import EXPERIMENTS_PLACE, UNSETTLED, Source, Unreadable
from gitruns.index.write import RunWriter, experiments_differ, write_experiments

Progress = Callable[[int, int], None]
"""Called with how many runs are done and how many there are, as far as known."""

_FIRST_PIECE, _LARGEST_PIECE = 64, 4096
_PIECE_S = 0.5
_MANY = 1000
_ATTEMPTS = 10
_UNWRITABLE = (UnicodeError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError)
"""What SQLite raises for text that is no text, and for numbers beyond its own."""


@dataclass(slots=True)
class RefreshReport:
    """What a refresh did: runs read and written, runs taken out, runs that could not be read."""

    written: int = 0
    removed: int = 0
    unreadable: int = 0
    looked_at: tuple[str, ...] = ()


def marks_in(connection: sqlite3.Connection) -> dict[str, str]:
    """Returns the marks of the places as they were when each was last looked at."""
    return dict(connection.execute("SELECT name, mark FROM places"))


def has_pending(connection: sqlite3.Connection) -> bool:
    """Returns whether runs are still to be read."""
    return connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is not None


def generation(connection: sqlite3.Connection) -> str:
    """Returns a text that changes with every change of what places say."""
    value: str = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()[0]
    return value


def is_fresh(connection: sqlite3.Connection, marks: Mapping[str, str]) -> bool:
    """Returns whether the index holds what those marks stand for."""
    return UNSETTLED not in marks.values() and marks_in(connection) == marks and not has_pending(connection)


def refresh(connection: sqlite3.Connection, source: Source, progress: Progress | None = None) -> RefreshReport:
    """Brings the index up to date with what the source says; returns what was done."""
    report = RefreshReport()
    marks = dict(source.places())
    before = marks_in(connection)
    changed = [name for name in marks if marks[name] == UNSETTLED or marks[name] != before.get(name)]
    gone = [name for name in before if name not in marks]
    report.looked_at = (*changed, *gone)
    for place in changed:
        if place == EXPERIMENTS_PLACE:
            _take(connection, _Experiments(source.experiments), place, marks[place])
        else:
            _take(connection, _States(place, source.states), place, marks[place])
    for place in gone:
        _forget(connection, place)
    _read_pending(connection, source, report, progress)
    return report


def forget_everything(connection: sqlite3.Connection) -> None:
    """Makes every place count as changed and every run as not read: the next refresh reads all anew."""
    with writing(connection):
        connection.execute("DELETE FROM places")
        connection.execute("DELETE FROM unreadable")
        connection.execute("INSERT OR IGNORE INTO pending SELECT run_id FROM said UNION SELECT run_id FROM runs")
        connection.execute("UPDATE details SET state = ''")
        _new_generation(connection)


# What places say


class _Said(Protocol):
    """Something that a place says: read from it, compared with what the index has, written."""

    def read(self) -> None: ...

    def differs(self, connection: sqlite3.Connection) -> bool: ...

    def write(self, connection: sqlite3.Connection) -> None: ...


def _take(connection: sqlite3.Connection, said: _Said, place: str, mark: str) -> None:
    """Writes what a place says now, and its mark.

    What was read before somebody else's change was written could be older than that change: it is read again. So the
    index never goes back to what was, and whoever refreshed sees no less afterwards.
    """
    for attempt in range(_ATTEMPTS):
        seen = generation(connection)
        said.read()
        differs = said.differs(connection)
        if not differs and marks_in(connection).get(place) == mark:
            return
        with writing(connection):
            if generation(connection) != seen:
                if attempt < _ATTEMPTS - 1:
                    continue
                differs = said.differs(connection)
            if differs:
                said.write(connection)
                _new_generation(connection)
            connection.execute("INSERT OR REPLACE INTO places VALUES (?, ?)", (place, mark))
        return


class _States:
    """The states of the runs that a place has; runs of which it says something else than before become pending."""

    def __init__(self, place: str, read: Callable[[str], Mapping[RunId, str]]) -> None:
        self._place = place
        self._read = read
        self._states: Mapping[RunId, str] = {}
        self._different: list[RunId] = []

    def read(self) -> None:
        self._states = self._read(self._place)

    def differs(self, connection: sqlite3.Connection) -> bool:
        before: dict[RunId, str] = dict(
            connection.execute("SELECT run_id, state FROM said WHERE place = ?", (self._place,))
        )
        now = self._states
        if before == now:
            return False
        self._different = [run_id for run_id, state in now.items() if before.get(run_id) != state]
        self._different += [run_id for run_id in before if run_id not in now]
        return True

    def write(self, connection: sqlite3.Connection) -> None:
        place, now, different = self._place, self._states, sorted(self._different)
        connection.executemany(
            "DELETE FROM said WHERE run_id = ? AND place = ?", [(one, place) for one in different if one not in now]
        )
        connection.executemany(
            "INSERT OR REPLACE INTO said VALUES (?, ?, ?)",
            [(place, one, now[one]) for one in different if one in now],
        )
        connection.executemany("INSERT OR IGNORE INTO pending VALUES (?)", [(one,) for one in different])


class _Experiments:
    """All experiments."""

    def __init__(self, read: Callable[[], Iterable[Experiment]]) -> None:
        self._read = read
        self._experiments: list[Experiment] = []

    def read(self) -> None:
        self._experiments = list(self._read())

    def differs(self, connection: sqlite3.Connection) -> bool:
        return experiments_differ(connection, self._experiments)

    def write(self, connection: sqlite3.Connection) -> None:
        write_experiments(connection, self._experiments)


def _new_generation(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = 'generation'", (secrets.token_hex(8),))


def _forget(connection: sqlite3.Connection, place: str) -> None:
    _take(connection, _States(place, lambda _: {}), place, UNSETTLED)
    with writing(connection):
        connection.execute("DELETE FROM places WHERE name = ?", (place,))


# Reading what is pending


def _read_pending(
    connection: sqlite3.Connection, source: Source, report: RefreshReport, progress: Progress | None
) -> None:
    size = _FIRST_PIECE
    while has_pending(connection):
        start = time.monotonic()
        try:
            with writing(connection), _uncollected(size):
                _read_piece(connection, source, size, report, careful=False)
        except _UNWRITABLE:
            with writing(connection):
                _read_piece(connection, source, size, report, careful=True)
        # Pieces long enough to be worth their commit, short enough for others to wait for.
        if time.monotonic() - start < _PIECE_S / 2:
            size = min(2 * size, _LARGEST_PIECE)
        elif time.monotonic() - start > _PIECE_S:
            size = max(size // 2, _FIRST_PIECE)
        if progress is not None:
            done = report.written + report.removed + report.unreadable
            left = int(connection.execute("SELECT count(*) FROM pending").fetchone()[0])
            progress(done, done + left)
    if report.written >= _MANY:
        # Else each query looks into the log first, until there is enough of it.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@contextmanager
def _uncollected(size: int) -> Iterator[None]:
    """Keeps Python from looking for cycles while a large piece is written: its rows are in none, and very many."""
    pauses = size >= _MANY and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


def _read_piece(
    connection: sqlite3.Connection, source: Source, size: int, report: RefreshReport, *, careful: bool
) -> None:
    """Reads and writes some of the pending runs; when `careful`, one that cannot be written is left out alone."""
    ids = [RunId(row[0]) for row in connection.execute("SELECT run_id FROM pending LIMIT ?", (size,))]
    listed = json.dumps(ids)
    wanted = _states_of(connection, source, ids, listed)
    known = _known_states(connection, listed)
    to_read = [(run_id, state) for run_id, state in wanted.items() if known.get(run_id) != state]
    runs: list[tuple[str, RunRows]] = []
    failures: list[tuple[RunId, str, str]] = []
    gone: set[RunId] = set()
    for found in source.read(to_read) if to_read else ():
        if isinstance(found, Unreadable):
            if found.gone:
                gone.add(found.run_id)
                continue
            failures.append((found.run_id, wanted[found.run_id], found.reason))
            continue
        rows = found if isinstance(found, RunRows) else rows_of(found)
        run_id = RunId(rows.run_id)
        problem = RunWriter(connection).problem_with(rows) if careful else None
        if problem is None:
            runs.append((wanted[run_id], rows))
        else:
            failures.append((run_id, wanted[run_id], f"cannot be indexed: {problem}"))
    _announce(connection, source, size)
    RunWriter(connection).write(runs)
    _write_failures(connection, ids, runs, failures, gone, wanted, known, report)
    connection.execute("DELETE FROM pending WHERE run_id IN (SELECT value FROM json_each(?))", (listed,))


def _announce(connection: sqlite3.Connection, source: Source, size: int) -> None:
    """Tells the source what will be read next, so that it can begin while this piece is written."""
    left = int(connection.execute("SELECT count(*) FROM pending").fetchone()[0]) - size
    rows = connection.execute("SELECT run_id FROM pending LIMIT ? OFFSET ?", (size, size)) if left > 0 else ()
    ids = [RunId(row[0]) for row in rows]
    listed = json.dumps(ids)
    states, known = _states_of(connection, source, ids, listed), _known_states(connection, listed)
    source.expect([(run_id, state) for run_id, state in states.items() if known.get(run_id) != state], max(left, 0))


def _write_failures(
    connection: sqlite3.Connection,
    ids: list[RunId],
    runs: list[tuple[str, RunRows]],
    failures: list[tuple[RunId, str, str]],
    gone: set[RunId],
    wanted: Mapping[RunId, str],
    known: Mapping[RunId, str],
    report: RefreshReport,
) -> None:
    """Takes out what was not read, and says why where that is known."""
    here, failed = {RunId(run.run_id) for _, run in runs}, {run_id for run_id, _, _ in failures}
    stale = [run_id for run_id in ids if run_id not in here and known.get(run_id) != wanted.get(run_id)]
    RunWriter(connection).remove(stale)
    _doubt(connection, [run_id for run_id in stale if run_id in wanted and run_id not in failed | gone])
    connection.execute("DELETE FROM unreadable WHERE run_id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
    connection.executemany("INSERT INTO unreadable VALUES (?, ?, ?)", failures)
    report.written += len(runs)
    report.unreadable += len(failures)
    report.removed += len({*stale} & known.keys() - failed)


def _doubt(connection: sqlite3.Connection, run_ids: list[RunId]) -> None:
    """Has the places looked at again that said something of runs which were not there."""
    for run_id in run_ids:
        connection.execute(
            "UPDATE places SET mark = ? WHERE name IN (SELECT place FROM said WHERE run_id = ?)", (UNSETTLED, run_id)
        )
        connection.execute("DELETE FROM said WHERE run_id = ?", (run_id,))


def _states_of(connection: sqlite3.Connection, source: Source, ids: list[RunId], listed: str) -> dict[RunId, str]:
    """Returns the combined state of each run of which a place says anything."""
    said: dict[RunId, dict[str, str]] = {}
    rows = connection.execute(
        "SELECT s.run_id, s.place, s.state FROM json_each(?) j CROSS JOIN said s ON s.run_id = j.value", (listed,)
    )
    for run_id, place, state in rows:
        said.setdefault(RunId(run_id), {})[place] = state
    return {run_id: source.combine(said[run_id]) for run_id in ids if run_id in said}


def _known_states(connection: sqlite3.Connection, listed: str) -> dict[RunId, str]:
    rows = connection.execute(
        "SELECT r.run_id, d.state FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value "
        "CROSS JOIN details d ON d.run = r.run",
        (listed,),
    )
    return {RunId(run_id): state for run_id, state in rows}
