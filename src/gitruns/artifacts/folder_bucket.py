"""A store in a folder: a disk of this machine, or one that a lab has mounted everywhere.

A file is written under a temporary name in the folder where it belongs, synced, then renamed, so a name is never half
a file, on network file systems too. Nothing is locked.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitruns.artifacts.bucket import Entry, OnBytes, check_key
from gitruns.artifacts.copying import clone
from gitruns.artifacts.durable import start_writeback, sync_folder
from gitruns.artifacts.failures import writing
from gitruns.artifacts.sharing import make_folders, share_file, shared_mode
from gitruns.artifacts.source_file import BLOCK_BYTES, SourceFile
from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError

_TEMPORARY = ".part-"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}


class FolderBucket:
    """Keys are paths below `root`, which must exist: the empty mount point of a disk that is not there is no store."""

    kind = "file"
    jobs = 4

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shown = str(root)

    def stat(self, key: str) -> Entry | None:
        """Returns size and time of a key."""
        try:
            with self._reading(key):
                status = self._path(key).stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return Entry(key=key, size_bytes=status.st_size, modified_s=status.st_mtime)

    def read(self, key: str, start: int, end: int) -> bytes:
        """Returns some bytes of a key."""
        with self._reading(key):
            fd = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(fd, "rb", buffering=0) as file:
                file.seek(start)
                blocks = []
                while start < end and (block := file.read(end - start)):
                    blocks.append(block)
                    start += len(block)
        return b"".join(blocks)

    def write(self, key: str, data: bytes, *, create: bool = False) -> None:
        """Puts some bytes."""
        with self._new(key, create=create) as fd:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]

    def write_file(self, key: str, path: Path, size: int, on_bytes: OnBytes) -> None:
        """Puts the bytes of a file; a file system that can makes them share their blocks."""
        with self._new(key) as target, path.open("rb", buffering=0) as file:
            source = SourceFile(path, file.fileno())
            if clone(source, target):
                on_bytes(size)
                return
            for block in source.blocks():
                if not block.is_hole:
                    _write_at(target, block.content, block.offset)
                on_bytes(len(block.content))
            os.ftruncate(target, size)

    def holds(self, key: str, path: Path, size: int) -> bool:
        """Returns whether a key has so many bytes: nothing half-written ever gets a key."""
        found = self.stat(key)
        return found is not None and found.size_bytes == size

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yields what is below a prefix."""
        yield from self._walk(self.root / prefix.rstrip("/"), prefix)

    def remove(self, keys: Iterable[str]) -> None:
        """Removes keys; folders stay, because somebody may be about to write there."""
        with writing("remove objects", self.root):
            for key in keys:
                self._path(key).unlink(missing_ok=True)

    def leftovers(self, older_than_s: float) -> Iterator[str]:
        """Yields temporary files that were last written to so long ago."""
        latest = time.time() - older_than_s
        for folder, _, names in os.walk(self.root):
            for name in sorted(names):
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    if name.startswith(_TEMPORARY) and path.lstat().st_mtime <= latest:
                        yield str(path.relative_to(self.root))

    def remove_leftover(self, name: str) -> None:
        """Removes a temporary file."""
        with writing("remove leftovers", self.root):
            (self.root / name).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.root.is_dir():
                raise self._not_there() from error
            raise FileNotFoundError(key) from error
        except PermissionError as error:
            raise AccessDeniedError(
                f"cannot read '{key}' in the store '{self.shown}': {error.strerror}", kind="store-denied"
            ) from error
        except OSError as error:
            raise GitRunsError(
                f"cannot read '{key}' in the store '{self.shown}': {error.strerror}", kind="io-error"
            ) from error

    @contextmanager
    def _new(self, key: str, *, create: bool = False) -> Iterator[int]:
        """Opens a new file and gives it its name when all went well."""
        path = self._path(key)
        temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
        is_free = True
        try:
            with writing("write to the store", self.root):
                new_folders = self._make_folder(path.parent)
                fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
                try:
                    yield fd
                    share_file(fd, shared_mode(self.root))
                    os.fsync(fd)
                finally:
                    os.close(fd)
                size = temporary.stat().st_size
                if create:
                    is_free = _link(temporary, path)
                else:
                    _rename(temporary, path, size)
                for folder in {path.parent, *(folder.parent for folder in new_folders)}:
                    sync_folder(folder)
        finally:
            with suppress(OSError):
                temporary.unlink()
        if not is_free:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)

    def _make_folder(self, folder: Path) -> list[Path]:
        if not self.root.is_dir():
            raise self._not_there()
        return make_folders(folder, self.root)

    def _not_there(self) -> NotFoundError:
        return NotFoundError(
            f"cannot find the store '{self.shown}': there is no such folder",
            kind="store-not-found",
            hint=f"is the disk mounted? For a new store: mkdir '{self.shown}'",
        )

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        try:
            with self._reading(prefix), os.scandir(folder) as found:
                # A folder sorts as its keys do: with the slash.
                entries = sorted(
                    (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry)
                    for entry in found
                    if _NAME.match(entry.name) and not entry.is_symlink()
                )
        except FileNotFoundError:
            return
        for name, entry in entries:
            if name.endswith("/"):
                yield from self._walk(folder / entry.name, prefix + name)
            else:
                with suppress(FileNotFoundError):  # removed since
                    status = entry.stat(follow_symlinks=False)
                    yield Entry(key=prefix + name, size_bytes=status.st_size, modified_s=status.st_mtime)


def _write_at(fd: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]
    if len(content) >= BLOCK_BYTES:
        start_writeback(fd, offset - len(content), len(content))


def _rename(temporary: Path, path: Path, size: int) -> None:
    try:
        temporary.replace(path)
    except FileNotFoundError:
        # A network file system may do it, lose the answer, do it again, and then find nothing to rename.
        if not path.is_file() or path.stat().st_size != size:
            raise


def _link(temporary: Path, path: Path) -> bool:
    """Gives a file its name only if that is free; returns whether it was."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return path.samefile(temporary)  # as above: done, and asked for again
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        temporary.replace(path)
    return True
