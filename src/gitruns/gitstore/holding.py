"""What this clone holds of purged runs: for a while all of them, and for good those that somebody here keeps.

Both are refs of this clone alone. What a run was before it was purged is held by a commit whose parents are the tips
it had, and whose time is when the purge came here; `gc` lets it go some time after that. A kept run has a ref of its
own at its tip.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Identity
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.objects import Author, Commit, decode_commit, encode_commit
from gitruns.gitstore.tree_reader import TreeReader
from gitruns.gitstore.trees import write_tree

_IDENTITY = Identity(name="gitruns", email="gitruns@localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A purged run that is still held: the tips it had, and when the purge came here (milliseconds UTC)."""

    run_id: RunId
    tips: tuple[ObjectId, ...]
    since_ms: int


class Holding:
    """The holds and keeps of one repository."""

    def __init__(self, backend: Backend, reader: TreeReader) -> None:
        self._backend = backend
        self._reader = reader

    def hold(self, run_id: RunId, tips: Collection[ObjectId], since_ms: int | None = None) -> None:
        """Holds what a run was, from now on; durable on return. A run that is held already stays so since then."""
        ref = refs.purged_ref(run_id)
        if not tips or self._backend.read_ref(ref) is not None:
            return
        author = Author(_IDENTITY, time.time_ns() // 1_000_000 if since_ms is None else since_ms)
        commit = Commit(
            tree=write_tree(self._backend, {}),
            parents=tuple(sorted(tips)),
            author=author,
            committer=author,
            message=f"run {run_id} before it was purged\n",
        )
        oid = self._backend.write_object("commit", encode_commit(commit))
        self._backend.update_ref(ref, oid, None)
        self._backend.sync({oid, commit.tree}, [ref])

    def all_held(self) -> dict[RunId, Held]:
        """Returns the purged runs that are still held."""
        found = {}
        for ref, oid in self._backend.list_refs(refs.PURGED).items():
            run_id = refs.purged_run_id_of(ref)
            if run_id is not None:
                try:
                    commit = decode_commit(self._reader.read_commit(oid), oid)
                except (CorruptDataError, NotFoundError):
                    continue
                found[run_id] = Held(run_id=run_id, tips=commit.parents, since_ms=commit.committer.time_ms)
        return found

    def release(self, run_ids: Collection[RunId]) -> None:
        """Holds some runs no longer: git removes their bytes when nothing else keeps them."""
        at = self._backend.list_refs(refs.PURGED)
        names = {refs.purged_ref(run_id) for run_id in run_ids}
        self._backend.delete_refs({name: oid for name, oid in at.items() if name in names})

    def all_kept(self) -> dict[RunId, ObjectId]:
        """Returns the runs that this clone keeps, each at its tip when that was said."""
        found = self._backend.list_refs(refs.KEPT).items()
        return {run_id: oid for ref, oid in found if (run_id := refs.kept_run_id_of(ref)) is not None}

    def kept(self, run_id: RunId) -> ObjectId | None:
        """Returns where this clone keeps a run, None when it does not."""
        return self._backend.read_ref(refs.kept_ref(run_id))

    def keep(self, run_id: RunId, tip: ObjectId | None) -> None:
        """Keeps a run as it is at a commit whatever others say, or (None) no longer; durable on return."""
        ref = refs.kept_ref(run_id)
        before = self._backend.read_ref(ref)
        if before != tip:
            self._backend.update_ref(ref, tip, before)
            self._backend.sync((), [ref])
