"""Getting files to the disk: a few by `fsync`, many by one `syncfs` of their file system."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

MANY = 64
"""Above so many files one `syncfs` is quicker than an `fsync` each."""


def sync_paths(paths: Collection[Path], root: Path) -> None:
    """Makes the content and the names of files below `root` durable; one that has gone meanwhile needs nothing.

    The folders between may be new too, so each name down from `root` is synced in the folder that holds it.
    """
    if len(paths) > MANY:
        sync_file_system(root)
        return
    folders = {folder for path in paths for folder in path.parents if folder.is_relative_to(root)}
    for path in sorted(paths):
        with suppress(FileNotFoundError):
            _fsync(path)
    for folder in sorted(folders):
        with suppress(FileNotFoundError, NotADirectoryError):
            _fsync(folder)


def sync_file_system(folder: Path) -> None:
    """Makes everything on the file system of `folder` durable."""
    function = _syncfs()
    if function is not None:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if function(fd) == 0:
                return
        finally:
            os.close(fd)
    os.sync()


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    function: Any = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return function  # type: ignore[no-any-return]  # ctypes gives functions no type
