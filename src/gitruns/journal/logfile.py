"""A file of lines that takes appends and never raises: what the file system refuses waits in memory.

A line is written by one `write(2)` before `append` returns, so it survives the death of the process. When the disk
is full, the descriptor is gone or the folder vanished, lines wait in a bounded buffer and are written as soon as
that works again; what does not fit the buffer is counted.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitruns.errors import GitRunsError
from gitruns.journal.place import SUFFIX, count_lines, create_file, reopen_file, rescue_file, same_file
from gitruns.journal.syncing import sync_fd, sync_new_name, syncer

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""What lines may take up in memory while they wait, Python's own overhead of each counted in."""

_LINE_OVERHEAD_BYTES = 41
_RETRY_INTERVAL_S = 0.05


class NeedsReopenError(GitRunsError):
    """This writer takes no more records; open another and log there. Nothing was written.

    `kind` says why: `forked` (it belongs to the parent of this process: open a `join`) or `ended`.
    """

    default_kind = "needs-reopen"


class LogFile(ABC):
    """One open file of lines. Thread safe, also for a signal handler that appends in the midst of an append.

    A fork leaves the file to the parent: in the child it is closed and appends raise `NeedsReopenError`.
    `dropped` counts the lines that were lost.
    """

    def __init__(self, folder: Path, on_problem: Callable[[BaseException], None]) -> None:
        """Makes a file of a random name in `folder`, or waits for that to be possible."""
        self.folder = folder
        self._take_new_name()
        self.dropped = 0
        self._on_problem = on_problem
        self._lock = threading.RLock()  # reentrant, for signal handlers
        self._fd = -1
        self._inode: tuple[int, int] | None = None  # None until the file was made
        self._healthy = False  # the next line can be written at once
        self._busy = False  # lines that wait are being written, or the file brought back
        self._closed: str | None = None
        self._released = False
        self._nameless = False  # somebody removed the file, and it could not be brought back
        self._dirty = False  # the syncer knows that there is something to sync
        self._named_durably = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._written_of_first = 0
        self._retry_at = 0.0
        self._dropped_written = 0
        self._problem: BaseException | None = None
        self._told = False
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._drain()
        _open_files.add(self)
        syncer().add(self)
        self._wake()

    @abstractmethod
    def _opening_line(self, *, locked: bool, again: bool) -> bytes:
        """Returns a file's first line; `again` when the file that began with it was sealed and removed meanwhile."""

    @abstractmethod
    def _dropped_line(self) -> bytes:
        """Returns the line that says how many were lost so far."""

    @abstractmethod
    def _beat_line(self) -> bytes:
        """Returns the line that says that the writer lives."""

    @property
    def waiting(self) -> int:
        """How many lines wait in memory for the file system to take them."""
        return len(self._waiting)

    @property
    def closed(self) -> str | None:
        """Why no more lines are taken (`ended`, `forked`), None while they are."""
        return self._closed

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
                self._wait_with(line, keep=keep)
        if not self._dirty:
            self._wake()

    def _wake(self) -> None:
        self._dirty = True
        self._tell()
        syncer().wake()

    def _tell(self) -> None:
        """Reports the first problem, once; without the lock, because who is told may take locks of their own."""
        if self._problem is not None and not self._told:
            self._told = True
            with suppress(Exception):
                self._on_problem(self._problem)

    def _note(self, error: BaseException) -> None:
        if self._problem is None:
            self._problem = error
            self._dirty = False  # leads the call that met it through `_wake`

    def _fail(self, line: bytes, written: int, error: OSError | None) -> None:
        """Begins to wait with a line of which only `written` bytes are in the file."""
        self._healthy = False
        self._push(line)
        self._written_of_first = written
        if error is not None:
            self._note(error)
        self._drain()

    def _wait_with(self, line: bytes, *, keep: bool) -> None:
        if self._closed is not None:
            raise NeedsReopenError(f"cannot log to '{self.path.name}': it is {self._closed}", kind=self._closed)
        if time.monotonic() >= self._retry_at and self._drain():
            self.append(line, keep=keep)
        elif keep or self._waiting_bytes + len(line) + _LINE_OVERHEAD_BYTES <= MAX_WAITING_BYTES:
            self._push(line)
        else:
            self.dropped += 1

    def _push(self, line: bytes) -> None:
        self._waiting.append(line)
        self._waiting_bytes += len(line) + _LINE_OVERHEAD_BYTES

    def _drain(self) -> bool:
        """Writes what waits; returns whether nothing waits any more."""
        if self._busy:  # a signal handler in the midst of this, on the same thread: its line waits behind the others
            return False
        self._busy = True
        try:
            return self._try_to_drain()
        finally:
            self._busy = False

    def _try_to_drain(self) -> bool:
        self._retry_at = time.monotonic() + _RETRY_INTERVAL_S
        for _ in range(2):
            try:
                if self._fd < 0:
                    self._open()
                while self._waiting:
                    self._write_first()
                if self.dropped > self._dropped_written and self._closed is None:
                    self._dropped_written = self.dropped
                    self._push(self._dropped_line())
                    self._write_first()
            except OSError as error:
                self._note(error)
                if not self._lost_descriptor():
                    return False
            else:
                self._healthy = self._closed is None
                return True
        return False

    def _write_first(self) -> None:
        """Writes the first waiting line, or what is missing of it; raises OSError when that does not work."""
        line = self._waiting[0]
        while self._written_of_first < len(line):
            self._written_of_first += os.write(self._fd, line[self._written_of_first :])
        self._waiting.popleft()
        self._waiting_bytes -= len(line) + _LINE_OVERHEAD_BYTES
        self._written_of_first = 0

    def _open(self) -> None:
        """Opens the file: the one that was there, or a new one."""
        if self._inode is not None:
            fd = reopen_file(self.path, self._inode)
            if fd is not None:
                self._fd = fd
                return
            self._written_of_first = 0
            self._take_new_name()
        again = self._inode is not None
        self._take(create_file(self.path, lambda locked: self._opening_line(locked=locked, again=again)))

    def _take_new_name(self) -> None:
        self.id = secrets.token_hex(8)
        self.path = self.folder / f"{self.id}{SUFFIX}"

    def _take(self, fd: int) -> None:
        self._fd = fd
        self._inode = same_file(fd)
        self._named_durably = False

    def _lost_descriptor(self) -> bool:
        """Lets go of a descriptor that is not our file any more: somebody closed it, and may have opened another."""
        with suppress(OSError):
            if same_file(self._fd) == self._inode:
                return False
        self._fd = -1
        self._healthy = False
        return self._inode is not None

    def _look_for_file(self) -> None:
        """Sees that our file is still ours and where others find it; gives it its name back where that was taken."""
        self._nameless = False
        if self._fd < 0:
            return
        if self._lost_descriptor():
            self._note(OSError(errno.EBADF, "the journal was closed by somebody else", str(self.path)))
            return
        if os.fstat(self._fd).st_nlink > 0 or self._busy:
            return
        healthy, self._healthy, self._busy = self._healthy, False, True  # a signal handler's lines wait meanwhile
        try:
            fd = rescue_file(self._fd, self.path, lambda locked: self._opening_line(locked=locked, again=True))
            os.close(self._fd)
            self._take(fd)
        except OSError as error:  # the open descriptor alone keeps it: better than memory
            self._nameless = True
            self._healthy = healthy
            self._note(error)
        finally:
            self._busy = False

    def sync(self) -> bool:
        """Writes out what waits and what the kernel holds; returns whether there is more to do. Never raises."""
        with self._lock:
            if self._released:
                return False
            dirty, self._dirty = self._dirty, False
            self._look_for_file()
            settled = self._drain() and not self._nameless
            self._dirty |= not settled
            fd = self._fd
        if dirty and fd >= 0:
            self._sync(fd)
        self._tell()
        if self._closed is not None and (settled or self._gone()):
            self._release()
        return not settled

    def _sync(self, fd: int) -> bool:
        """Waits for the disk, without the lock: log calls go on meanwhile."""
        try:
            sync_fd(fd)
        except OSError as error:
            if self._fd == fd:  # else it was closed meanwhile
                self._note(error)
                return False
        return True

    def flush(self) -> bool:
        """Makes all appended lines durable; returns whether they are."""
        with self._lock:
            if self._released:
                return False
            self._look_for_file()
            settled = self._drain() and not self._nameless
            fd = self._fd
            if settled:
                self._dirty = False
        durable = settled and self._sync(fd)
        if durable and not self._named_durably:
            sync_new_name(self.folder)
            self._named_durably = True
        self._tell()
        return durable

    def beat(self) -> None:
        """Shows that the writer lives: a line, or the file's time when no line can be written. Never raises."""
        with self._lock:
            if self._healthy:
                self.append(self._beat_line())
            else:
                with suppress(OSError):
                    os.utime(self.path)

    def finish(self, last_line: bytes, *, durable: bool = True) -> bool:
        """Appends the last line and gives file and lock back; returns whether all lines are durable (or written).

        What cannot be written now is tried again for as long as the process lives.
        """
        with self._lock:
            self.append(last_line, keep=True)
            self._closed = "ended"
            self._healthy = False
        done = self.flush() if durable else not self._waiting
        if not (self._waiting or self._nameless) or self._gone():
            self._release()
        return done

    def _gone(self) -> bool:
        """Whether there is no repository any more to write into."""
        return (bool(self._waiting) or self._nameless) and not self.folder.parent.parent.parent.is_dir()

    def _release(self) -> None:
        """Gives file and lock back, and counts what nobody will find: lines that wait, or are in a nameless file."""
        with self._lock:
            self._released = True
            self._healthy = False
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            fd, self._fd = self._fd, -1
            if fd >= 0:
                with suppress(OSError):
                    self.dropped += count_lines(fd) if self._nameless else 0
                    os.close(fd)
        syncer().discard(self)
        _open_files.discard(self)

    def _leave_to_parent(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent may hold the old one
        self._closed = "forked"
        self._waiting.clear()
        self._nameless = False
        self._release()


_open_files: weakref.WeakSet[LogFile] = weakref.WeakSet()


def _close_all_in_child() -> None:
    # A child that kept the descriptor would hold the lock, and so keep a dead parent's run alive.
    for file in list(_open_files):
        file._leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all_in_child)
