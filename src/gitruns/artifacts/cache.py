"""The store on this disk: `o/<2 hex>/<62 hex>` below a root, beside the repository.

    o/        objects: whole, on disk, read-only, named by digest only (so safe on any file system)
    tmp/      half-written ones, swept when their writer is gone
    seen/     sketches of big files that are stored: hints, deletable
    corrupt/  objects whose bytes were found to be others, set aside so that nobody is served them

Remote stores (fsspec), packs of small objects and garbage collection come beside it: an object's modification time
is when somebody last put it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts.area import sweep
from gitruns.artifacts.batch import Batch
from gitruns.artifacts.copying import copy_source, hash_source
from gitruns.artifacts.digest import check_digest, object_path
from gitruns.artifacts.failures import shown, writing
from gitruns.artifacts.source_file import FileMark, SourceFile, open_regular
from gitruns.entities.ids import Digest, is_digest
from gitruns.errors import CorruptDataError, InvalidInputError, NotFoundError

_FOLDER = re.compile(r"[0-9a-f]{2}\Z")
_MARKS_KEPT = 10_000


class ArtifactCache:
    """Objects in a folder, made at the first put. Safe for any number of threads and processes."""

    def __init__(self, root: Path, *, beyond: Callable[[Digest], ArtifactCache] | None = None) -> None:
        """Keeps objects below `root`. `beyond` finds another cache that has what this one has not, or raises."""
        self.root = root
        self._beyond = beyond
        self._verified: dict[Digest, FileMark] = {}

    def batch(self) -> Batch:
        """Returns a context in which many puts are made durable together."""
        return Batch(self.root)

    def put_file(self, path: Path) -> tuple[Digest, int]:
        """Keeps the bytes of a regular file; returns their digest and count. Durable on return.

        Raises `InvalidInputError` (kinds `not-a-regular-file`, `file-changed`), `NotFoundError` (`file-not-found`),
        `AccessDeniedError` (`unreadable-file`, `read-only`) and `GitRunsError` (`disk-full`).
        """
        with self.batch() as batch:
            return batch.put_file(path)

    def put_bytes(self, data: bytes) -> tuple[Digest, int]:
        """Keeps some bytes; returns their digest and count. Durable on return."""
        with self.batch() as batch:
            return batch.put_bytes(data)

    def put_stream(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Keeps the bytes of all chunks in bounded memory; returns digest and count. Durable on return."""
        with self.batch() as batch:
            return batch.put_stream(chunks)

    def has(self, digest: Digest) -> bool:
        """Returns whether the object is in this very cache; its bytes are not looked at."""
        return object_path(self.root, digest).is_file()

    def path_of(self, digest: Digest) -> Path:
        """Returns where the object lies; for reading only, and its bytes are not looked at."""
        return object_path(self.root, digest)

    def size(self, digest: Digest) -> int:
        """Returns the length of the object in bytes."""
        with self._opened(digest) as source:
            return source.status.st_size

    def open(self, digest: Digest) -> BinaryIO:
        """Returns the object, open for reading, after its bytes were checked (once a process and object)."""
        with self._opened(digest) as source:
            mark = FileMark.of(source.status)
            if self._verified.get(digest) != mark:
                self._check(digest, hash_source(source), source)
                self._remember(digest, mark)
            return os.fdopen(os.dup(source.fd), "rb")

    def get(self, digest: Digest, target: Path) -> Path:
        """Writes the object to `target` and returns it; folders on the way are made, what is there is replaced.

        The copy is hashed before it gets its name, and then gets it at once; a symlink at `target` is replaced, not
        followed. It is not synced: it can be had again.
        """
        if target.is_dir() and not target.is_symlink():
            raise InvalidInputError(f"cannot write to '{shown(target)}': it is a folder", kind="target-is-folder")
        with self._opened(digest) as source, writing(f"write '{shown(target.name)}'", target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".gitruns-{secrets.token_hex(8)}.part"
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                found, _ = copy_source(source, fd, temporary, sync_follows=False)
                self._check(digest, found, source)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
        return target

    def verify(self, digest: Digest) -> None:
        """Reads the object again; raises `CorruptDataError` and sets it aside when its bytes are not what it says."""
        with self._opened(digest) as source:
            self._check(digest, hash_source(source), source)
            self._remember(digest, FileMark.of(source.status))

    def iter_digests(self) -> Iterator[Digest]:
        """Yields the digest of every object, ascending."""
        for path in self._iter_paths():
            yield Digest(path.parent.name + path.name)

    def total_bytes(self) -> int:
        """Returns the length of all objects together."""
        return sum(path.stat().st_size for path in self._iter_paths())

    def clean_up(self) -> int:
        """Removes what killed processes left half-written; returns how many of them there were. Puts do so too."""
        return sweep(self.root / "tmp")

    def _iter_paths(self) -> Iterator[Path]:
        folder = self.root / "o"
        for first in filter(_FOLDER.match, _names(folder)):
            for rest in _names(folder / first):
                if is_digest(first + rest):
                    yield folder / first / rest

    @contextmanager
    def _opened(self, digest: Digest) -> Iterator[SourceFile]:
        path = object_path(self.root, check_digest(digest))
        with ExitStack() as stack:
            try:
                source = stack.enter_context(open_regular(path))
            except NotFoundError as error:
                if self._beyond is not None:
                    yield stack.enter_context(self._beyond(digest)._opened(digest))
                    return
                raise NotFoundError(
                    f"cannot find artifact '{digest}': its bytes are not in '{shown(self.root)}'",
                    kind="artifact-missing",
                    digest=digest,
                ) from error
            yield source

    def _check(self, digest: Digest, found: Digest, source: SourceFile) -> None:
        if found == digest:
            return
        self._set_aside(digest, source)
        raise CorruptDataError(
            f"cannot use artifact '{digest}': its bytes have digest '{found}'",
            kind="artifact-corrupt",
            hint="log or fetch the file again; the broken copy is set aside in the cache's 'corrupt' folder",
            digest=digest,
        )

    def _set_aside(self, digest: Digest, source: SourceFile) -> None:
        """Takes the name away from broken bytes, so that the next put of the right ones writes them again."""
        self._verified.pop(digest, None)
        with suppress(OSError):  # a cache that we may only read: the error alone has to do
            if source.path.stat().st_ino == source.status.st_ino:  # not when it was healed meanwhile
                (self.root / "corrupt").mkdir(exist_ok=True)
                source.path.rename(self.root / "corrupt" / digest)

    def _remember(self, digest: Digest, mark: FileMark) -> None:
        if len(self._verified) >= _MARKS_KEPT:
            self._verified.clear()
        self._verified[digest] = mark


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
