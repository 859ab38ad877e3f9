"""Brings the refs of a remote into its mirror here: what differs, in one conversation, and one bad ref alone.

A mirror is what the remote has, unchecked. Only refs whose names follow the grammar are asked for. In a shallow clone
runs come without their source: loose ones at depth 1, segments at depth 2; a clone that is whole is never given a
depth, which would cut it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError, RemoteError
from gitruns.gitstore import refs
from gitruns.gitstore.objects import decode_commit
from gitruns.gitstore.trees import read_entries
from gitruns.sync.moves import LocalMove, move_refs

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.gitstore.transport import Transport
    from gitruns.sync.remotes import Remote

_ALL_AT_ONCE = 48
"""From so many refs on a pattern is asked for: git looks for each exact name among all that there are."""

_PATTERNS = (refs.RUNS, refs.ARCHIVE, refs.EXPERIMENTS, refs.MODELS)


def is_ours(ref: str) -> bool:
    """Returns whether a ref of a remote is one that is taken: a run, a segment, an experiment or a model."""
    if refs.run_id_of(ref) or refs.segment_id_of(ref) or refs.experiment_id_of(ref):
        return True
    part = ref.removeprefix(refs.MODELS)
    return part != ref and refs.decode_model_name(part) is not None


class Mirror:
    """The mirror of one remote in one clone. `broken` are refs that could not be brought, and why.

    `may_cut` says that a shallow clone may ask for a depth; a bundle knows none.
    """

    def __init__(self, store: GitStore, remote: Remote, transport: Transport, *, may_cut: bool = True) -> None:
        self._store = store
        self._remote = remote
        self._transport = transport
        self._may_cut = may_cut
        self.broken: dict[str, GitRunsError] = {}

    def refs(self) -> dict[str, ObjectId]:
        """Returns what is mirrored, by the names that the remote has for it."""
        listed = self._store.backend.list_refs(self._remote.prefix).items()
        return {self._remote.origin_of(name): oid for name, oid in listed}

    def bring(self, there: Mapping[str, ObjectId]) -> None:
        """Makes the mirror hold these refs of the remote; others in it stay."""
        here = self.refs()
        wanted = {ref: oid for ref, oid in there.items() if here.get(ref) != oid}
        at_hand = {ref: oid for ref, oid in wanted.items() if self._is_at_hand(ref, oid)}
        self.note(at_hand, here)
        missing = [ref for ref in wanted if ref not in at_hand]
        if not (self._may_cut and is_shallow(self._store)):
            self._fetch(missing, None)
            return
        self._fetch([ref for ref in missing if refs.segment_id_of(ref) is None], 1)
        self._fetch([ref for ref in missing if refs.segment_id_of(ref) is not None], 2)

    def note(self, there: Mapping[str, ObjectId | None], here: Mapping[str, ObjectId]) -> None:
        """Sets mirrored refs whose objects are here already; None takes one away."""
        move_refs(
            self._store,
            [
                LocalMove(self._remote.mirrored(ref), oid, here.get(ref))
                for ref, oid in there.items()
                if oid != here.get(ref)
            ],
        )

    def _is_at_hand(self, ref: str, oid: ObjectId) -> bool:
        """Returns whether a ref of ours holds the very commit: then nothing needs to come.

        That the object alone is here would not do, because what it reaches may not be.
        """
        run_id = refs.run_id_of(ref)
        if run_id is not None:
            return oid in self._store.tips_of(run_id)
        return self._store.backend.read_ref(ref) == oid

    def _fetch(self, wanted: Collection[str], depth: int | None) -> None:
        if not wanted:
            return
        if depth is None and len(wanted) >= _ALL_AT_ONCE:
            patterns = [f"+{prefix}*:{self._remote.mirrored(prefix)}*" for prefix in _PATTERNS[:1]]
            specs = [*patterns, f"^{refs.LIVE}*"]
        else:
            specs = [f"+{ref}:{self._remote.mirrored(ref)}" for ref in wanted]
        try:
            self._transport.fetch(specs, depth=depth)
        except RemoteError as error:
            if error.kind not in ("remote-bad-objects", "remote-refused", "git-failed", "remote-ref-moved"):
                raise
            self._fetch_apart(sorted(wanted), depth, error)

    def _fetch_apart(self, wanted: list[str], depth: int | None, error: RemoteError) -> None:
        """Fetches by halves, so that one ref that cannot be had keeps none of the others away."""
        if len(wanted) == 1:
            self.broken[wanted[0]] = error
            return
        middle = len(wanted) // 2
        for half in (wanted[:middle], wanted[middle:]):
            self._fetch_exactly(half, depth)

    def _fetch_exactly(self, wanted: list[str], depth: int | None) -> None:
        try:
            self._transport.fetch([f"+{ref}:{self._remote.mirrored(ref)}" for ref in wanted], depth=depth)
        except RemoteError as error:
            if error.retryable and error.kind != "remote-ref-moved":
                raise
            self._fetch_apart(wanted, depth, error)

    # What a clone that is not whole lacks

    def complete(self, tips: Collection[ObjectId]) -> None:
        """Brings trees and files of commits that a partial clone has left out, in one batch each."""
        if not tips or not is_partial(self._store):
            return
        backend = self._store.backend
        waiting = {decode_commit(backend.read_object(tip)[1], tip).tree for tip in tips if backend.has_object(tip)}
        seen: set[ObjectId] = set()
        while waiting:
            self._transport.fetch_missing([oid for oid in waiting if not backend.has_object(oid)])
            seen |= waiting
            entries = [entry for tree in waiting for entry in read_entries(backend, tree)]
            files = [entry.oid for entry in entries if not entry.is_folder]
            self._transport.fetch_missing([oid for oid in files if not backend.has_object(oid)])
            waiting = {entry.oid for entry in entries if entry.is_folder} - seen

    def bring_commits(self, oids: Collection[ObjectId]) -> bool:
        """Brings single commits that a shallow history hides; returns whether they are here now."""
        if not is_shallow(self._store):
            return False
        missing = [oid for oid in oids if not self._store.backend.has_object(oid)]
        if missing:
            self._transport.fetch_objects(missing, depth=1)
        return all(self._store.backend.has_object(oid) for oid in oids)


def is_shallow(store: GitStore) -> bool:
    """Returns whether the clone's history is cut, as of now."""
    try:
        return (store.paths.common_dir / "shallow").stat().st_size > 0
    except OSError:
        return False


def is_partial(store: GitStore) -> bool:
    """Returns whether the clone has left objects out that its remote has."""
    if store.config("extensions.partialClone"):
        return True
    names = store.git.run("config", "--get-regexp", r"^remote\..*\.promisor$", ok=(0, 1))
    return b"true" in names
