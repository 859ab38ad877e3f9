"""A file of lines that takes appends and never raises: what the file system refuses waits in memory.

A line is written by one `write(2)` before `append` returns, so it survives the death of the process. When the disk
is full, the descriptor is gone or the folder vanished, lines wait in a bounded buffer and are written as soon as
that works again; what does not fit the buffer is counted.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitruns.errors import GitRunsError
from gitruns.journal.syncing import sync_folder, syncer

try:
    import fcntl
except ImportError:  # Windows: no lock to hold
    fcntl = None  # type: ignore[assignment]

MAX_WAITING_BYTES = 64 * 1024 * 1024
RETRY_INTERVAL_S = 0.05
SUFFIX = ".log"
NEW_SUFFIX = ".new"
_BATCH_BYTES = 1024 * 1024


class NeedsReopenError(GitRunsError):
    """This writer takes no more records; open another and log there. Nothing was written.

    `kind` says why: `forked` (a child of the process that opened it: open a `join`), `ended`.
    """

    default_kind = "needs-reopen"


class LogFile:
    """One open file of lines. Thread safe; a signal handler that appends in the midst of an append is safe too."""

    def __init__(self, folder: Path, opening: Callable[[bool], bytes], on_problem: Callable[[BaseException], None]):
        """Makes the file in `folder`, with what `opening(locked)` returns as its first line.

        The file gets its name only when it is locked and the line is in it, so nobody sees half of that.
        """
        self.folder = folder
        self.id = secrets.token_hex(8)
        self.path = folder / f"{self.id}{SUFFIX}"
        self.dropped = 0
        self._opening = opening
        self._on_problem = on_problem
        self._lock = threading.RLock()  # reentrant for signal handlers
        self._fd = -1
        self._inode: tuple[int, int] | None = None
        self._healthy = False
        self._closed: str | None = None
        self._dirty = False
        self._named_durably = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._written_of_first = 0
        self._retry_at = 0.0
        self._told = False
        with self._lock:
            self._drain()
        _open_files.add(self)
        syncer().add(self)
        self._wake()

    @property
    def waiting(self) -> int:
        """How many lines wait in memory for the file system to take them."""
        return len(self._waiting)

    def append(self, line: bytes, *, keep: bool = False) -> None:
        """Writes one line, its newline included; with `keep` it waits beyond the bound rather than be dropped."""
        with self._lock:
            if self._healthy:
                try:
                    written = os.write(self._fd, line)
                except OSError as error:
                    self._fail(line, 0, error)
                else:
                    if written != len(line):
                        self._fail(line, written, None)
            else:
                self._append_to_waiting(line, keep=keep)
        if not self._dirty:
            self._wake()

    def _wake(self) -> None:
        self._dirty = True
        syncer().wake()

    def _fail(self, line: bytes, written: int, error: OSError | None) -> None:
        """Begins to wait: the first line has been written up to `written`."""
        self._healthy = False
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._written_of_first = written
        if error is not None:
            self._tell(error)
        self._drain()

    def _append_to_waiting(self, line: bytes, *, keep: bool) -> None:
        if self._closed is not None:
            raise NeedsReopenError(f"cannot log to '{self.path.name}': the writer is {self._closed}", kind=self._closed)
        if time.monotonic() >= self._retry_at:
            self._drain()
            if self._healthy:
                self.append(line, keep=keep)
                return
        if keep or self._waiting_bytes + len(line) <= MAX_WAITING_BYTES:
            self._waiting.append(line)
            self._waiting_bytes += len(line)
        else:
            self.dropped += 1

    def _tell(self, error: BaseException) -> None:
        if not self._told:
            self._told = True
            self._on_problem(error)

    def _drain(self) -> bool:
        """Writes what waits; returns whether nothing waits any more."""
        self._retry_at = time.monotonic() + RETRY_INTERVAL_S
        try:
            if self._fd < 0:
                self._open()
            while self._waiting:
                self._write_batch()
        except OSError as error:
            self._tell(error)
            return False
        self._healthy = True
        return True

    def _write_batch(self) -> None:
        batch = self._waiting[0][self._written_of_first :]
        written = os.write(self._fd, batch)
        if written < len(batch):
            self._written_of_first += written
            written = os.write(self._fd, batch[written:])  # says why
            self._written_of_first += written
            return
        self._waiting_bytes -= len(self._waiting.popleft())
        self._written_of_first = 0

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(NEW_SUFFIX)
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        try:
            line = self._opening(_lock_file(fd))
            if os.write(fd, line) != len(line):
                raise OSError("short write")
            new.rename(self.path)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                new.unlink()
            raise
        self._fd = fd

    def sync(self) -> bool:
        """Writes out what waits and what the kernel holds; returns whether something still waits. Never raises."""
        with self._lock:
            if self._fd < 0 and self._closed is not None:
                return False
            drained = not self._waiting or self._drain()
            fd = self._fd
            dirty, self._dirty = self._dirty, not drained
        if dirty and fd >= 0:
            try:
                os.fsync(fd)
            except OSError as error:
                self._tell(error)
        return not drained

    def flush(self) -> bool:
        """Makes all appended lines durable; returns whether they are."""
        with self._lock:
            if self._closed is not None:
                return self._fd < 0
            if self._waiting and not self._drain():
                return False
            self._dirty = False
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._tell(error)
                return False
            if not self._named_durably:
                sync_folder(self.folder)
                self._named_durably = True
        return True

    def beat(self) -> None:
        """Touches the file. Never raises."""
        with suppress(OSError):
            os.utime(self.path)

    def close(self, why: str = "ended") -> None:
        """Gives the file and its lock back; later appends raise `NeedsReopenError`."""
        with self._lock:
            if self._closed is None:
                self._closed = why
            self._healthy = False
            fd, self._fd = self._fd, -1
            if fd >= 0:
                with suppress(OSError):
                    os.close(fd)
        syncer().discard(self)
        _open_files.discard(self)

    def _close_in_child(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self._waiting.clear()
        self._waiting_bytes = 0
        self.close("forked")


def _lock_file(fd: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_open_files: weakref.WeakSet[LogFile] = weakref.WeakSet()


def _close_all_in_child() -> None:
    # The child must not hold the lock: it would keep a dead parent's run alive.
    for file in list(_open_files):
        file._close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all_in_child)
