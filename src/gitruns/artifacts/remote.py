"""The store that a team shares: objects by digest, small ones in packs, in a folder or behind a URL.

    o/  objects by digest       p/  packs of small objects      i/  what is in each pack
    r/  roots: what is named    gc/ marks and sweeps of whoever collects

It answers as the cache does; but it is meant for many objects at a time: `upload` and `download`.
"""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.digest import check_digest, object_key
from gitruns.artifacts.download import Downloaded, Downloader
from gitruns.artifacts.open_bucket import open_bucket
from gitruns.artifacts.pack_catalog import PackCatalog
from gitruns.artifacts.packs import pack_key
from gitruns.artifacts.remote_gc import Collector, marked_keys, outwait_sweeps, swept_lists
from gitruns.artifacts.roots import Named, rooted_already, write_root
from gitruns.artifacts.store_url import StoreUrl
from gitruns.artifacts.transfer import Meter, OnProgress
from gitruns.artifacts.upload import Uploaded, Uploader
from gitruns.entities.ids import Digest, is_digest
from gitruns.errors import GitRunsError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class RootedAs:
    """In whose name something is uploaded: its root stands at `r/<repository>/<writer>/`."""

    repository: str
    writer: str
    named: Named


class RemoteStore:
    """One store. `state` is a private folder of this clone for it: indexes of packs, unfinished uploads, own roots.

    Objects may be asked for from any thread; an upload or a download makes its own threads.
    """

    def __init__(self, url: StoreUrl, *, state: Path | None = None, bucket: Bucket | None = None) -> None:
        self.url = url
        self._state = state
        self._given = bucket

    @cached_property
    def bucket(self) -> Bucket:
        """The keys and bytes below."""
        return self._given if self._given is not None else open_bucket(self.url, self._state)

    @cached_property
    def catalog(self) -> PackCatalog:
        """The packs."""
        return PackCatalog(self.bucket, None if self._state is None else self._state / "i")

    @property
    def shown(self) -> str:
        """The address, as people may see it."""
        return self.url.shown

    # Many objects

    def upload(
        self,
        objects: Mapping[Digest, int],
        source: ArtifactCache,
        *,
        rooted: RootedAs | None = None,
        progress: OnProgress | None = None,
        jobs: int | None = None,
        deadline: float | None = None,
    ) -> tuple[Uploaded, int]:
        """Brings objects (digest and size) from a cache to the store; returns what came of each, and bytes sent.

        With `rooted` a root is written first, so that a collection that runs meanwhile spares them. After `deadline`
        (monotonic seconds) nothing new is begun. Faults of the store do not raise: they are in the result.
        """
        meter = Meter("uploading", len(objects), sum(objects.values()), progress, deadline)
        failed = Uploaded(pending=set(objects))
        if not objects:
            return Uploaded(), 0
        before: frozenset[str] = frozenset()
        try:
            if rooted is not None:
                before = swept_lists(self.bucket)
                self._root(rooted)
            marked = marked_keys(self.bucket)
        except GitRunsError as error:
            failed.problems.append(error)
            return failed, 0
        result = self._upload(objects, source, meter, jobs, marked)
        if rooted is not None:
            self._mend_after_sweeps(result, objects, source, meter, jobs, before)
        return result, meter.bytes_moved

    def download(
        self,
        digests: Iterable[Digest],
        target: ArtifactCache,
        *,
        sizes: Mapping[Digest, int] | None = None,
        progress: OnProgress | None = None,
        jobs: int | None = None,
    ) -> Downloaded:
        """Brings objects into a cache, each hashed before it gets its name; what fails is in the result.

        An object whose length in the store is not that in `sizes` is wrong, and not read at all.
        """
        wanted = set(digests)
        size = sum((sizes or {}).get(digest, 0) for digest in wanted)
        meter = Meter("downloading", len(wanted), size, progress, None)
        result = Downloader(self.bucket, self.catalog, target, meter, sizes or {}).run(wanted, jobs or self.bucket.jobs)
        if result.missing and self._knows_packs:  # somebody may have packed them since the list was read
            self.catalog.refresh()
            late = {digest for digest in result.missing if self.catalog.find(digest) is not None}
            if late:
                again = Downloader(self.bucket, self.catalog, target, meter, sizes or {}).run(
                    late, jobs or self.bucket.jobs
                )
                result.missing.difference_update(late)
                result.missing |= again.missing
                result.fetched |= again.fetched
                result.problems |= again.problems
        return result

    def sizes(self, digests: Iterable[Digest]) -> dict[Digest, int]:
        """Returns the sizes of those objects that are there."""
        self.catalog.refresh()
        found: dict[Digest, int] = {}
        alone = []
        for digest in digests:
            place = self.catalog.find(digest)
            if place is not None:
                found[digest] = place.size_bytes
            else:
                alone.append(digest)
        with ThreadPoolExecutor(self.bucket.jobs) as pool:
            for digest, entry in zip(alone, pool.map(self.bucket.stat, map(object_key, alone)), strict=True):
                if entry is not None:
                    found[digest] = entry.size_bytes
        return found

    def all_sizes(self) -> dict[Digest, int]:
        """Returns the size of every object."""
        self.catalog.refresh()
        found = {one.digest: one.size_bytes for pack in self.catalog.packs().values() for one in pack.objects}
        for entry in self.bucket.entries("o/"):
            digest = entry.key[2:].replace("/", "")
            if is_digest(digest):
                found[Digest(digest)] = entry.size_bytes
        return found

    def take_for_broken(self, digests: Iterable[Digest]) -> None:
        """Has the next upload write these objects though they seem to be there."""
        self._broken.update(digests)

    def collector(self, repository: str, writer: str) -> Collector:
        """Returns what collects garbage here."""
        return Collector(self.bucket, self.catalog, repository, writer)

    # As a store of single objects

    def put_file(self, path: Path) -> tuple[Digest, int]:
        """Keeps the bytes of a regular file; returns their digest and count."""
        return self._put(lambda cache: cache.put_file(path))

    def put_bytes(self, data: bytes) -> tuple[Digest, int]:
        """Keeps some bytes."""
        return self._put(lambda cache: cache.put_bytes(data))

    def put_stream(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Keeps the bytes of all chunks, in bounded memory."""
        return self._put(lambda cache: cache.put_stream(chunks))

    def has(self, digest: Digest) -> bool:
        """Returns whether the object is there."""
        return self._size(check_digest(digest)) is not None

    def size(self, digest: Digest) -> int:
        """Returns the length of the object in bytes."""
        size = self._size(check_digest(digest))
        if size is None:
            raise self._missing(digest)
        return size

    def open(self, digest: Digest) -> BinaryIO:
        """Returns the object, readable and seekable, after its bytes were checked."""
        with self._fetched(digest) as cache:
            return cache.open(digest)

    def get(self, digest: Digest, target: Path) -> Path:
        """Writes the object to `target`; checked before it gets that name."""
        with self._fetched(digest) as cache:
            return cache.get(digest, target)

    def verify(self, digest: Digest) -> None:
        """Reads the object again and raises when it is not what its name says."""
        try:
            with self._fetched(digest):
                pass
        except GitRunsError as error:
            if error.kind == "artifact-corrupt":
                self._broken.add(digest)
            raise

    def iter_digests(self) -> Iterator[Digest]:
        """Yields the digest of every object, ascending."""
        self.catalog.refresh()
        packed = sorted({found.digest for pack in self.catalog.packs().values() for found in pack.objects})
        last = None
        for digest in heapq.merge(self._alone(), packed):
            if digest != last:
                yield digest
            last = digest

    # Inside

    @cached_property
    def _broken(self) -> set[Digest]:
        """Objects whose bytes were found to be others: put again, though something is there."""
        return set()

    @property
    def _knows_packs(self) -> bool:
        return "catalog" in self.__dict__

    def _alone(self) -> Iterator[Digest]:
        for entry in self.bucket.entries("o/"):
            digest = entry.key[2:].replace("/", "")
            if is_digest(digest) and entry.key == object_key(digest):
                yield Digest(digest)

    def _size(self, digest: Digest) -> int | None:
        place = self.catalog.find(digest)
        if place is not None:
            return place.size_bytes
        found = self.bucket.stat(object_key(digest))
        if found is None:
            self.catalog.refresh()
            place = self.catalog.find(digest)
            return None if place is None else place.size_bytes
        return found.size_bytes

    def _put(self, put: Callable[[ArtifactCache], tuple[Digest, int]]) -> tuple[Digest, int]:
        with _scratch() as cache:
            digest, size = put(cache)
            result, _ = self.upload({digest: size}, cache)
            if digest not in result.keys:
                raise result.problems[0]
        return digest, size

    @contextmanager
    def _fetched(self, digest: Digest) -> Iterator[ArtifactCache]:
        check_digest(digest)
        with _scratch() as cache:
            result = self.download([digest], cache)
            if digest in result.problems:
                raise result.problems[digest]
            if digest in result.missing:
                raise self._missing(digest)
            yield cache

    def _missing(self, digest: Digest) -> NotFoundError:
        return NotFoundError(
            f"cannot find artifact '{digest}': its bytes are not in the store '{self.shown}'",
            kind="artifact-missing",
            digest=digest,
        )

    def _upload(
        self,
        objects: Mapping[Digest, int],
        source: ArtifactCache,
        meter: Meter,
        jobs: int | None,
        absent: frozenset[str],
    ) -> Uploaded:
        broken = {object_key(digest) for digest in self._broken} | {
            pack_key(place.pack) for digest in self._broken if (place := self.catalog.find(digest)) is not None
        }
        result = Uploader(self.bucket, self.catalog, source, meter, absent | broken).run(
            objects, jobs or self.bucket.jobs
        )
        self._broken.difference_update(result.uploaded)
        return result

    def _root(self, rooted: RootedAs) -> None:
        """Writes a root of what this clone's own roots do not name yet."""
        kept = None if self._state is None else self._state / "r"
        known = rooted_already(self.bucket, rooted.repository, rooted.writer, kept)
        new = {
            run_id: rest
            for run_id, digests in rooted.named.items()
            if (rest := set(digests).difference(known.get(run_id, ())))
        }
        if new:
            write_root(self.bucket, rooted.repository, rooted.writer, new, kept)

    def _mend_after_sweeps(
        self,
        result: Uploaded,
        objects: Mapping[Digest, int],
        source: ArtifactCache,
        meter: Meter,
        jobs: int | None,
        before: frozenset[str],
    ) -> None:
        """Waits for sweeps that name what we rely on, and puts again what they took."""
        try:
            swept = outwait_sweeps(self.bucket, set(result.keys.values()), before)
            gone = frozenset(key for key in swept if self.bucket.stat(key) is None)
            if not gone:
                return
            doubtful = {digest for digest, key in result.keys.items() if key in gone}
            again = self._upload({digest: objects[digest] for digest in doubtful}, source, meter, jobs, gone)
        except GitRunsError as error:
            doubtful = set(result.keys)
            again = Uploaded(pending=set(doubtful), problems=[error])
        result.present -= doubtful - again.present
        result.uploaded -= doubtful - again.present
        result.uploaded |= again.uploaded
        result.missing |= again.missing
        result.pending |= again.pending
        result.keys |= again.keys
        result.problems += again.problems


@contextmanager
def _scratch() -> Iterator[ArtifactCache]:
    with tempfile.TemporaryDirectory(prefix="gitruns-") as folder:
        yield ArtifactCache(Path(folder))


def deadline_in(seconds: float | None) -> float | None:
    """Returns the end of a time that begins now, on the monotonic clock."""
    return None if seconds is None else time.monotonic() + seconds
