"""Temporary files that cannot outlive their writer for long.

Each batch of puts has a folder of its own below `tmp/`, with a lock held as long as its process lives. A folder whose
lock is free belongs to a process that was killed, and whoever makes the next one removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

_LOCK = "lock"
_OTHER_HOST_S = 24 * 3600
"""A shared file system may keep locks to one host: what another host wrote must also have been left alone this long."""

_UNLOCKED_S = 60
"""A folder without a lock file is being made or removed, unless it has been so this long."""


class TemporaryArea:
    """A folder for half-written files, on the file system where the whole ones go."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._count = 0

    @classmethod
    def create(cls, parent: Path) -> TemporaryArea:
        """Makes a new area below `parent`, after removing those that nobody holds any more."""
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        while True:
            path = parent / f"{_host_tag()}-{secrets.token_hex(8)}"
            path.mkdir()
            with suppress(FileNotFoundError):  # swept before it was locked: make another
                fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if _lock(fd, wait=True) is None or (path / _LOCK).exists():
                    return cls(path, fd)
                os.close(fd)

    def new_file(self) -> tuple[int, Path]:
        """Makes an empty file; returns its descriptor, open to read and write, and its path.

        The file is read-only from the start: the open descriptor is the only way to write it.
        """
        self._count += 1
        path = self.path / str(self._count)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        return fd, path

    def remove(self) -> None:
        """Removes the folder with all that is left in it; what cannot be removed now is swept later."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)


def sweep(parent: Path) -> int:
    """Removes the areas below `parent` whose writers are gone; returns how many."""
    removed = 0
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        for entry in entries:
            with suppress(OSError):  # another user's, or another sweep was quicker
                removed += _sweep_one(Path(entry.path))
    return removed


def _sweep_one(path: Path) -> bool:
    try:
        fd = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return _idle_s(path) > _UNLOCKED_S and _remove(path)
    try:
        locked = _lock(fd, wait=False)
        if locked is False or ((locked is None or not _is_of_this_host(path)) and _idle_s(path) < _OTHER_HOST_S):
            return False
        return _remove(path)
    finally:
        os.close(fd)


def _remove(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _lock(fd: int, *, wait: bool) -> bool | None:
    """Returns whether the lock is ours now; None on a file system that has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _idle_s(path: Path) -> float:
    """Returns how long ago anything in the folder was last written."""
    newest = path.stat().st_mtime
    with os.scandir(path) as entries:
        for entry in entries:
            newest = max(newest, entry.stat(follow_symlinks=False).st_mtime)
    return time.time() - newest


def _host_tag() -> str:
    return hashlib.sha256(platform.node().encode(errors="replace")).hexdigest()[:8]


def _is_of_this_host(path: Path) -> bool:
    return path.name.startswith(_host_tag() + "-")
