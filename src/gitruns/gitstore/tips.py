"""Where each run stands: its own ref and every segment that names it, taken together.

A tip that is an ancestor of another adds nothing. Of several that are left, which only a fetch or a race leaves behind,
a purge comes first; else the state of the run is the merge of all of them. A purged run that this clone keeps stands
where it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gitruns.entities.ids import ObjectId, RunId
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.archive import Archive
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import walk_chain
from gitruns.gitstore.file_refs import moved
from gitruns.gitstore.holding import Holding
from gitruns.gitstore.objects import decode_commit
from gitruns.gitstore.tombstone import is_tombstone, read_tombstone, run_purged
from gitruns.gitstore.tree_reader import TreeReader


class Tips:
    """The tips of runs. What is an ancestor of what never changes, so it is found once."""

    def __init__(
        self,
        backend: Backend,
        archive: Archive,
        reader: TreeReader,
        holding: Holding,
        merge: Callable[[Sequence[ObjectId]], ObjectId],
    ) -> None:
        self._backend = backend
        self._archive = archive
        self._reader = reader
        self._holding = holding
        self._merge = merge
        self._heads: dict[frozenset[ObjectId], tuple[ObjectId, ...]] = {}
        self._merged: dict[tuple[ObjectId, ...], ObjectId] = {}

    def loose(self) -> dict[RunId, ObjectId]:
        """Returns what the refs of runs hold, the archive aside."""
        return _by_run(self._backend.list_refs(refs.RUNS))

    def packed(self) -> dict[RunId, ObjectId]:
        """Returns what `packed-refs` says of runs, also where a ref has moved since."""
        return _by_run(self._backend.list_packed_refs(refs.RUNS))

    def unpacked(self) -> dict[RunId, ObjectId]:
        """Returns what the refs of runs hold that do not stand in `packed-refs` alone."""
        return _by_run(self._backend.list_unpacked_refs(refs.RUNS))

    def all(self) -> dict[RunId, ObjectId]:
        """Returns the tip of each run."""
        # Refs before segments: a run that is archived while we look is then seen in one of the two.
        loose = self.loose()
        archived, several = self._archive.all_tips()
        tips = {**archived, **loose}
        for run_id in several.keys() - loose.keys():
            tips[run_id] = self._first(several[run_id])
        for run_id in loose.keys() & archived.keys():
            tips[run_id] = self._first((loose[run_id], *several.get(run_id, (archived[run_id],))))
        return tips | self.kept_tips()

    def of(self, run_id: RunId) -> ObjectId | None:
        """Returns the tip of one run, None when there is no such run."""
        heads = self.heads(run_id)
        if not heads:
            return None
        tip = self._first(heads)
        return self._holding.kept(run_id) or tip if self._is_purge(tip) else tip

    def kept_tips(self) -> dict[RunId, ObjectId]:
        """Returns the runs that were purged by others and that this clone keeps, each where it is kept."""
        found = {}
        for run_id, tip in self._holding.all_kept().items():
            own = self._backend.read_ref(refs.run_ref(run_id))
            if own is not None and self._is_purge(own):
                found[run_id] = tip
        return found

    def heads(self, run_id: RunId) -> tuple[ObjectId, ...]:
        """Returns all tips of one run, those that are ancestors of others left out."""
        loose = self._backend.read_ref(refs.run_ref(run_id))
        found = self._archive.tips_of(run_id)
        return self._without_ancestors(found if loose is None else {loose, *found})

    def move(self, run_id: RunId, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a run from `old` (None: no such run) to `new` by compare-and-set of its ref.

        A run that is only in the archive gets its ref again; of one that is purged by this move, what it was is held.
        Raises `ConflictError` (kind `ref-moved`), and `NotFoundError` (kind `run-purged`) for a change of a run that
        was purged and is only kept here.
        """
        ref = refs.run_ref(run_id)
        current = self._backend.read_ref(ref)
        # The ref can be behind the archive, or absent because of it.
        tip = current if current is not None and current == old else self.of(run_id)
        if tip != old:
            raise moved(ref, expected=old, found=tip)
        if current is not None and current != old and self._is_purge(current):
            raise run_purged(read_tombstone(self._reader, current))
        if new is not None and old is not None and self._is_purge(new):
            self._holding.hold(run_id, [head for head in self.heads(run_id) if not self._is_purge(head)])
        if new is not None or current is not None:
            self._backend.update_ref(ref, new, current)

    def newest(self, tips: Iterable[ObjectId]) -> tuple[ObjectId, ...]:
        """Returns those of some tips of one run that are no ancestors of others, in order of their ids."""
        return self._without_ancestors(set(tips))

    def _first(self, tips: Iterable[ObjectId]) -> ObjectId:
        heads = self._without_ancestors(set(tips))
        if len(heads) == 1:
            return heads[0]
        merged = self._merged.get(heads)
        if merged is None:
            try:
                merged = self._merge(heads)
            except GitRunsError:  # read-only, or history that is not here: one of them is better than none
                merged = max(heads, key=self._rank)
            self._merged[heads] = merged
        return merged

    def _is_purge(self, tip: ObjectId) -> bool:
        # Only a commit without parents can be one, and nearly all have one.
        return not self._parents(tip) and is_tombstone(self._reader, tip)

    def _rank(self, tip: ObjectId) -> tuple[bool, int, ObjectId]:
        try:
            time_ms = decode_commit(self._reader.read_commit(tip), tip).committer.time_ms
            purged = is_tombstone(self._reader, tip)
        except (CorruptDataError, NotFoundError):
            return False, -1, tip
        return purged, -time_ms if purged else time_ms, tip

    def _without_ancestors(self, tips: set[ObjectId]) -> tuple[ObjectId, ...]:
        if len(tips) < 2:
            return tuple(tips)
        key = frozenset(tips)
        heads = self._heads.get(key)
        if heads is None:
            heads = self._heads[key] = tuple(sorted(self._heads_among(key)))
        return heads

    def _heads_among(self, tips: frozenset[ObjectId]) -> set[ObjectId]:
        # Nearly always one is the parent of the other, and no tree needs to be looked at.
        left = set(tips)
        for tip in tips:
            left -= self._parents(tip)
        if len(left) < 2:
            return left
        gone: set[ObjectId] = set()
        for tip in left:
            gone |= ancestors_among(self._reader, tip, left)
        return left - gone

    def _parents(self, tip: ObjectId) -> set[ObjectId]:
        try:
            return set(decode_commit(self._reader.read_commit(tip), tip).parents)
        except (CorruptDataError, NotFoundError):
            return set()


def ancestors_among(reader: TreeReader, tip: ObjectId, wanted: Iterable[ObjectId]) -> set[ObjectId]:
    """Returns which of some commits come before `tip` in its run's own chain."""
    left = set(wanted) - {tip}
    found: set[ObjectId] = set()
    try:
        for _, commit in walk_chain(reader, tip):
            met = left.intersection(commit.parents)
            found |= met
            left -= met
            if not left:
                break
    except (CorruptDataError, NotFoundError):
        pass  # a commit that cannot be read has no history that could be known
    return found


def _by_run(found: Mapping[str, ObjectId]) -> dict[RunId, ObjectId]:
    return {run_id: oid for ref, oid in found.items() if (run_id := refs.run_id_of(ref)) is not None}
