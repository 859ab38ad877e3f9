"""From a store into a cache: hashed before it gets its name, several requests at a time.

What comes wrong may have been broken on the way, so it is asked for again; only what comes wrong again and again is
broken in the store.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.digest import check_digest, object_key
from gitruns.artifacts.pack_catalog import PackCatalog, Place
from gitruns.artifacts.packs import pack_key
from gitruns.artifacts.transfer import Meter
from gitruns.entities.ids import Digest
from gitruns.errors import CorruptDataError, GitRunsError, RemoteError

S = TypeVar("S")
T = TypeVar("T")

RANGE_BYTES = 8 << 20
_GAP_BYTES = 64 << 10
"""Bytes between two wanted objects of a pack that are rather read than asked for apart."""

_BATCH_FILES = 1000
_BATCH_BYTES = 256 << 20

_READS = 4
"""Readings of an object after which its bytes are said to be wrong."""


@dataclass(slots=True)
class Downloaded:
    """What came of a download."""

    fetched: set[Digest] = field(default_factory=set)
    missing: set[Digest] = field(default_factory=set)
    problems: dict[Digest, GitRunsError] = field(default_factory=dict)


class Downloader:
    """One download into a cache."""

    def __init__(
        self,
        bucket: Bucket,
        catalog: PackCatalog,
        target: ArtifactCache,
        meter: Meter,
        expected: Mapping[Digest, int],
    ) -> None:
        """`expected` are the lengths that are known: an object of another one is wrong before it is read."""
        self._expected = expected
        self._bucket = bucket
        self._catalog = catalog
        self._target = target
        self._meter = meter
        self._wrong: dict[Digest, str] = {}
        self.result = Downloaded()

    def run(self, digests: Iterable[Digest], jobs: int) -> Downloaded:
        """Fetches the objects, what lies by itself first; raises for faults of the cache only."""
        wanted = {check_digest(digest) for digest in digests}
        with ThreadPoolExecutor(jobs, thread_name_prefix="gitruns-download") as pool:
            try:
                packed = {digest: place for digest in wanted if (place := self._catalog.find(digest)) is not None}
                self._from_packs(pool, packed, jobs)
                self._alone(pool, sorted(wanted.difference(self.result.fetched, self.result.problems)), jobs)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.result

    # Objects by themselves

    def _alone(self, pool: ThreadPoolExecutor, digests: list[Digest], jobs: int) -> None:
        sizes = dict(_ahead(pool, self._size_of, digests, 4 * jobs))
        for digest in (digest for digest, size in sizes.items() if size is None):
            if digest in self._wrong:
                self._note(digest, corrupt(digest, self._wrong[digest], self._bucket.shown))
            else:
                self.result.missing.add(digest)
        there = {}
        for digest, size in sizes.items():
            if size is not None and size == self._expected.get(digest, size):
                there[digest] = size
            elif size is not None:
                self._note(digest, corrupt(digest, f"of {size} bytes", self._bucket.shown))
        for chosen in _batches({digest: size for digest, size in there.items() if size <= RANGE_BYTES}):
            self._keep_short(pool, chosen, jobs)
        for digest, size in there.items():
            if size > RANGE_BYTES:
                try:
                    self._keep_long(pool, digest, size, jobs)
                    self._fetched(digest)
                except (FileNotFoundError, CorruptDataError, RemoteError) as error:
                    self._note(digest, error)

    def _note(self, digest: Digest, error: Exception) -> None:
        if isinstance(error, FileNotFoundError):
            self.result.missing.add(digest)
        elif isinstance(error, GitRunsError):
            self.result.problems[digest] = error

    def _fetched(self, digest: Digest) -> None:
        self.result.fetched.add(digest)
        self._meter.file_done()

    def _keep_short(self, pool: ThreadPoolExecutor, sizes: dict[Digest, int], jobs: int) -> None:
        done = []
        with self._target.batch() as batch:
            for digest, data in _ahead(pool, self._read_short, sizes.items(), jobs):
                if data is not None:
                    batch.put_bytes(data)
                    done.append(digest)
        for digest in done:
            self._fetched(digest)

    def _read_short(self, item: tuple[Digest, int]) -> tuple[Digest, bytes | None]:
        digest, size = item
        try:
            for _ in range(_READS):
                data = self._bucket.read(object_key(digest), 0, size)
                found = hashlib.sha256(data).hexdigest()
                if found == digest:
                    self._meter.moved(size)
                    return digest, data
        except (FileNotFoundError, CorruptDataError, RemoteError) as error:
            self._note(digest, error)
        else:
            self._note(digest, corrupt(digest, found, self._bucket.shown))
        return digest, None

    def _size_of(self, digest: Digest) -> tuple[Digest, int | None]:
        found = self._bucket.stat(object_key(digest))
        return digest, None if found is None else found.size_bytes

    def _keep_long(self, pool: ThreadPoolExecutor, digest: Digest, size: int, jobs: int) -> None:
        for attempt in range(_READS):
            try:
                with self._target.batch() as batch:
                    found, _ = batch.put_stream(self._chunks(pool, digest, size, jobs))
                    if found != digest:
                        raise corrupt(digest, found, self._bucket.shown)  # nothing of the batch is kept
                return
            except CorruptDataError:
                if attempt + 1 == _READS:
                    raise

    def _chunks(self, pool: ThreadPoolExecutor, digest: Digest, size: int, jobs: int) -> Iterator[bytes]:
        def read(start: int) -> bytes:
            end = min(start + RANGE_BYTES, size)
            data = self._bucket.read(object_key(digest), start, end)
            if len(data) != end - start:
                raise CorruptDataError(f"'{digest}' is shorter than the store says", kind="artifact-corrupt")
            self._meter.moved(len(data))
            return data

        yield from _ahead(pool, read, range(0, size, RANGE_BYTES), jobs)

    # Objects in packs

    def _from_packs(self, pool: ThreadPoolExecutor, places: dict[Digest, Place], jobs: int) -> None:
        ordered = sorted(places, key=lambda digest: (places[digest].pack, places[digest].offset))
        ranges = [
            group
            for _, of_pack in groupby(ordered, key=lambda digest: places[digest].pack)
            for group in _neighbours([(digest, places[digest]) for digest in of_pack])
        ]
        kept = 0
        batch = self._target.batch()
        with batch:
            for group in _ahead(pool, self._read_group, ranges, jobs):
                for digest, data in group:
                    batch.put_bytes(data)
                    self.result.fetched.add(digest)
                    kept += 1
        self._meter.file_done(kept)

    def _read_group(self, group: list[tuple[Digest, Place]]) -> list[tuple[Digest, bytes]]:
        """Returns the objects of a range that came right; what is left is looked for by itself."""
        good: dict[Digest, bytes] = {}
        for _ in range(_READS):
            wanted = [(digest, place) for digest, place in group if digest not in good]
            if not wanted:
                break
            start, end = wanted[0][1].offset, max(place.offset + place.size_bytes for _, place in wanted)
            try:
                data = self._bucket.read(pack_key(wanted[0][1].pack), start, end)
            except FileNotFoundError:  # collected since its index was read
                break
            self._meter.moved(len(data))
            for digest, place in wanted:
                piece = data[place.offset - start : place.offset - start + place.size_bytes]
                self._wrong[digest] = hashlib.sha256(piece).hexdigest()
                if self._wrong[digest] == digest:
                    good[digest] = piece
        return list(good.items())


def _batches(sizes: dict[Digest, int]) -> Iterator[dict[Digest, int]]:
    """Yields some at a time: what is made durable together is lost together."""
    chosen: dict[Digest, int] = {}
    for digest, size in sizes.items():
        chosen[digest] = size
        if len(chosen) >= _BATCH_FILES or sum(chosen.values()) >= _BATCH_BYTES:
            yield chosen
            chosen = {}
    if chosen:
        yield chosen


def _neighbours(objects: list[tuple[Digest, Place]]) -> Iterator[list[tuple[Digest, Place]]]:
    """Yields objects of one pack, ordered by offset, in groups that are best read with one request each."""
    group: list[tuple[Digest, Place]] = []
    for digest, place in objects:
        if group:
            end = group[-1][1].offset + group[-1][1].size_bytes
            if place.offset - end > _GAP_BYTES or place.offset + place.size_bytes - group[0][1].offset > RANGE_BYTES:
                yield group
                group = []
        group.append((digest, place))
    if group:
        yield group


def _ahead(pool: ThreadPoolExecutor, do: Callable[[S], T], items: Iterable[S], ahead: int) -> Iterator[T]:
    """Yields the results in order, with no more than `ahead` of them asked for and not taken."""
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
            waiting.append(pool.submit(do, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def corrupt(digest: Digest, found: str, store: str) -> CorruptDataError:
    """Returns the error for bytes that are not what their name says, however often they are asked for."""
    return CorruptDataError(
        f"cannot use artifact '{digest}': in the store '{store}' its bytes have digest '{found}'",
        kind="artifact-corrupt",
        hint="whoever has the right bytes in their cache mends it: git runs store verify --repair",
        digest=digest,
    )
