"""One thread a process that does what no log call shall wait for: fsync once a second, and a sign of life.

It starts with the first record and ends when no file is open. A fork leaves it behind in the parent; the child
starts its own when it logs.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Protocol

SYNC_INTERVAL_S = 1.0
BEAT_INTERVAL_S = 30.0


class Synced(Protocol):
    """What the thread looks after; both methods never raise."""

    def sync(self) -> bool:
        """Writes out what is waiting; returns whether there is more to do within the second."""

    def beat(self) -> None:
        """Shows other machines that the writer lives."""


class Syncer:
    """Looks after the open files of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._files: set[Synced] = set()
        self._dirty = False
        self._thread: threading.Thread | None = None

    def add(self, file: Synced) -> None:
        """Begins to look after a file."""
        with self._changed:
            self._files.add(file)

    def discard(self, file: Synced) -> None:
        """Forgets a file."""
        with self._changed:
            self._files.discard(file)
            if not self._files:
                self._changed.notify()

    def wake(self) -> None:
        """Says that a file has something to sync; costs microseconds, at most once a second and file."""
        with self._changed:
            self._dirty = True
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="gitruns-journal", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads, or the interpreter is ending: `flush` and `end` still sync
                    return
                self._thread = thread
            self._changed.notify()

    def _run(self) -> None:
        next_beat = time.monotonic() + BEAT_INTERVAL_S
        while True:
            with self._changed:
                if not self._dirty and self._files:
                    self._changed.wait(max(0.0, next_beat - time.monotonic()))
                if self._dirty and self._files:
                    self._changed.wait_for(lambda: not self._files, SYNC_INTERVAL_S)
                if not self._files:
                    self._thread = None
                    return
                self._dirty = False
                files = list(self._files)
            beat = time.monotonic() >= next_beat
            if beat:
                next_beat = time.monotonic() + BEAT_INTERVAL_S
            for file in files:
                if beat:
                    file.beat()
                if file.sync():
                    self._dirty = True


_syncer = Syncer()


def syncer() -> Syncer:
    """Returns the syncer of this process."""
    return _syncer


def _forget_in_child() -> None:
    global _syncer
    _syncer = Syncer()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Makes the names in a folder durable, where the platform can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
