"""Who still writes: a process known beyond its id, and whether the writer of a journal file is alive.

A writer holds a lock on its file for as long as it lives, so on one machine the kernel itself says who is dead. On a
file system shared by several machines the lock may not be seen; there the file's time, touched every 30 seconds, is
the sign of life. Source: docs/format.md, "The journal".
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from gitruns.journal.locks import lock_is_held

HEARTBEAT_S = 30.0
"""How often a writer that has nothing to write shows that it lives."""

FOREIGN_DEAD_AFTER_S = 600.0
"""A writer on another machine is taken for dead when its file was not touched for so long."""

REBOOTED_DEAD_AFTER_S = 120.0
"""The same where only the boot differs: most likely this machine was restarted, yet two can bear one name."""


class WriterState(str, Enum):
    """Whether a journal file's writer is still there; `closed` said goodbye, `dead` did not."""

    ALIVE = "alive"
    CLOSED = "closed"
    DEAD = "dead"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMark:
    """A process as others can recognise it: `pid` alone is given again, `pid_start` (clock ticks) tells them apart.

    None where the platform does not say. `pid_namespace` is the container's view in which `pid` has its meaning.
    """

    host: str
    boot_id: str | None
    pid: int
    pid_start: int | None
    pid_namespace: str | None


class Opened(Protocol):
    """The first record of a file: who writes it, and whether the file system gave a lock on it."""

    @property
    def process(self) -> ProcessMark:
        """The process that writes."""

    @property
    def locked(self) -> bool:
        """Whether it holds a lock on the file."""


def current_process_mark() -> ProcessMark:
    """Returns the mark of this process; the child of a fork gets its own."""
    pid = os.getpid()
    return ProcessMark(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid=pid,
        pid_start=_pid_start(pid),
        pid_namespace=_pid_namespace(pid),
    )


@functools.lru_cache(maxsize=1)
def _boot_id() -> str | None:
    if sys.platform == "darwin":
        return _sysctl_text("kern.bootsessionuuid")
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def _sysctl_text(name: str) -> str | None:
    import ctypes

    try:
        sysctl = ctypes.CDLL(None).sysctlbyname
        size = ctypes.c_size_t(0)
        if sysctl(name.encode(), None, ctypes.byref(size), None, 0) != 0:
            return None
        buffer = ctypes.create_string_buffer(size.value)
        if sysctl(name.encode(), buffer, ctypes.byref(size), None, 0) != 0:
            return None
        return buffer.value.decode() or None
    except (OSError, AttributeError, UnicodeDecodeError):
        return None


def _pid_start(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # The command's name, in parentheses, may hold anything; field 22 is counted from behind it.
        return int(text[text.rindex(b")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError):
        return None


@functools.lru_cache(maxsize=4)
def _pid_namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def writer_state(path: Path, opening: Opened, *, closed: bool = False, now_s: float | None = None) -> WriterState:
    """Returns whether the writer that made the file with this opening record still lives.

    `closed` says that the file's last record is an end or a close. `now_s` is the clock to hold the file's time
    against, the machine's own when None. In doubt a writer is alive: a run that is sealed too early costs more than
    one that is sealed late.
    """
    if closed:
        return WriterState.CLOSED
    held = lock_is_held(path)
    if held is True:
        return WriterState.ALIVE
    if not opening.locked:
        held = None  # a file that could not be locked looks as one whose lock is free
    mark, here = opening.process, current_process_mark()
    if mark.boot_id is not None and mark.boot_id == here.boot_id:
        return _state_on_this_machine(path, mark, here, held=held, now_s=now_s)
    limit = REBOOTED_DEAD_AFTER_S if mark.host == here.host and held is False else FOREIGN_DEAD_AFTER_S
    return _state_by_time(path, limit, now_s)


def _state_on_this_machine(
    path: Path, mark: ProcessMark, here: ProcessMark, *, held: bool | None, now_s: float | None
) -> WriterState:
    if mark.pid_start is not None and mark.pid_namespace == here.pid_namespace:
        # A living process whose lock is gone had its files closed under it; it opens the file again when it notices.
        return WriterState.ALIVE if _pid_start(mark.pid) == mark.pid_start else WriterState.DEAD
    if held is False:
        return WriterState.DEAD
    return _state_by_time(path, FOREIGN_DEAD_AFTER_S, now_s)


def _state_by_time(path: Path, limit_s: float, now_s: float | None) -> WriterState:
    try:
        touched_s = path.stat().st_mtime
    except OSError:
        return WriterState.DEAD
    age_s = (time.time() if now_s is None else now_s) - touched_s
    return WriterState.DEAD if age_s > limit_s else WriterState.ALIVE
