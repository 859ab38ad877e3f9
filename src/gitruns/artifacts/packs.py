"""Packs: many small objects as one, because a store asks its price for each request.

A pack is the bytes of its objects, one after the other, in the order of their digests, at `p/<pack id>`; the id is the
SHA-256 of all of it. Where each object lies stands in its index at `i/<pack id>`, written after the pack, so an index
never names bytes that are not there. Neither ever changes. Source: docs/format.md, "The store".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.key_text import decode_text, encode_text
from gitruns.entities.ids import Digest
from gitruns.errors import CorruptDataError

SMALL_BYTES = 128 << 10
"""Objects up to this length go into packs when there are many."""

MANY = 16
"""Fewer small objects than this are put one by one: they can be read with any tool."""

PACK_BYTES = 64 << 20
MAX_OBJECTS = 20_000
MAX_INDEX_BYTES = 16 << 20
HEADER = "gitruns pack 1"

_LINE = re.compile(r"([0-9a-f]{64}) (\d{1,11}) (\d{1,11})\Z")


@dataclass(frozen=True, slots=True)
class Packed:
    """Where an object lies in a pack."""

    digest: Digest
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One pack: its id and what is in it, by offset."""

    id: Digest
    objects: tuple[Packed, ...]

    @property
    def size_bytes(self) -> int:
        """The length of the pack."""
        return sum(packed.size_bytes for packed in self.objects)


def plan_packs(objects: Mapping[Digest, int]) -> Iterator[dict[Digest, int]]:
    """Yields what goes into each pack: equal objects give equal packs, whoever packs them."""
    chosen: dict[Digest, int] = {}
    total = 0
    for digest in sorted(objects):
        if chosen and (total + objects[digest] > PACK_BYTES or len(chosen) >= MAX_OBJECTS):
            yield chosen
            chosen, total = {}, 0
        chosen[digest] = objects[digest]
        total += objects[digest]
    if chosen:
        yield chosen


def write_pack(digests: Iterable[Digest], source: ArtifactCache, target: Path) -> Pack:
    """Writes the objects to a file, each checked as it is read; returns what it is as a pack."""
    whole = hashlib.sha256()
    objects = []
    offset = 0
    with target.open("wb") as file:
        for digest in digests:
            data = checked_bytes(source, digest)
            file.write(data)
            whole.update(data)
            objects.append(Packed(digest, offset, len(data)))
            offset += len(data)
    return Pack(id=Digest(whole.hexdigest()), objects=tuple(objects))


def checked_bytes(source: ArtifactCache, digest: Digest) -> bytes:
    """Returns the bytes of an object that is not long; raises what `ArtifactCache.verify` raises."""
    try:
        data = source.path_of(digest).read_bytes()
    except OSError:
        data = None
    if data is None or hashlib.sha256(data).hexdigest() != digest:
        source.verify(digest)
        with source.open(digest) as file:  # it was mended in this moment
            data = file.read()
    return data


def pack_key(pack_id: Digest) -> str:
    """Returns the key of a pack."""
    return f"p/{pack_id}"


def index_key(pack_id: Digest) -> str:
    """Returns the key of a pack's index."""
    return f"i/{pack_id}"


def encode_index(pack: Pack) -> bytes:
    """Returns the text of a pack's index."""
    return encode_text(HEADER, (f"{packed.digest} {packed.offset} {packed.size_bytes}" for packed in pack.objects))


def decode_index(data: bytes, pack_id: Digest) -> Pack:
    """Returns the pack that an index tells of; raises `CorruptDataError`, kind `bad-store-text`."""
    return Pack(id=pack_id, objects=tuple(_packed(line) for line in decode_text(data, HEADER, index_key(pack_id))))


def _packed(line: str) -> Packed:
    match = _LINE.match(line)
    if match is None or int(match[3]) > SMALL_BYTES or int(match[2]) + int(match[3]) > PACK_BYTES + SMALL_BYTES:
        raise CorruptDataError(f"'{line!s:.100}' is no line of the index of a pack", kind="bad-store-text")
    return Packed(Digest(match[1]), int(match[2]), int(match[3]))
