"""Kind and size of an object in a pack, from its first bytes: dulwich knows them only after unpacking all of it.

Source: git's `gitformat-pack`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

from gitruns.entities.ids import ObjectId

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_MAX_CHAIN = 10_000
_WINDOW_BYTES = 512


def packed_header(path: Path, offset_of: Callable[[bytes], int], oid: ObjectId) -> tuple[str, int]:
    """Returns kind and size of an object in the pack at `path`; `offset_of` finds an object (raw id) in its index.

    A delta says the size of its result, the end of its chain the kind. Raises ValueError for a damaged pack.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        offset = offset_of(bytes.fromhex(oid))
        wanted: int | None = None
        for _ in range(_MAX_CHAIN):
            window = os.pread(fd, _WINDOW_BYTES, offset)
            number, size, place = _entry(window)
            if number in _KINDS:
                return _KINDS[number], size if wanted is None else wanted
            if number == _OFS_DELTA:
                distance, place = _distance(window, place)
                base = offset - distance
            elif number == _REF_DELTA:
                base = offset_of(window[place : place + len(oid) // 2])
                place += len(oid) // 2
            else:
                raise ValueError(f"entry of unknown type {number} in pack '{path.name}'")
            if wanted is None:
                wanted = _result_size(window[place:])
            offset = base
        raise ValueError(f"chain of deltas without end in pack '{path.name}'")
    finally:
        os.close(fd)


def _entry(window: bytes) -> tuple[int, int, int]:
    byte = window[0]
    number, size, shift, place = (byte >> 4) & 7, byte & 15, 4, 1
    while byte & 128:
        byte = window[place]
        size |= (byte & 127) << shift
        shift += 7
        place += 1
    return number, size, place


def _distance(window: bytes, place: int) -> tuple[int, int]:
    byte = window[place]
    distance = byte & 127
    while byte & 128:
        place += 1
        byte = window[place]
        distance = ((distance + 1) << 7) | (byte & 127)
    return distance, place + 1


def _result_size(packed: bytes) -> int:
    head = zlib.decompressobj().decompress(packed, 32)
    place = 0
    while head[place] & 128:  # the base's size comes first
        place += 1
    size = shift = 0
    while True:
        place += 1
        size |= (head[place] & 127) << shift
        shift += 7
        if not head[place] & 128:
            return size
