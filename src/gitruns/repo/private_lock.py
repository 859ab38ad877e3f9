"""A lock among processes of one machine for work that two of them should not both do; a crash gives it back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def only_one(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a lock for the length of a block, and says whether it could: False while another process has it.

    With `wait` it waits until that one gives it back.

    Where the system has no such locks everybody gets it: what is done under it must be safe without.
    """
    try:
        fd = _open(path)
    except OSError:  # read-only: what needs to write will say so
        yield True
        return
    try:
        yield _try_lock(fd, wait)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o666)


if sys.platform != "win32":
    import errno
    import fcntl

    def _try_lock(fd: int, wait: bool) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        return True

else:

    def _try_lock(fd: int, wait: bool) -> bool:
        return True
