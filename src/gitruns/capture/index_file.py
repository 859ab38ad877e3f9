"""git's index file, read without git: a clean tree is told from it in a millisecond, no process is started.

Only what capture asks is read: which entries git was told not to look at, which are submodules, where attributes
stand, and what git remembers of each file. Source: gitformat-index(5), versions 2, 3 and 4.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import NamedTuple

from gitruns.errors import CorruptDataError

GITLINK_MODE = 0o160000
SYMLINK_MODE = 0o120000
TREE_MODE = 0o040000

_HEADER = struct.Struct(">4sII")
_STAT = struct.Struct(">8x2I8xI8xI")
"""mtime seconds and nanoseconds, mode, size; what lies between is skipped."""
_STAT_BYTES = 40

_ASSUME_UNCHANGED = 0x8000
_EXTENDED = 0x4000
_STAGE = 0x3000
_NAME = 0x0FFF
_SKIP_WORKTREE = 0x4000
_INTENT_TO_ADD = 0x2000


class IndexEntry(NamedTuple):
    """One file as the index remembers it. `size` is modulo 2**32, and 0 where git was not sure."""

    path: bytes
    mode: int
    oid: bytes
    stage: int
    size: int
    mtime_ns: int
    assume_unchanged: bool
    skip_worktree: bool
    intent_to_add: bool


class IndexReader:
    """Reads the entries of an index, one after the other, so that a large one is never in memory as objects.

    `split` is known when all were read: most entries stand in another file then. A sparse index has folders among its
    entries. `oid_bytes` is 32 in a SHA-256 repository. Reading raises `CorruptDataError` for what is not an index of a
    version that we know.
    """

    def __init__(self, data: bytes, *, oid_bytes: int = 20) -> None:
        self._data = data
        self._oid_bytes = oid_bytes
        self.split = False

    def __iter__(self) -> Iterator[IndexEntry]:
        if not self._data:
            return
        try:
            signature, version, count = _HEADER.unpack_from(self._data)
            if signature != b"DIRC" or version not in (2, 3, 4):
                raise CorruptDataError(f"cannot read git's index: version {version} is not known", kind="index-version")
            end = yield from _entries(self._data, version, count, self._oid_bytes)
            self.split = _has_extension(self._data, end, self._oid_bytes, b"link")
        except (struct.error, IndexError, ValueError) as error:
            if isinstance(error, CorruptDataError):
                raise
            raise CorruptDataError(f"cannot read git's index: {error}", kind="index-corrupt") from error


def _entries(data: bytes, version: int, count: int, oid_bytes: int) -> Generator[IndexEntry, None, int]:
    """Yields the entries and returns where what follows them begins."""
    position = _HEADER.size
    flags_at = _STAT_BYTES + oid_bytes
    path = b""
    unpack_stat = _STAT.unpack_from
    for _ in range(count):
        seconds, nanoseconds, mode, size = unpack_stat(data, position)
        name = position + flags_at + 2
        flags = data[name - 2] << 8 | data[name - 1]
        more = 0
        if flags & _EXTENDED:
            more = data[name] << 8 | data[name + 1]
            name += 2
        if version == 4:
            kept, name = _varint(data, name)
            end = data.index(b"\0", name)
            path = path[: len(path) - kept] + data[name:end]
            following = end + 1
        else:
            length = flags & _NAME
            end = name + length if length < _NAME else data.index(b"\0", name + length)
            path = data[name:end]
            following = position + ((end - position) // 8 + 1) * 8
        yield IndexEntry(
            path,
            mode,
            data[position + _STAT_BYTES : position + flags_at],
            (flags & _STAGE) >> 12,
            size,
            seconds * 1_000_000_000 + nanoseconds,
            bool(flags & _ASSUME_UNCHANGED),
            bool(more & _SKIP_WORKTREE),
            bool(more & _INTENT_TO_ADD),
        )
        position = following
    return position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number of bytes to drop from the last path, as pack files encode offsets."""
    byte = data[position]
    value = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = data[position]
        value = (value + 1) << 7 | (byte & 0x7F)
    return value, position + 1


def _has_extension(data: bytes, position: int, oid_bytes: int, wanted: bytes) -> bool:
    while position < len(data) - oid_bytes:
        signature, size = struct.unpack_from(">4sI", data, position)
        if signature == wanted:
            return True
        position += 8 + size
    return False
