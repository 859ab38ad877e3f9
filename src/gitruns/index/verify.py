"""Does the index hold what the source holds? Everything is read again and compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.index.reading import ListedRun, read_runs
from gitruns.index.refresh import Progress
from gitruns.index.rows import RunRows
from gitruns.index.source import Source, Unreadable

_PIECE = 1000
_KEPT = ("info", "params", "tags", "metrics", "commit", "live", "format_version")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the index holds otherwise than the source; `run_id` None: the file itself is damaged."""

    run_id: RunId | None
    what: str


def differences(connection: sqlite3.Connection, source: Source, progress: Progress | None) -> Iterator[Difference]:
    """Yields what differs; the index must be fresh, and the caller in a transaction that reads."""
    for (problem,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
        if problem != "ok":
            yield Difference(None, str(problem))
    rows = connection.execute("SELECT r.run_id, d.state FROM runs r CROSS JOIN details d ON d.run = r.run").fetchall()
    for start in range(0, len(rows), _PIECE):
        piece = [(RunId(run_id), state) for run_id, state in rows[start : start + _PIECE]]
        yield from _compared(connection, source, piece)
        if progress is not None:
            progress(min(start + _PIECE, len(rows)), len(rows))


def _compared(
    connection: sqlite3.Connection, source: Source, piece: Sequence[tuple[RunId, str]]
) -> Iterator[Difference]:
    held = {listed.run.info.id: listed for listed in read_runs(connection, (run_id for run_id, _ in piece))}
    seen: set[RunId] = set()
    for found in source.read(piece):
        if isinstance(found, RunRows):  # only of runs that were announced
            continue
        run_id = found.run_id if isinstance(found, Unreadable) else found.info.id
        if isinstance(found, Unreadable) and found.gone:
            continue
        seen.add(run_id)
        if isinstance(found, Unreadable):
            yield Difference(run_id, f"cannot be read any more: {found.reason}")
        elif run_id not in held:
            yield Difference(run_id, "is not in the index")
        else:
            yield from (Difference(run_id, f"{name} differs") for name in _unequal(held[run_id], found))
    yield from (Difference(run_id, "is there no more") for run_id in held.keys() - seen)


def _unequal(listed: ListedRun, run: Run) -> Iterator[str]:
    # By text: NaN is not equal to itself, and 0.0 is to -0.0. A live run may have gone on since.
    if listed.run.live and run.live:
        return
    for field in fields(Run):
        if field.name in _KEPT and _text(getattr(listed.run, field.name)) != _text(getattr(run, field.name)):
            yield field.name
    if listed.inputs != len(run.inputs):
        yield "inputs"


def _text(value: object) -> str:
    return repr(sorted(value.items())) if hasattr(value, "items") else repr(value)
