"""From the cache to a store: what is not there yet, small objects in packs, several at a time.

Every object ends in exactly one of four sets, so that the summary is the truth: present, uploaded, missing (its bytes
are not here either), pending (not done: the store failed or the time was over).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from gitruns.artifacts.area import TemporaryArea
from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.digest import object_key
from gitruns.artifacts.multipart import PART_BYTES
from gitruns.artifacts.pack_catalog import PackCatalog
from gitruns.artifacts.packs import (
    MANY,
    SMALL_BYTES,
    checked_bytes,
    encode_index,
    index_key,
    pack_key,
    plan_packs,
    write_pack,
)
from gitruns.artifacts.transfer import DeadlineError, Meter
from gitruns.entities.ids import Digest
from gitruns.errors import AccessDeniedError, CorruptDataError, GitRunsError, NotFoundError


@dataclass(slots=True)
class Uploaded:
    """What came of an upload; `keys` says where each object that the store has now lies."""

    uploaded: set[Digest] = field(default_factory=set)
    present: set[Digest] = field(default_factory=set)
    missing: set[Digest] = field(default_factory=set)
    pending: set[Digest] = field(default_factory=set)
    keys: dict[Digest, str] = field(default_factory=dict)
    problems: list[GitRunsError] = field(default_factory=list)


class Uploader:
    """One upload. `marked` are keys that somebody is about to collect: they count as absent."""

    def __init__(
        self, bucket: Bucket, catalog: PackCatalog, source: ArtifactCache, meter: Meter, marked: frozenset[str]
    ) -> None:
        self._bucket = bucket
        self._catalog = catalog
        self._source = source
        self._meter = meter
        self._marked = marked
        self.result = Uploaded()

    def run(self, objects: Mapping[Digest, int], jobs: int) -> Uploaded:
        """Uploads the objects; raises nothing but what is no fault of the store or of the objects."""
        self.result.pending |= set(objects)
        small = {digest: size for digest, size in objects.items() if size <= SMALL_BYTES}
        large = {digest: size for digest, size in objects.items() if size > SMALL_BYTES}
        with ThreadPoolExecutor(jobs, thread_name_prefix="gitruns-upload") as pool:
            try:
                self._plan_small(small, large)
                self._all(pool, [(self._one, (digest, size)) for digest, size in large.items()], jobs)
                self._all(pool, [(self._pack, (chosen,)) for chosen in plan_packs(small)], 2)
            except BaseException:
                self._meter.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.result

    def _plan_small(self, small: dict[Digest, int], large: dict[Digest, int]) -> None:
        """Takes out of `small` what is in packs and what is not here; a few that are left go with the large ones."""
        if not small:
            return
        try:
            self._catalog.refresh()
        except GitRunsError as error:
            self._failed(error, [])
            small.clear()
            return
        for digest, size in list(small.items()):
            place = self._catalog.find(digest)
            if place is not None and place.size_bytes == size and self._is_kept(pack_key(place.pack)):
                self._present(digest, size, pack_key(place.pack))
                del small[digest]
            elif not self._source.has(digest):
                large[digest] = small.pop(digest)  # it may lie in the store by itself
        if len(small) < MANY:
            large.update(small)
            small.clear()

    def _all(self, pool: ThreadPoolExecutor, work: list[tuple[Any, tuple[Any, ...]]], at_once: int) -> None:
        """Does all the work, never handing out much more than is being done."""
        waiting: set[Future[None]] = set()
        for do, arguments in work:
            if len(waiting) >= 2 * at_once:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result()
            waiting.add(pool.submit(self._guarded, do, arguments))
        for one in waiting:
            one.result()

    def _guarded(self, do: Any, arguments: tuple[Any, ...]) -> None:
        try:
            self._meter.check()
            do(*arguments)
        except DeadlineError:
            return
        except GitRunsError as error:
            self._failed(error, arguments)

    def _failed(self, error: GitRunsError, _: object) -> None:
        self.result.problems.append(error)
        if isinstance(error, AccessDeniedError) or error.kind in ("store-not-found", "disk-full"):
            self._meter.stop()  # it would fail for every other object as well

    def _one(self, digest: Digest, size: int) -> None:
        key = object_key(digest)
        if self._is_kept(key) and self._is_there(key, digest, size):
            self._present(digest, size, key)
            return
        if not self._put(key, digest, size):
            self.result.pending.discard(digest)
            self.result.missing.add(digest)
            return
        self._done(digest, key)

    def _is_there(self, key: str, digest: Digest, size: int) -> bool:
        if self._source.has(digest):
            return self._bucket.holds(key, self._source.path_of(digest), size)
        found = self._bucket.stat(key)
        return found is not None and found.size_bytes == size

    def _put(self, key: str, digest: Digest, size: int) -> bool:
        """Returns False when the bytes are not here. They are checked: a broken copy must not spread."""
        try:
            if size <= PART_BYTES:
                self._bucket.write(key, checked_bytes(self._source, digest))
                self._meter.moved(size)
            else:
                self._source.verify(digest)
                self._meter.check()
                self._bucket.write_file(key, self._source.path_of(digest), size, self._meter.moved_some)
        except NotFoundError as error:
            if error.kind != "artifact-missing":
                raise
            return False
        return True

    def _pack(self, chosen: dict[Digest, int]) -> None:
        area = TemporaryArea.create(self._source.root / "tmp")
        try:
            path = area.path / "pack"
            pack = write_pack(chosen, self._source, path)
            self._meter.check()
            if {packed.digest: packed.size_bytes for packed in pack.objects} != chosen:
                raise CorruptDataError("cannot pack objects: their lengths are not as named", kind="artifact-corrupt")
            self._bucket.write_file(pack_key(pack.id), path, pack.size_bytes, self._meter.moved_some)
        finally:
            area.remove()
        self._bucket.write(index_key(pack.id), encode_index(pack))
        self._catalog.add(pack)
        for digest in chosen:
            self._done(digest, pack_key(pack.id))

    def _is_kept(self, key: str) -> bool:
        return key not in self._marked

    def _present(self, digest: Digest, size: int, key: str) -> None:
        self._meter.skipped(size)
        self._settle(digest, key, self.result.present)

    def _done(self, digest: Digest, key: str) -> None:
        self._settle(digest, key, self.result.uploaded)

    def _settle(self, digest: Digest, key: str, where: set[Digest]) -> None:
        where.add(digest)
        self.result.pending.discard(digest)
        self.result.keys[digest] = key
        self._meter.file_done()
