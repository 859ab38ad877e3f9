"""Which small objects lie in which pack of a store, known here as soon as asked.

Indexes never change, so each is fetched once a clone and kept. What is new, and what was collected, shows in the list
of their keys: one request for a thousand packs.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.bucket import Bucket, Entry
from gitruns.artifacts.key_text import read_text
from gitruns.artifacts.packs import HEADER, MAX_INDEX_BYTES, Pack, decode_index
from gitruns.entities.ids import Digest, is_digest
from gitruns.errors import CorruptDataError, GitRunsError


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies in a store: in a pack."""

    pack: Digest
    offset: int
    size_bytes: int


class PackCatalog:
    """The packs of one store. `folder` keeps their indexes; without one they are fetched by each process."""

    def __init__(self, bucket: Bucket, folder: Path | None) -> None:
        self._bucket = bucket
        self._folder = folder
        self._lock = threading.Lock()
        self._places: dict[Digest, Place] = {}
        self._packs: dict[Digest, Pack] = {}
        self._was_read = False
        self.bad: dict[Digest, GitRunsError] = {}

    def find(self, digest: Digest) -> Place | None:
        """Returns where an object lies, as far as known; asks the store at the first question only."""
        self.read()
        return self._places.get(digest)

    def packs(self) -> dict[Digest, Pack]:
        """Returns all known packs."""
        self.read()
        return dict(self._packs)

    def read(self) -> None:
        """Asks the store, unless that was done."""
        if not self._was_read:
            self.refresh()

    def refresh(self) -> None:
        """Asks the store which packs there are now."""
        with self._lock:
            entries = {name: entry for entry in self._bucket.entries("i/") if is_digest(name := Digest(entry.key[2:]))}
            new = [entry for pack_id, entry in entries.items() if pack_id not in self._packs]
            gone = set(self._packs).difference(entries)
            with ThreadPoolExecutor(self._bucket.jobs) as pool:
                for pack in pool.map(self._load, new):
                    if pack is not None:
                        self._packs[pack.id] = pack
            for pack_id in gone:
                self._packs.pop(pack_id)
                self._drop_copy(pack_id)
            if gone:
                self._places = {}
            self._add(self._packs.values() if gone else (self._packs[pack] for pack in self._ids(new)))
            self._was_read = True

    def add(self, pack: Pack) -> None:
        """Takes note of a pack that was just written, with its index."""
        with self._lock:
            self._packs[pack.id] = pack
            self._add([pack])

    def _add(self, packs: Iterable[Pack]) -> None:
        for pack in packs:
            for packed in pack.objects:
                self._places[packed.digest] = Place(pack.id, packed.offset, packed.size_bytes)

    def _ids(self, entries: list[Entry]) -> Iterator[Digest]:
        return (pack for entry in entries if (pack := Digest(entry.key[2:])) in self._packs)

    def _load(self, entry: Entry) -> Pack | None:
        """Returns None for an index that is gone or broken; its objects are then not found, and put again."""
        pack_id = Digest(entry.key[2:])
        try:
            return decode_index(self._copy(pack_id) or self._fetch(entry), pack_id)
        except FileNotFoundError:
            return None
        except CorruptDataError as error:
            self._drop_copy(pack_id)
            self.bad[pack_id] = error
            return None

    def _fetch(self, entry: Entry) -> bytes:
        data = read_text(self._bucket, entry, HEADER, MAX_INDEX_BYTES)
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                temporary = self._folder / f".{secrets.token_hex(8)}"
                temporary.write_bytes(data)
                temporary.replace(self._folder / entry.key[2:])
        return data

    def _copy(self, pack_id: Digest) -> bytes | None:
        with suppress(OSError):
            if self._folder is not None:
                return (self._folder / pack_id).read_bytes()
        return None

    def _drop_copy(self, pack_id: Digest) -> None:
        with suppress(OSError):
            if self._folder is not None:
                (self._folder / pack_id).unlink()
