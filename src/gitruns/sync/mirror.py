"""Brings the refs of a remote into its mirror here: what differs, in one conversation, and one bad ref alone.

A mirror is what the remote has, unchecked. Only refs whose names follow the grammar are asked for. In a shallow clone
runs come without their source: loose ones at depth 1, segments at depth 2; a clone that is whole is never given a
depth, which would cut it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError, RemoteError
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

_ROUNDS = 200
"""A shallow history is deepened commit by commit, so many at most."""

T = TypeVar("T")

_PATTERNS = (refs.RUNS, refs.ARCHIVE, refs.EXPERIMENTS, refs.MODELS)


def is_ours(ref: str) -> bool:
    """Returns whether a ref of a remote is one that is taken: a run, a segment, an experiment, a model or records."""
    if refs.run_id_of(ref) or refs.segment_id_of(ref) or refs.experiment_id_of(ref):
        return True
    return refs.model_id_of(ref) is not None or refs.records_writer_of(ref) is not None


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
        """Brings trees and files that a partial clone has left out of runs, all of their commits: in few batches."""
        if not tips or not is_partial(self._store):
            return
        level, seen = set(tips), set(tips)
        while level:
            commits = [decode_commit(self._store.backend.read_object(oid)[1], oid) for oid in level if self._has(oid)]
            self._complete_trees({commit.tree for commit in commits})
            older = {parent for commit in commits for parent in commit.parents} - seen
            level = {oid for oid in older if self._is_ours(oid)}
            seen |= older

    def _complete_trees(self, trees: set[ObjectId]) -> None:
        seen: set[ObjectId] = set()
        while trees:
            self._bring_objects(trees)
            seen |= trees
            entries = [entry for tree in trees for entry in read_entries(self._store.backend, tree)]
            self._bring_objects({entry.oid for entry in entries if not entry.is_folder})
            trees = {entry.oid for entry in entries if entry.is_folder} - seen

    def _is_ours(self, commit: ObjectId) -> bool:
        """Returns whether an earlier commit seems to be of a run and not of its source, which stays as it is."""
        backend = self._store.backend
        if not self._has(commit):
            return False
        tree = decode_commit(backend.read_object(commit)[1], commit).tree
        self._bring_objects({tree})
        try:
            names = {entry.name for entry in read_entries(backend, tree)}
        except CorruptDataError:
            return False
        return b"format" in names and bool(names & {b"run.yaml", b"experiment.yaml", b"model.yaml"})

    def _bring_objects(self, oids: set[ObjectId]) -> None:
        self._transport.fetch_missing([oid for oid in oids if not self._has(oid)])

    def _has(self, oid: ObjectId) -> bool:
        return self._store.backend.has_object(oid)

    def deepened(self, look: Callable[[], T]) -> T:
        """Returns what `look` returns; history that a shallow clone hides is brought first, and no more than that."""
        for _ in range(_ROUNDS):
            try:
                return look()
            except NotFoundError as error:
                missing = error.facts.get("missing", ())
                if error.kind != "history-hidden" or not isinstance(missing, Iterable):
                    raise
                if not self.bring_commits([ObjectId(str(one)) for one in missing]):
                    raise
        return look()

    def follows(self, old: ObjectId, new: ObjectId) -> bool:
        """Returns whether what a ref holds now comes after what it held before, as far as can be known here.

        A tombstone may take the place of anything. What is no longer here cannot be missed.
        """
        if old == new or not self._has(old) or not self._has(new):
            return True
        if not is_shallow(self._store):  # git finds it without reading all of a long history
            asked = ("merge-base", "--is-ancestor", "--end-of-options", old, new)
            return self._store.git.run_raw(*asked)[0] == 0 or self._store.is_tombstone(new)
        try:
            return self.deepened(lambda: self._store.merging.heads((old, new))) == (new,) or self._store.is_tombstone(
                new
            )
        except (CorruptDataError, NotFoundError):
            return True  # what is wrong with it is found when it is looked at

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
