"""Collecting what no repository names any more, while others read, write and push.

Two phases. First a **mark** (`gc/marks/…`) names what no root names; whoever uploads something that is marked uploads
it again. After 14 days all roots are read again, and what is still dead, and was not written since, is deleted.

The deleting itself announces what it is about to do: a **sweep** (`gc/sweeps/…`) names the keys, is written before
the roots and indexes are read for the last time, and becomes a **swept** list (`gc/swept/…`) after the last of them
is deleted. An upload looks for both when it is done, and its root was there from the beginning. So either the root
was there before the roots were read, then the sweep spares what it names; or it was not, then the upload finds the
sweep and waits for its end, or finds what it has become, and looks whether all is still there. No lock, and no clock
but the store's own. Source: docs/design/007-stores.md.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from gitruns.artifacts.bucket import Bucket, Entry
from gitruns.artifacts.digest import object_key
from gitruns.artifacts.key_text import decode_text, encode_text, read_text
from gitruns.artifacts.pack_catalog import PackCatalog
from gitruns.artifacts.packs import index_key, pack_key
from gitruns.artifacts.roots import Root, encode_root, joined, read_roots, root_key, without_runs
from gitruns.entities.ids import Digest, RunId, is_digest

HEADER = "gitruns keys 1"
WAIT_S = 14 * 24 * 3600
LEFTOVER_S = 7 * 24 * 3600
SWEEP_S = 600.0
"""How long one sweep may delete, and how long an upload waits for one at most: its maker may have been killed."""

_SWEEP_KEYS = 1000
_MAX_LIST_BYTES = 256 << 20
_MANY_ROOTS = 64
_SWEPT_S = 7 * 24 * 3600
"""How long swept lists stay: no upload takes longer."""

_MARKS, _SWEEPS, _SWEPT = "gc/marks/", "gc/sweeps/", "gc/swept/"


@dataclass(slots=True, kw_only=True)
class StoreGarbage:
    """What a collection found and did, in keys and bytes; after a dry run, what it would have done."""

    dry_run: bool
    live: int = 0
    live_bytes: int = 0
    marked: int = 0
    marked_bytes: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    leftovers: int = 0
    roots_replaced: int = 0
    keys: list[str] = field(default_factory=list)


class Collector:
    """One collection in one store. `repository` and `writer` are whose roots may be replaced."""

    def __init__(self, bucket: Bucket, catalog: PackCatalog, repository: str, writer: str) -> None:
        self._bucket = bucket
        self._catalog = catalog
        self._repository = repository
        self._writer = writer

    def run(
        self,
        is_purged: Callable[[RunId], bool] = lambda run_id: False,
        *,
        dry_run: bool,
        wait_s: float = WAIT_S,
        leftover_s: float = LEFTOVER_S,
        before_delete: Callable[[], None] = lambda: None,
    ) -> StoreGarbage:
        """Collects. `is_purged` knows which runs of this repository are gone for good: its roots cease to name them."""
        report = StoreGarbage(dry_run=dry_run)
        roots = self._without_purged(read_roots(self._bucket), is_purged, report)
        if not dry_run:
            self._end_old_sweeps()
        self._catalog.refresh()
        entries = self._entries()
        dead = self._dead(entries, roots)
        report.live = len(entries) - len(dead)
        report.live_bytes = sum(entry.size_bytes for key, entry in entries.items() if key not in dead)
        marks = self._marks()
        due = self._due(dead, marks, wait_s)
        self._count_waiting(report, dead, marks, due)
        if not dry_run:
            self._mark([key for key in dead if not any(key in keys for _, keys in marks)])
            self._sweep(due, report, before_delete)
            self._drop_marks(marks)
        else:
            report.deleted, report.deleted_bytes = len(due), sum(entry.size_bytes for entry in due.values())
            report.keys = sorted(due)
        self._drop_leftovers(report, leftover_s)
        return report

    # What is dead

    def _entries(self) -> dict[str, Entry]:
        """Returns all objects and packs; the indexes of packs go with their packs."""
        found = {entry.key: entry for prefix in ("o/", "p/") for entry in self._bucket.entries(prefix)}
        return {key: entry for key, entry in found.items() if is_digest(key[2:].replace("/", ""))}

    def _dead(self, entries: Mapping[str, Entry], roots: Iterable[Root]) -> dict[str, Entry]:
        live = {digest for root in roots for digest in root.digests()}
        keys = {object_key(digest) for digest in live}
        for pack in self._catalog.packs().values():
            if any(packed.digest in live for packed in pack.objects):
                keys.add(pack_key(pack.id))
        keys.update(pack_key(pack_id) for pack_id in self._catalog.bad)  # nobody knows what is in it
        return {key: entry for key, entry in entries.items() if key not in keys}

    def _due(
        self, dead: Mapping[str, Entry], marks: list[tuple[Entry, frozenset[str]]], wait_s: float
    ) -> dict[str, Entry]:
        """Returns what was marked long enough ago and not written since."""
        now = self._now() if marks else 0.0
        return {
            key: entry
            for key, entry in dead.items()
            if any(
                key in keys and mark.modified_s + wait_s <= now and entry.modified_s <= mark.modified_s
                for mark, keys in marks
            )
        }

    def _now(self) -> float:
        """Returns the time on the store's own clock."""
        key = f"gc/clock/{secrets.token_hex(8)}"
        self._bucket.write(key, b"")
        found = self._bucket.stat(key)
        self._bucket.remove([key])
        return time.time() if found is None else found.modified_s

    # Marks

    def _marks(self) -> list[tuple[Entry, frozenset[str]]]:
        return read_lists(self._bucket, _MARKS)

    def _mark(self, keys: Collection[str]) -> None:
        if keys:
            self._bucket.write(f"{_MARKS}{_new_name()}", _encode(keys))

    def _drop_marks(self, marks: list[tuple[Entry, frozenset[str]]]) -> None:
        """Removes marks of which nothing is left to wait for: deleted, or live again."""
        if not marks:
            return
        dead = self._dead(self._entries(), read_roots(self._bucket))
        for mark, keys in marks:
            if not any(key in dead and dead[key].modified_s <= mark.modified_s for key in keys):
                self._bucket.remove([mark.key])

    def _count_waiting(
        self,
        report: StoreGarbage,
        dead: Mapping[str, Entry],
        marks: list[tuple[Entry, frozenset[str]]],
        due: Mapping[str, Entry],
    ) -> None:
        for key, entry in dead.items():
            if key in due:
                continue
            if any(key in keys for _, keys in marks):
                report.waiting += 1
                report.waiting_bytes += entry.size_bytes
            else:
                report.marked += 1
                report.marked_bytes += entry.size_bytes

    # Deleting

    def _sweep(self, due: Mapping[str, Entry], report: StoreGarbage, before: Callable[[], None]) -> None:
        ordered = sorted(due)
        for start in range(0, len(ordered), _SWEEP_KEYS):
            chosen = {key: due[key] for key in ordered[start : start + _SWEEP_KEYS]}
            self._sweep_some(chosen, report, before)

    def _sweep_some(self, chosen: Mapping[str, Entry], report: StoreGarbage, before: Callable[[], None]) -> None:
        sweep = f"{_SWEEPS}{_new_name()}"
        self._bucket.write(sweep, _encode(chosen))
        deadline = time.monotonic() + SWEEP_S / 2
        try:
            before()
            roots = read_roots(self._bucket)
            self._catalog.refresh()  # a pack whose index came since is not dead, if its objects are named
            still = self._dead(chosen, roots)
            for key in still:
                found = self._bucket.stat(key)
                if found is None or found.modified_s != chosen[key].modified_s:
                    continue  # written again: somebody wants it
                if time.monotonic() > deadline:
                    break
                self._delete(key)
                report.deleted += 1
                report.deleted_bytes += found.size_bytes
                report.keys.append(key)
        finally:
            self._end_sweep(sweep, chosen)

    def _end_sweep(self, sweep: str, keys: Collection[str]) -> None:
        self._bucket.write(sweep.replace(_SWEEPS, _SWEPT), _encode(keys))
        self._bucket.remove([sweep])

    def _end_old_sweeps(self) -> None:
        """Ends sweeps whose collector was killed, and drops swept lists that nobody can need any more."""
        sweeps = read_lists(self._bucket, _SWEEPS)
        swept = list(self._bucket.entries(_SWEPT))
        if not sweeps and not swept:
            return
        now = self._now()
        for entry, keys in sweeps:
            if entry.modified_s + SWEEP_S < now:
                self._end_sweep(entry.key, keys)
        self._bucket.remove([entry.key for entry in swept if entry.modified_s + _SWEPT_S < now])

    def _delete(self, key: str) -> None:
        """An index goes before its pack, so that whoever finds an index finds the pack, but for this moment."""
        self._bucket.remove([index_key(Digest(key[2:])), key] if key.startswith("p/") else [key])

    def _drop_leftovers(self, report: StoreGarbage, leftover_s: float) -> None:
        for name in list(self._bucket.leftovers(leftover_s)):
            report.leftovers += 1
            if not report.dry_run:
                self._bucket.remove_leftover(name)

    # Roots

    def _without_purged(
        self, roots: list[Root], is_purged: Callable[[RunId], bool], report: StoreGarbage
    ) -> list[Root]:
        """Has the roots of this repository name no purged run, and joins them when they are many."""
        own = [root for root in roots if root.repository == self._repository]
        runs = {run_id for root in own for run_id in root.named if run_id is not None}
        purged = {run_id for run_id in runs if is_purged(run_id)}
        stale = [root for root in own if not purged.isdisjoint(root.named)]
        if len(own) > _MANY_ROOTS:
            stale = own
        if not stale:
            return roots
        named = without_runs(joined(root.named for root in stale), purged)
        new = Root(key=root_key(self._repository, self._writer), named=named)
        report.roots_replaced = len(stale)
        if not report.dry_run:
            if new.named:
                self._bucket.write(new.key, encode_root(new.named), create=True)
            self._bucket.remove([root.key for root in stale])
        return [*(root for root in roots if root not in stale), new]


