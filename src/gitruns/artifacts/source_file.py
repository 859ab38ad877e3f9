"""Reading a file that belongs to somebody else: it may be no file, have holes, or change under our eyes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.failures import reading, shown
from gitruns.errors import InvalidInputError

BLOCK_BYTES = 1 << 20
"""Bytes read, hashed and written at a time: in the processor's cache while both sides use them."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_ZEROS = bytes(BLOCK_BYTES)
_NO_HOLES_KNOWN = {errno.EINVAL, errno.ENOTSUP}


@dataclass(frozen=True, slots=True)
class FileMark:
    """What the file system says of a file that changes when its content does."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int  # a tool that puts the modification time back cannot put this one back

    @classmethod
    def of(cls, status: os.stat_result) -> FileMark:
        """Returns the mark of a file from its status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def refuse_special(path: Path, status: os.stat_result) -> None:
    """Raises `InvalidInputError`, kind `not-a-regular-file`, naming what the path is instead."""
    if stat.S_ISREG(status.st_mode):
        return
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
    hint = None
    if stat.S_ISLNK(status.st_mode):
        hint = f"store what it points at instead: '{shown(os.path.realpath(path))}'"
    raise InvalidInputError(
        f"cannot store '{shown(path)}': it is {kind}, not a regular file",
        kind="not-a-regular-file",
        hint=hint,
        path=str(path),
    )


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes of a file and where they stand; the zeros of a hole were never read from the disk."""

    offset: int
    content: bytes
    is_hole: bool = False


class SourceFile:
    """A regular file, open for reading."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.status = os.fstat(fd)

    def changed(self) -> bool:
        """Returns whether the file was written to since it was opened."""
        return FileMark.of(os.fstat(self.fd)) != FileMark.of(self.status)

    def read(self, length: int, offset: int) -> bytes:
        """Returns up to `length` bytes from `offset`; fewer only at the end of the file."""
        with reading(self.path):
            block = os.pread(self.fd, length, offset)
            while block and len(block) < length:
                more = os.pread(self.fd, length - len(block), offset + len(block))
                if not more:
                    break
                block += more
        return block

    def blocks(self) -> Iterator[Block]:
        """Yields the whole content in order.

        Only a file with fewer blocks on disk than its size needs is asked for holes: file systems have been known to
        tell of holes where fresh bytes were on their way, and what is not sparse has none.
        """
        size = self.status.st_size
        if self.status.st_blocks * 512 >= size:
            yield from self._content(0, None)
            return
        for start, end, is_hole in self._extents(size):
            yield from _hole(start, end) if is_hole else self._content(start, end)

    def _content(self, start: int, end: int | None) -> Iterator[Block]:
        while end is None or start < end:
            block = self.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - start), start)
            if not block:
                return
            yield Block(start, block)
            start += len(block)

    def _extents(self, size: int) -> Iterator[tuple[int, int, bool]]:
        """Yields (start, end, is_hole), without gaps, from 0 to `size`."""
        position = 0
        while position < size:
            start = min(self._seek(position, os.SEEK_DATA, size), size)
            if start > position:
                yield position, start, True
            if start < size:
                end = min(self._seek(start, os.SEEK_HOLE, size), size)
                position = end if end > start else size
                yield start, position, False
            else:
                position = size

    def _seek(self, offset: int, whence: int, size: int) -> int:
        try:
            return os.lseek(self.fd, offset, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return size
            if error.errno in _NO_HOLES_KNOWN:
                return offset if whence == os.SEEK_DATA else size
            raise


def _hole(start: int, end: int) -> Iterator[Block]:
    while start < end:
        length = min(BLOCK_BYTES, end - start)
        yield Block(start, _ZEROS if length == BLOCK_BYTES else bytes(length), is_hole=True)
        start += length


@contextmanager
def open_regular(path: Path) -> Iterator[SourceFile]:
    """Opens a regular file for reading, and never follows a symlink, waits for a pipe or wakes a device."""
    with reading(path):
        refuse_special(path, os.lstat(path))  # before it is opened: opening some devices does something
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        source = SourceFile(path, fd)
        refuse_special(path, source.status)
        yield source
    finally:
        os.close(fd)
