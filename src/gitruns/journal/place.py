"""Where a journal file stands: making it, opening it again, bringing it back after somebody removed it.

A file gets its name only when it is locked and its first line is in it, so nobody sees half of that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitruns.journal.locks import lock_file

SUFFIX = ".log"
NEW_SUFFIX = ".new"
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
_BLOCK_BYTES = 1 << 20
_ATTEMPTS = 5
_OPENING = b' ["open",'


def same_file(fd: int) -> tuple[int, int]:
    """Returns device and inode of an open file."""
    found = os.fstat(fd)
    return (found.st_dev, found.st_ino)


def create_file(path: Path, first_line: Callable[[bool], bytes], old_fd: int | None = None) -> int:
    """Makes the file and returns its descriptor; raises OSError and leaves nothing when that does not work.

    `first_line` is told whether the file could be locked. The content of `old_fd` is copied behind it.
    """
    for _ in range(_ATTEMPTS):
        make_folder(path.parent)
        with suppress(FileNotFoundError):  # somebody swept the folder, which looked like one that was left behind
            return _create(path, first_line, old_fd)
    make_folder(path.parent)
    return _create(path, first_line, old_fd)


def _create(path: Path, first_line: Callable[[bool], bytes], old_fd: int | None) -> int:
    new = path.with_suffix(NEW_SUFFIX) if sys.platform != "win32" else path  # Windows cannot rename an open file
    with suppress(FileNotFoundError):
        new.unlink()  # ours: left by an attempt that was cut short
    fd = os.open(new, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        locked = lock_file(fd)
        if old_fd is None or os.pread(old_fd, len(_OPENING), 8) != _OPENING:
            write_all(fd, first_line(locked))
        if old_fd is not None:
            copy_all(old_fd, fd)
        if new != path:
            new.rename(path)
    except BaseException:
        os.close(fd)
        with suppress(OSError):
            new.unlink()
        raise
    return fd


def reopen_file(path: Path, inode: tuple[int, int]) -> int | None:
    """Returns a new descriptor of the file that was open before, or None when another or no file stands there.

    Raises OSError when it is there and cannot be opened now.
    """
    try:
        fd = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if same_file(fd) != inode:
        os.close(fd)
        return None
    lock_file(fd)
    return fd


def rescue_file(fd: int, path: Path, first_line: Callable[[bool], bytes]) -> int:
    """Gives a file that lost its name a new one with the same content, and returns the new file's descriptor.

    `first_line` stands before the content unless that begins with an opening: whoever removed a file because its
    records were sealed emptied it first, so what is left was written since.
    """
    return create_file(path, first_line, fd)


def make_folder(folder: Path) -> None:
    """Makes the folder of a run and two above it, not the repository that is gone with them."""
    for place in (folder.parent.parent, folder.parent, folder):
        place.mkdir(exist_ok=True)


def write_all(fd: int, content: bytes) -> None:
    """Writes everything or raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def copy_all(source: int, target: int) -> None:
    """Appends what is in one open file to another."""
    offset = 0
    while block := os.pread(source, _BLOCK_BYTES, offset):
        write_all(target, block)
        offset += len(block)


def count_lines(fd: int) -> int:
    """Returns how many whole lines an open file holds."""
    count = offset = 0
    while block := os.pread(fd, _BLOCK_BYTES, offset):
        count += block.count(b"\n")
        offset += len(block)
    return count