def marked_keys(bucket: Bucket) -> frozenset[str]:
    """Returns what is marked: an upload takes it for absent."""
    return frozenset(key for _, keys in read_lists(bucket, _MARKS) for key in keys)


def swept_lists(bucket: Bucket) -> frozenset[str]:
    """Returns the names of the swept lists that are there: what an upload asks before it writes its root."""
    return frozenset(entry.key for entry in bucket.entries(_SWEPT))


def outwait_sweeps(
    bucket: Bucket, keys: Collection[str], before: Collection[str], *, wait_s: float = SWEEP_S
) -> frozenset[str]:
    """Waits for the end of every sweep that names one of the keys; returns those that may be gone since.

    `before` are the swept lists that were there before the root was written.
    """
    wanted = frozenset(keys)
    deadline = time.monotonic() + wait_s
    touched: set[str] = set()
    pause_s = 0.2
    while True:
        named = {key for _, listed in read_lists(bucket, _SWEEPS) for key in listed if key in wanted}
        touched |= named
        if not named or time.monotonic() > deadline:
            break
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 5.0)
    for _, listed in read_lists(bucket, _SWEPT, known=before):
        touched |= wanted & listed
    return frozenset(touched)


def read_lists(bucket: Bucket, prefix: str, *, known: Collection[str] = ()) -> list[tuple[Entry, frozenset[str]]]:
    """Returns the lists of keys below a prefix, but the known ones; those that go while they are read are left out."""
    found = []
    for entry in bucket.entries(prefix):
        if entry.key in known:
            continue
        try:
            data = read_text(bucket, entry, HEADER, _MAX_LIST_BYTES)
        except FileNotFoundError:
            continue
        found.append((entry, frozenset(decode_text(data, HEADER, entry.key))))
    return found


def _encode(keys: Collection[str]) -> bytes:
    return encode_text(HEADER, sorted(keys))


def _new_name() -> str:
    return f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(4)}"
