"""The journal of records: a file a process, to which changes are appended before they count as made.

Its lines are those of the other journals (a checksum, then a JSON array); a line holds the changes of one call:
`["changes", {change}, …]`, each as docs/format.md, "Records" has it. Nobody waits for a writer to end: whole lines can
be read and sealed at any time.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from gitruns.errors import GitRunsError
from gitruns.journal.info import ShapeError, mapping, mark_from_json, mark_to_json
from gitruns.journal.lines import first_and_last, read_records
from gitruns.journal.liveness import ProcessMark, WriterState, current_process_mark, writer_state
from gitruns.journal.logfile import LogFile, NeedsReopenError
from gitruns.journal.record import JOURNAL_FORMAT, encode_record
from gitruns.journal.sealed import UNSEEN, log_files

CHANGES = "changes"
_LINE_BYTES = 256 * 1024
"""Changes of one call are split into lines of about this length."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The first record of a file: which process writes it, and whether the file system gave a lock on it."""

    process: ProcessMark
    locked: bool


class _ChangesFile(LogFile):
    """One open file of changes."""

    def _opening_line(self, *, locked: bool, again: bool) -> bytes:
        facts = {"locked": locked, "process": mark_to_json(current_process_mark())}
        return encode_record(["open", JOURNAL_FORMAT, facts])

    def _dropped_line(self) -> bytes:
        return encode_record(["dropped", _now_ms(), self.dropped])

    def _beat_line(self) -> bytes:
        return encode_record(["beat", _now_ms()])

    def end(self) -> bool:
        """Says goodbye and closes the file; durable on return, returns whether that worked."""
        return self.finish(encode_record(["close", _now_ms(), self.dropped]))


class ChangeJournal:
    """What this process appends to one folder of journals; from any thread, and from forked children to their own file.

    `written_bytes` counts since the present file was begun.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written_bytes = 0
        self._file: _ChangesFile | None = None
        self._problem: BaseException | None = None
        self._lock = threading.RLock()

    def append(self, changes: Sequence[bytes]) -> None:
        """Appends encoded changes; on return they survive the death of the process.

        Raises `GitRunsError` (kind `not-journalled`) when they could not be written: they wait in memory then, and are
        written when that becomes possible.
        """
        text = b"".join(_lines(changes))
        if not text:
            return
        for _ in range(3):
            file = self._open()
            try:
                file.append(text)
                break
            except NeedsReopenError:
                self._forget(file)
        self.written_bytes += len(text)
        if file.waiting and not file.flush():
            raise GitRunsError(
                f"cannot write to '{self.folder}': {self._problem or 'the file system refuses'}",
                kind="not-journalled",
                hint="look for space and rights there; what was said is kept in memory and tried again",
            ) from self._problem

    def _open(self) -> _ChangesFile:
        file = self._file
        if file is not None and file.closed is None:
            return file
        with self._lock:
            if self._file is None or self._file.closed is not None:
                self._file = _ChangesFile(self.folder, self._note)
                self.written_bytes = 0
            return self._file

    def _forget(self, file: _ChangesFile) -> None:
        with self._lock:
            if self._file is file:
                self._file = None

    def _note(self, error: BaseException) -> None:
        self._problem = error

    def flush(self) -> bool:
        """Makes what was appended durable; returns whether that worked."""
        file = self._file
        return file is None or file.closed is not None or file.flush()

    def rotate(self) -> None:
        """Ends the present file, so that it can go once it is sealed; the next change begins another."""
        with self._lock:
            file, self._file = self._file, None
            self.written_bytes = 0
        if file is not None:
            with suppress(NeedsReopenError):
                file.end()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._file = None
        self.written_bytes = 0


_journals: dict[str, ChangeJournal] = {}


def change_journal(folder: Path) -> ChangeJournal:
    """Returns the journal by which this process writes to a folder, the same for everybody who asks."""
    key = os.path.realpath(folder)
    return _journals.setdefault(key, ChangeJournal(folder))


def _lines(changes: Sequence[bytes]) -> Iterator[bytes]:
    start = size = 0
    for place, change in enumerate(changes):
        if size and size + len(change) > _LINE_BYTES:
            yield _line(changes[start:place])
            start, size = place, 0
        size += len(change)
    if start < len(changes):
        yield _line(changes[start:])


def _line(changes: Sequence[bytes]) -> bytes:
    body = b'["changes",%b]' % b",".join(changes)
    return b"%08x %b\n" % (crc32(body), body)


def read_changes(path: Path, start: int = 0) -> Iterator[tuple[list[Any], int]]:
    """Yields changes as decoded JSON, some at a time, and the offset behind them; a file that is gone has none.

    `start` is 0 or such an offset. Lines that are torn or of another kind are passed over.
    """
    with suppress(*UNSEEN):
        for block in read_records(path, start):
            found = [change for record in block.records if record[0] == CHANGES for change in record[1:]]
            yield found, block.offset


def journal_sizes(folder: Path) -> Mapping[str, int]:
    """Returns the files of a folder of journals, by name, with their sizes in bytes."""
    sizes = {}
    for path in log_files(folder):
        with suppress(*UNSEEN):
            sizes[path.name] = path.stat().st_size
    return sizes


def is_done(path: Path) -> bool:
    """Returns whether nobody writes to a file of changes any more: its writer said goodbye, or is dead."""
    try:
        first, last = first_and_last(path)
        opened = _decode_opened(first)
    except (*UNSEEN, ShapeError):
        return False
    closed = last is not None and last[0] == "close"
    return writer_state(path, opened, closed=closed) is not WriterState.ALIVE


def _decode_opened(record: list[Any] | None) -> Opened:
    if record is None or record[0] != "open" or len(record) < 3:
        raise ShapeError("the file does not begin with an opening")
    facts = mapping(record[2])
    return Opened(mark_from_json(mapping(facts.get("process"))), facts.get("locked") is True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _end_all() -> None:
    for journal in list(_journals.values()):
        journal.rotate()


def _leave_all_to_parent() -> None:
    for journal in _journals.values():
        journal._after_fork()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
