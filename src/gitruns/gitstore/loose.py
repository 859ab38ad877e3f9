"""Loose objects: one compressed file each, named by its id.

Read and written here and not by libgit2 or dulwich, in the same time: both engines share it, the operating system's own
error tells a full disk from a read-only one, modes follow `core.sharedRepository`, which libgit2 does not know, and
libgit2 never returns from a file that a power cut has cut off.
Source: git's `gitrepository-layout`, `object-file.c`.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.failures import write_failed
from gitruns.gitstore.git_config import GitConfig

_HEAD_BYTES = 40
_HEAD_FILE_BYTES = 256
_FIRST_BYTES = 8192
_KINDS = frozenset(("blob", "tree", "commit", "tag"))

_COMPRESSION = 1
"""Run trees are small and short-lived as loose objects: gc packs them again with its own level."""


class TooLargeError(ValueError):
    """An object is larger than its reader takes."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(f"it is a {kind} of {size} bytes")
        self.size = size


class LooseObjects:
    """The loose objects in some folders; new ones go to the first. Raises ValueError for a damaged one."""

    def __init__(self, folders: Sequence[Path], config: GitConfig) -> None:
        self._root = folders[0]
        self._folders = folders
        self._roots = [str(folder) for folder in folders]  # pathlib would take a third of the time of a small read
        self._config = config

    def read(self, oid: ObjectId, max_bytes: int | None = None) -> tuple[str, bytes] | None:
        """Returns kind and content of an object, None when it is not loose.

        Raises `TooLargeError` for more than `max_bytes`, before any of the content is inflated.
        """
        fd = self._open(oid)
        if fd is None:
            return None
        try:
            return _read(fd, max_bytes)
        finally:
            os.close(fd)

    def header(self, oid: ObjectId) -> tuple[str, int] | None:
        """Returns kind and size of an object without inflating its content, None when it is not loose."""
        fd = self._open(oid)
        if fd is None:
            return None
        try:
            packed = os.read(fd, _HEAD_FILE_BYTES)
        finally:
            os.close(fd)
        kind, size, _ = _parse_header(_inflate(zlib.decompressobj(), packed, _HEAD_BYTES))
        return kind, size

    def _open(self, oid: ObjectId) -> int | None:
        for root in self._roots:
            with suppress(FileNotFoundError, NotADirectoryError):
                return os.open(f"{root}/{oid[:2]}/{oid[2:]}", os.O_RDONLY | os.O_CLOEXEC)
        return None

    def find(self, oid: ObjectId) -> Path | None:
        """Returns the file of an object, None when it is not loose."""
        for folder in self._folders:
            path = folder / oid[:2] / oid[2:]
            if path.is_file():
                return path
        return None

    def path(self, oid: ObjectId) -> Path:
        """Returns where an object is, when it is loose."""
        return self._root / oid[:2] / oid[2:]

    def freshen(self, oid: ObjectId) -> bool:
        """Makes a loose object young again, so that a gc running now keeps it; returns whether there is one."""
        try:
            os.utime(self.path(oid))
        except FileNotFoundError:
            return False
        except OSError:  # another user's object, or a read-only disk: its age is not ours to change
            return self.path(oid).exists()
        return True

    def write(self, oid: ObjectId, kind: str, data: bytes) -> None:
        """Writes one object under its name; it is complete when it can be seen, but not yet synced."""
        path = self.path(oid)
        packed = zlib.compress(b"%s %d\0%s" % (kind.encode(), len(data), data), _COMPRESSION)
        temporary = path.with_name(f"tmp_obj_{secrets.token_hex(6)}")
        try:
            self._write_new(temporary, packed)
            try:
                self._config.shared_mode().apply_to_file(temporary)
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise write_failed("an object", self._root, error) from error

    def _write_new(self, path: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o444)
        except FileNotFoundError:
            with suppress(FileExistsError):
                path.parent.mkdir()
                self._config.shared_mode().apply_to_folder(path.parent)
            fd = os.open(path, flags, 0o444)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)


def _read(fd: int, max_bytes: int | None) -> tuple[str, bytes]:
    packed = os.read(fd, _FIRST_BYTES)
    inflater = zlib.decompressobj()
    head = _inflate(inflater, packed, _FIRST_BYTES)
    kind, size, start = _parse_header(head)
    if max_bytes is not None and size > max_bytes:
        raise TooLargeError(kind, size)
    if len(head) - start < size:
        packed = inflater.unconsumed_tail + _read_rest(fd, size)
        # The header has been believed: never inflate more than it says.
        head += _inflate(inflater, packed, size - (len(head) - start) + 1)
    data = head[start:]
    if len(data) != size:
        raise ValueError("its length is not what its header says")
    return kind, data


def _read_rest(fd: int, size: int) -> bytes:
    chunks, left = [], size + size // 1000 + _FIRST_BYTES  # what cannot be compressed becomes only so much longer
    while left > 0 and (chunk := os.read(fd, left)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _inflate(inflater: zlib._Decompress, packed: bytes, length: int) -> bytes:
    try:
        return inflater.decompress(packed, length)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _parse_header(head: bytes) -> tuple[str, int, int]:
    end = head.find(b"\0")
    kind, _, size = head[: max(end, 0)].decode("latin-1").partition(" ")
    if kind not in _KINDS or not size.isdigit():
        raise ValueError("it has no header")
    return kind, int(size), end + 1
