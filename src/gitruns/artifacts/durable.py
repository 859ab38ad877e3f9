"""Getting bytes to the disk: one file, one folder, or a whole file system at once.

Python has no name for `syncfs` and `sync_file_range`, so they are called in the C library where it has them.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MANY = 64
"""Above so many files one `syncfs` is quicker than an `fsync` each."""

_START_WRITEBACK = 2  # SYNC_FILE_RANGE_WRITE
_NOT_SYNCABLE = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


@functools.cache
def _libc_function(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    function: Any = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is not None and name == "sync_file_range":
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function  # type: ignore[no-any-return] # ctypes gives functions no type


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Asks the kernel to begin writing this range, so that the `fsync` at the end finds little left to do."""
    function = _libc_function("sync_file_range")
    if function is not None:
        function(fd, offset, length, _START_WRITEBACK)  # an optimisation: its failure shows in fsync


def sync_file(path: Path) -> None:
    """Makes the content of a file durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, on file systems that know how to."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NOT_SYNCABLE:
            raise
    finally:
        os.close(fd)


def sync_files(files: Iterable[Path], *, within: Path) -> None:
    """Makes many files of one file system durable; `within` is a folder of it."""
    listed = list(files)
    if len(listed) <= MANY or not _sync_file_system(within):
        for path in listed:
            sync_file(path)


def sync_folders(folders: Iterable[Path], *, within: Path) -> None:
    """Makes the names in many folders of one file system durable; `within` is a folder of it."""
    listed = list(folders)
    if len(listed) <= MANY or not _sync_file_system(within):
        for folder in listed:
            sync_folder(folder)


def _sync_file_system(folder: Path) -> bool:
    """Returns False when this platform has no `syncfs`; `os.sync` is no stand-in, it hides errors."""
    function = _libc_function("syncfs")
    if function is None:
        return False
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if function(fd) != 0:
            number = ctypes.get_errno()
            if number == errno.ENOSYS:
                return False
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(fd)
    return True
