"""Many puts made durable together: all of them, or none.

What is put is written to a temporary area first. At the end everything is synced at once, then given its name, then
the names are synced; so an object that has its name is whole, whatever stops the process or the machine.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gitruns.artifacts.area import TemporaryArea
from gitruns.artifacts.copying import copy_chunks, copy_source, hash_source
from gitruns.artifacts.digest import digest_of, object_path
from gitruns.artifacts.durable import sync_files, sync_folders
from gitruns.artifacts.failures import shown, writing
from gitruns.artifacts.sharing import make_folders, share_file, shared_mode
from gitruns.artifacts.sketch import remember, sketch_of, was_seen
from gitruns.artifacts.source_file import SourceFile, open_regular
from gitruns.entities.ids import Digest
from gitruns.errors import InvalidInputError

SMALL_BYTES = 8 << 20
"""Up to this size a file is read whole, so that it is hashed once and written only when it is new."""

_PAUSES_S = (0.05, 0.25, None)
"""Waits after each try to read a file in one piece while somebody writes to it; None gives up."""


class Batch:
    """Puts into a cache that take effect when the `with` block ends, and not at all when it raises.

    For one thread. What is put is not readable before the end.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._area: TemporaryArea | None = None
        self._pending: dict[Digest, Path] = {}
        self._folders: set[Path] = set()
        self._sketches: list[str] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with writing("keep artifacts", self._root):
                    self._publish()
        finally:
            if self._area is not None:
                self._area.remove()

    def put_file(self, path: Path) -> tuple[Digest, int]:
        """Takes the bytes of a regular file; returns their digest and count.

        Raises `InvalidInputError`: kind `not-a-regular-file` for symlinks, folders and special files, `file-changed`
        when it was written to during each of three tries.
        """
        for pause_s in _PAUSES_S:
            with writing(f"keep '{shown(path)}'", self._root), open_regular(path) as source:
                taken = self._take(source)
            if taken is not None:
                return taken
            if pause_s is not None:
                time.sleep(pause_s)
        raise InvalidInputError(
            f"cannot store '{shown(path)}': it changed while it was read",
            kind="file-changed",
            hint="close or copy the file first, then log it again",
            path=str(path),
        )

    def put_bytes(self, data: bytes) -> tuple[Digest, int]:
        """Takes some bytes; returns their digest and count."""
        digest = digest_of(data)
        if not self._is_present(digest, len(data)):
            with writing("keep artifacts", self._root):
                fd, temporary = self._new_file()
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(fd, rest) :]
                finally:
                    os.close(fd)
                self._pending[digest] = temporary
        return digest, len(data)

    def put_stream(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Takes the bytes of all chunks in order; returns their digest and count.

        What the chunks raise passes as it is.
        """
        given = _Given(chunks)
        try:
            with writing("keep artifacts", self._root):
                fd, temporary = self._new_file()
                try:
                    digest, size = copy_chunks(given, fd)
                finally:
                    os.close(fd)
                self._keep(digest, size, temporary)
        except Exception:
            if given.error is not None:
                raise given.error from None
            raise
        return digest, size

    def _take(self, source: SourceFile) -> tuple[Digest, int] | None:
        """Returns None when the file changed while it was read."""
        size = source.status.st_size
        if size > SMALL_BYTES:
            return self._take_large(source)
        data = source.read(size + 1, 0)
        if source.changed():
            return None
        if len(data) > size:  # its size is not known before its end: /proc and its like
            return self._copy(source)
        return self.put_bytes(data)

    def _take_large(self, source: SourceFile) -> tuple[Digest, int] | None:
        sketch = sketch_of(source)
        if was_seen(self._root, sketch):
            digest, size = hash_source(source), source.status.st_size
            if self._is_present(digest, size):
                return None if source.changed() else (digest, size)
        taken = self._copy(source)
        if taken is not None:
            self._sketches.append(sketch)
        return taken

    def _copy(self, source: SourceFile) -> tuple[Digest, int] | None:
        fd, temporary = self._new_file()
        try:
            digest, size = copy_source(source, fd, temporary, sync_follows=True)
        finally:
            os.close(fd)
        if source.changed():
            temporary.unlink()
            return None
        self._keep(digest, size, temporary)
        return digest, size

    def _new_file(self) -> tuple[int, Path]:
        if self._area is None:
            make_folders(self._root / "tmp", self._root)
            self._area = TemporaryArea.create(self._root / "tmp")
        fd, path = self._area.new_file()
        share_file(fd, shared_mode(self._root))
        return fd, path

    def _keep(self, digest: Digest, size: int, temporary: Path) -> None:
        if self._is_present(digest, size):
            temporary.unlink()
        else:
            self._pending[digest] = temporary

    def _is_present(self, digest: Digest, size: int) -> bool:
        """Returns whether the object needs no writing; one of another length is broken, and written again."""
        if digest in self._pending:
            return True
        path = object_path(self._root, digest)
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
        with suppress(OSError):  # a fresh time tells a clean-up that somebody wants it; git does the same
            os.utime(path)
        if not path.exists():  # a clean-up was quicker; had it come after, it would see the fresh time
            return False
        self._folders.add(path.parent)  # who wrote it may not have synced its name yet
        return True

    def _publish(self) -> None:
        sync_files(self._pending.values(), within=self._root)
        for digest, temporary in self._pending.items():
            self._give_name(temporary, object_path(self._root, digest))
        sync_folders(sorted(self._folders), within=self._root)
        for sketch in self._sketches:
            remember(self._root, sketch)

    def _give_name(self, temporary: Path, path: Path) -> None:
        try:
            temporary.rename(path)
        except FileNotFoundError:
            make_folders(path.parent, self._root)
            temporary.rename(path)
            self._folders.update((path.parent.parent, self._root, self._root.parent))
        self._folders.add(path.parent)


class _Given:
    """Chunks that somebody else makes, remembering their error: it may look like one of our disk."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except Exception as error:
            self.error = error
            raise
