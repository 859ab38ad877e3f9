"""The engine of SHA-256 repositories, which libgit2 refuses: dulwich reads packs."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException
from dulwich.object_format import OBJECT_FORMATS
from dulwich.object_store import DiskObjectStore
from dulwich.objects import RawObjectID
from dulwich.pack import Pack, PackFileDisappeared, UnresolvedDeltas

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.backend import RefStore
from gitruns.gitstore.base_backend import BaseBackend
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.pack_header import packed_header
from gitruns.gitstore.paths import RepoPaths

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_RESCANS = 3

# What dulwich lets through when a pack is damaged.
_DAMAGE = (
    ApplyDeltaError,
    AssertionError,
    ChecksumMismatch,
    EOFError,
    FileFormatException,
    IndexError,
    UnresolvedDeltas,
    struct.error,
    zlib.error,
)


class DulwichBackend(BaseBackend):
    """See `Backend`."""

    name = "dulwich"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig, object_format: str) -> None:
        super().__init__(paths, refs, config, object_format)
        known = OBJECT_FORMATS[object_format]
        self._stores = [DiskObjectStore(folder, object_format=known) for folder in self._folders]
        self._packs: list[Pack] = []

    def close(self) -> None:
        """Closes the packs."""
        self._packs = []
        for store in self._stores:
            store.close()

    def _read_packed(self, oid: ObjectId) -> tuple[str, bytes] | None:
        for _ in range(_RESCANS):
            pack = self._find_pack(oid)
            if pack is None:
                break
            try:
                with _damage():
                    number, data = pack.get_raw(RawObjectID(bytes.fromhex(oid)))
                return _KINDS[number], bytes(data)
            except PackFileDisappeared:
                self._scan()
        return None

    def _packed_header(self, oid: ObjectId) -> tuple[str, int] | None:
        for _ in range(_RESCANS):
            pack = self._find_pack(oid)
            if pack is None:
                break
            try:
                with _damage():
                    return packed_header(Path(pack.data.path), _offsets(pack), oid)
            except (PackFileDisappeared, FileNotFoundError):
                self._scan()
        return None

    def _has_packed(self, oid: ObjectId) -> bool:
        return self._find_pack(oid) is not None

    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        pack = self._find_pack(oid)
        if pack is None:
            return False
        try:
            os.utime(pack.data.path)
        except (PackFileDisappeared, FileNotFoundError):  # repacked meanwhile, perhaps without the object
            self._scan()
            return False
        except OSError:  # another user's pack, or a read-only disk
            return True
        return True

    def _find_pack(self, oid: ObjectId) -> Pack | None:
        name = RawObjectID(bytes.fromhex(oid))
        if self._pack_watch.changed():
            self._scan()
        packs = self._packs
        for place, pack in enumerate(packs):
            try:
                with _damage():
                    found = name in pack
            except PackFileDisappeared:
                continue
            if found:
                if place:  # objects of one run are in one pack
                    self._packs = [pack, *packs[:place], *packs[place + 1 :]]
                return pack
        return None

    def _scan(self) -> None:
        with _damage():
            self._packs = [pack for store in self._stores for pack in store.packs]


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"its pack is damaged: {str(error) or type(error).__name__}") from error


def _offsets(pack: Pack) -> Callable[[bytes], int]:
    return lambda raw: pack.index.object_offset(RawObjectID(raw))
