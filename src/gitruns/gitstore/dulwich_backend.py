"""The engine of SHA-256 repositories, which libgit2 refuses: dulwich reads packs, loose objects are read here.

Every object's content is checked against its id.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
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
from gitruns.gitstore.objects import corrupt_object, hash_object
from gitruns.gitstore.pack_header import packed_header
from gitruns.gitstore.paths import RepoPaths

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_MAX_HEADER_BYTES = 40
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
    ValueError,
    struct.error,
    zlib.error,
)


class DulwichBackend(BaseBackend):
    """See `Backend`."""

    name = "dulwich"

    def __init__(self, paths: RepoPaths, refs: RefStore, config: GitConfig, object_format: str) -> None:
        super().__init__(paths, refs, config, object_format)
        self._hex_length = OBJECT_FORMATS[object_format].hex_length
        self._stores = list(
            _with_alternates(DiskObjectStore(self._objects, object_format=OBJECT_FORMATS[object_format]))
        )
        self._packs: list[Pack] = []

    def read_object(self, oid: ObjectId) -> tuple[str, bytes]:
        """Returns kind and content of an object."""
        try:
            loose = self._find_loose(oid)
            kind, data = _read_loose(loose) if loose is not None else self._read_packed(oid)
        except _DAMAGE as error:
            raise corrupt_object(oid, str(error) or type(error).__name__) from error
        if hash_object(kind, data, self.object_format) != oid:
            raise corrupt_object(oid, "its content has another id")
        return kind, data

    def object_header(self, oid: ObjectId) -> tuple[str, int]:
        """Returns kind and size of an object without reading its content."""
        try:
            loose = self._find_loose(oid)
            if loose is not None:
                return _loose_header(loose)
            for _ in range(_RESCANS):
                pack = self._find_pack(oid)
                if pack is None:
                    break
                try:
                    return packed_header(Path(pack.data.path), _offsets(pack), oid)
                except (PackFileDisappeared, FileNotFoundError):
                    self._scan()
        except _DAMAGE as error:
            raise corrupt_object(oid, str(error) or type(error).__name__) from error
        raise self._missing(oid)

    def has_object(self, oid: ObjectId) -> bool:
        """Returns whether the object is here."""
        return len(oid) == self._hex_length and (self._find_loose(oid) is not None or self._find_pack(oid) is not None)

    def close(self) -> None:
        """Closes the packs."""
        self._packs = []
        for store in self._stores:
            store.close()

    def _freshen_packed(self, oid: ObjectId, kind: str, data: bytes) -> bool:
        pack = self._find_pack(oid)
        if pack is None:
            return False
        try:
            os.utime(pack.data.path)
        except FileNotFoundError:  # repacked meanwhile, perhaps without the object
            self._scan()
            return False
        except OSError:  # another user's pack, or a read-only disk
            return True
        return True

    def _find_loose(self, oid: ObjectId) -> Path | None:
        for store in self._stores:
            path = Path(store.path, oid[:2], oid[2:])
            if path.is_file():
                return path
        return None

    def _read_packed(self, oid: ObjectId) -> tuple[str, bytes]:
        for _ in range(_RESCANS):
            pack = self._find_pack(oid)
            if pack is None:
                break
            try:
                number, data = pack.get_raw(RawObjectID(bytes.fromhex(oid)))
                return _KINDS[number], bytes(data)
            except PackFileDisappeared:
                self._scan()
        raise self._missing(oid)

    def _find_pack(self, oid: ObjectId) -> Pack | None:
        name = RawObjectID(bytes.fromhex(oid))
        for fresh in (False, True):
            if fresh:
                self._scan()
            for place, pack in enumerate(self._packs):
                try:
                    found = name in pack
                except PackFileDisappeared:
                    continue
                if found:
                    if place:  # objects of one run are in one pack
                        self._packs.insert(0, self._packs.pop(place))
                    return pack
        return None

    def _scan(self) -> None:
        self._packs = [pack for store in self._stores for pack in store.packs]


def _offsets(pack: Pack) -> Callable[[bytes], int]:
    return lambda raw: pack.index.object_offset(RawObjectID(raw))


def _with_alternates(store: DiskObjectStore, depth: int = 0) -> Iterator[DiskObjectStore]:
    yield store
    if depth < 5:  # as deep as git follows them
        for other in store.alternates:
            if isinstance(other, DiskObjectStore):
                yield from _with_alternates(other, depth + 1)


def _loose_header(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        head = zlib.decompressobj().decompress(file.read(_MAX_HEADER_BYTES * 4), _MAX_HEADER_BYTES)
    return _parse_header(head)[:2]


def _read_loose(path: Path) -> tuple[str, bytes]:
    packed = path.read_bytes()
    inflater = zlib.decompressobj()
    head = inflater.decompress(packed, _MAX_HEADER_BYTES)
    kind, size, start = _parse_header(head)
    # The header has been believed by who checked the size: never inflate more than it says.
    data = head[start:] + inflater.decompress(inflater.unconsumed_tail, max(size - len(head) + start, 0) + 1)
    if len(data) != size:
        raise ValueError("its length is not what its header says")
    return kind, data


def _parse_header(head: bytes) -> tuple[str, int, int]:
    end = head.index(b"\0")
    kind, _, size = head[:end].decode("ascii").partition(" ")
    if kind not in _KINDS.values() or not size.isdigit():
        raise ValueError("it has no header")
    return kind, int(size), end + 1
