"""Follows the journal of a live run: reads all files once, and later only what was added to them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from gitruns.errors import NotFoundError
from gitruns.journal.fold import FileFold
from gitruns.journal.lines import first_and_last, read_records
from gitruns.journal.live import LiveRun, WriterFile, fold_files
from gitruns.journal.liveness import WriterState, writer_state
from gitruns.journal.record import LAST_KINDS
from gitruns.journal.sealed import UNSEEN, log_files, read_seal


class _File:
    """A fold and how far it has read: from `start`, where a seal ends, to `offset`."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.fold = FileFold(path)
        self.start = self.offset = start
        self.torn_end = 0
        if start:
            first, last = first_and_last(path, start)
            self.fold.add_all([first] if first is not None else [])
            self.fold.closed = last is not None and last[0] in LAST_KINDS

    def read(self) -> None:
        """Reads what was added since."""
        for block in read_records(self.path, self.offset):
            self.fold.add_all(block.records)
            self.fold.torn += block.torn
            self.offset = block.offset


class JournalReader:
    """Follows the journal of one run. `marks` is the folder of the mark of its seal, where that is another one.

    Threads may share it: two that read on at once would count the same points twice.
    """

    def __init__(self, run_dir: Path, marks: Path | None = None) -> None:
        self.run_dir = run_dir
        self._marks = run_dir if marks is None else marks
        self._files: dict[str, _File] = {}
        self._reading = threading.Lock()
        self._pid = os.getpid()

    def refresh(self, *, now_s: float | None = None) -> LiveRun:
        """Returns the run as of now, reading only what was added since the last call.

        `now_s` is the clock for `writer_state`. Raises `NotFoundError` kind `journal-not-found` when the folder holds
        nothing that is not sealed, `journal-unreadable` when it holds only files without an opening record.
        """
        if self._pid != os.getpid():  # a forked child: whoever held the lock is not here
            self._reading, self._pid = threading.Lock(), os.getpid()
        with self._reading:
            return self._read_on(now_s)

    def _read_on(self, now_s: float | None) -> LiveRun:
        seal = read_seal(self._marks)
        covered = {} if seal is None else seal.covers
        paths = {path.name: path for path in log_files(self.run_dir)}
        self._files = {name: file for name, file in self._files.items() if name in paths}
        found = []
        for name, path in paths.items():
            writer = self._follow(path, covered.get(name, 0), now_s)
            file = self._files.get(name)
            if file is None or writer is None:
                continue
            if writer.state is WriterState.ALIVE or file.offset > covered.get(name, 0):
                found.append((file.fold, writer))
        if not found:
            raise self._nothing()
        covers = {fold.path.name: self._files[fold.path.name].offset for fold, _ in found}
        return fold_files(found, covers, None if seal is None else seal.commit)

    def _follow(self, path: Path, start: int, now_s: float | None) -> WriterFile | None:
        """Reads a file on; None when it is no file of this run, or gone."""
        file = self._files.get(path.name)
        try:
            if file is None or file.start != start or path.stat().st_size < file.offset:
                file = self._files[path.name] = _File(path, start)
            file.read()
            opening = file.fold.opening
            if opening is None or opening.info.id != self.run_dir.name:
                return None
            state = writer_state(path, opening, closed=file.fold.closed, now_s=now_s)
            if state is WriterState.DEAD:
                file.read()  # what it wrote between the first look and its death
                state = WriterState.CLOSED if file.fold.closed else state
                self._count_torn_end(file)
        except UNSEEN:
            self._files.pop(path.name, None)
            return None
        return WriterFile(path=path, opening=opening, state=state)

    def _count_torn_end(self, file: _File) -> None:
        """Counts the line that a dead writer did not finish."""
        size = file.path.stat().st_size
        if size > file.offset and file.torn_end != size:
            file.torn_end = size
            file.fold.torn += 1

    def _nothing(self) -> NotFoundError:
        name = self.run_dir.name
        if any(file.fold.opening is None and file.offset for file in self._files.values()):
            return NotFoundError(f"cannot read the journal of run '{name}'", kind="journal-unreadable")
        return NotFoundError(f"no live journal of run '{name}'", kind="journal-not-found")
