"""One thread a process that does what no log call shall wait for: fsync once a second, and a sign of life.

It starts with the first record and ends when no file was open for a while. It is stopped before a fork, so that the
fork copies no lock that it holds and Python (3.12 and later) has no thread to warn of; the parent then starts it
again, the child when it logs.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gitruns.journal.liveness import HEARTBEAT_S

SYNC_INTERVAL_S = 1.0
LINGER_S = 2.0
"""How long the thread waits for another file before it ends: a sweep opens the next run a moment later."""

_STOP_TIMEOUT_S = 2.0


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
        self._next_beat = 0.0

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
                self._start()
            self._changed.notify()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="gitruns-journal", daemon=True)
        self._thread = thread
        self._next_beat = time.monotonic() + HEARTBEAT_S
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had, or the interpreter is ending: `flush` and `end` still sync
            self._thread = None

    def stop(self) -> None:
        """Ends the thread and waits until it is gone; `restart` or the next `wake` starts it again."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_TIMEOUT_S)
            _wait_until_gone(thread)

    def restart(self) -> None:
        """Starts the thread again after `stop`, when there is a file to look after."""
        with self._changed:
            if self._files and self._thread is None:
                self._start()

    def _run(self) -> None:
        while (files := self._wait()) is not None:
            beat = time.monotonic() >= self._next_beat
            if beat:
                self._next_beat = time.monotonic() + HEARTBEAT_S
            for file in files:
                with suppress(Exception):  # a bug with one file must not leave the others without care
                    if beat:
                        file.beat()
                    if file.sync():
                        self._dirty = True

    def _wait(self) -> list[Synced] | None:
        """Waits for something to do and then for a second's worth of it; None when the thread shall end."""
        with self._changed:
            while self._is_mine():
                if not self._files:
                    if not self._changed.wait_for(lambda: self._files or not self._is_mine(), LINGER_S):
                        self._thread = None
                    continue
                if not self._dirty:
                    self._changed.wait(max(0.0, self._next_beat - time.monotonic()))
                if self._dirty:
                    self._changed.wait_for(self._interrupted, SYNC_INTERVAL_S)
                if not self._interrupted():
                    self._dirty = False
                    return list(self._files)
        return None

    def _is_mine(self) -> bool:
        """Whether the thread that asks is the one that shall run."""
        return self._thread is threading.current_thread()

    def _interrupted(self) -> bool:
        """Whether there is nothing to look after any more, or somebody else does."""
        return not self._files or not self._is_mine()


def _wait_until_gone(thread: threading.Thread) -> None:
    """Waits for the kernel's side of a thread that Python has joined: that comes a moment later."""
    task = Path(f"/proc/self/task/{thread.native_id}")
    for _ in range(100):
        if not task.exists():
            return
        time.sleep(0.0001)


_syncer = Syncer()


def syncer() -> Syncer:
    """Returns the syncer of this process."""
    return _syncer


def _forget_in_child() -> None:
    global _syncer
    _syncer = Syncer()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _syncer.stop(),
        after_in_parent=lambda: _syncer.restart(),
        after_in_child=_forget_in_child,
    )


if sys.platform == "darwin":
    import fcntl

    def sync_fd(fd: int) -> None:
        """Makes the bytes of an open file durable; macOS must be told to empty the drive's own cache too."""
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # a file system that does not know it
            os.fsync(fd)

else:

    def sync_fd(fd: int) -> None:
        """Makes the bytes of an open file durable."""
        os.fsync(fd)


def sync_new_name(folder: Path) -> None:
    """Makes the name of a file durable that is new in a new folder, once the file itself was synced.

    On Linux that is done already: ext4, XFS, Btrfs and ZFS bring the creation and renaming of an inode, and of the
    folders above it, to disk with the first fsync of the inode, because their journals keep the order. git relies on
    the same (`core.fsync` knows no folders). A further fsync of each folder is a commit of the journal each, which
    made up half of the time of a short run.
    """
    if sys.platform != "linux":
        for one in (folder, folder.parent):
            _sync_folder(one)


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, where the platform can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
