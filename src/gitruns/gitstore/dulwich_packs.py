"""Packs as dulwich reads them, whatever their hash."""

from __future__ import annotations

import os
import struct
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException
from dulwich.object_format import OBJECT_FORMATS
from dulwich.object_store import DiskObjectStore
from dulwich.objects import RawObjectID
from dulwich.pack import Pack, PackFileDisappeared, UnresolvedDeltas

from gitruns.entities.ids import ObjectId
from gitruns.gitstore.pack_header import packed_header
from gitruns.gitstore.pack_watch import PackWatch

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


class DulwichPacks:
    """The packs in some folders of objects, read by dulwich. Raises ValueError for a damaged one."""

    def __init__(self, folders: Sequence[Path], object_format: str) -> None:
        known = OBJECT_FORMATS[object_format]
        self._stores = [DiskObjectStore(folder, object_format=known) for folder in folders]
        self._watch = PackWatch(folders)
        self._packs: list[Pack] = []
        # dulwich warns of packs that nobody closed; whoever drops the last reference to us has closed them.
        self._closing = weakref.finalize(self, _close, self._stores)

    def read(self, oid: ObjectId) -> tuple[str, bytes] | None:
        """Returns kind and content of an object, None when it is in no pack."""
        for _ in range(_RESCANS):
            pack = self.find(oid)
            if pack is None:
                break
            try:
                with _damage():
                    number, data = pack.get_raw(RawObjectID(bytes.fromhex(oid)))
                return _KINDS[number], bytes(data)
            except PackFileDisappeared:
                self._scan()
        return None

    def header(self, oid: ObjectId) -> tuple[str, int] | None:
        """Returns kind and size of an object without unpacking it, None when it is in no pack."""
        for _ in range(_RESCANS):
            pack = self.find(oid)
            if pack is None:
                break
            try:
                with _damage():
                    return packed_header(Path(pack.data.path), _offsets(pack), oid)
            except (PackFileDisappeared, FileNotFoundError):
                self._scan()
        return None

    def freshen(self, oid: ObjectId) -> bool:
        """Makes the pack that holds an object young; returns whether there is one."""
        pack = self.find(oid)
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

    def find(self, oid: ObjectId) -> Pack | None:
        """Returns the pack that holds an object."""
        name = RawObjectID(bytes.fromhex(oid))
        if self._watch.changed():
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

    def close(self) -> None:
        """Closes the packs."""
        self._packs = []
        self._closing()

    def _scan(self) -> None:
        with _damage():
            self._packs = [pack for store in self._stores for pack in store.packs]


def _close(stores: Sequence[DiskObjectStore]) -> None:
    for store in stores:
        store.close()


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"its pack is damaged: {str(error) or type(error).__name__}") from error


def _offsets(pack: Pack) -> Callable[[bytes], int]:
    return lambda raw: pack.index.object_offset(RawObjectID(raw))
