"""Merges tips: the commits that several clones have put on top of one thing become one commit with all as parents.

The merge commit says nothing of who made it or when: parents in order of their ids, a fixed author, the time of the
newest parent. So clones that merge the same tips make the same commit and need no further exchange, and a merge can be
trusted when making it again from its parents gives the same id. Source: docs/format.md, "Merge".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.entities.merge import RunState, merge_experiments, merge_runs
from gitruns.entities.run import Identity, Run
from gitruns.errors import CorruptDataError, InvalidInputError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import own_lineage
from gitruns.gitstore.codec import decode_experiment, encode_experiment
from gitruns.gitstore.codec.experiment import EXPERIMENT_FILE
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.commits import experiment_message, run_message
from gitruns.gitstore.lineage import heads_among
from gitruns.gitstore.objects import Author, Commit, decode_commit, encode_commit, hash_object
from gitruns.gitstore.run_state import decode_run_state, encode_run_state
from gitruns.gitstore.tombstone import is_tombstone, read_tombstone, run_purged
from gitruns.gitstore.tree_reader import MAX_METADATA_FILES, TreeReader
from gitruns.gitstore.trees import bad_tree, read_as, walk_tree, write_tree
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

MERGER = Identity(name="gitruns", email="gitruns@localhost")
MAX_STATE_BYTES = 8 * MAX_FILE_BYTES
"""A tree with more in it is not merged; no run that gitruns writes comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The state that a merge makes: the files of its tree, and its message."""

    files: Mapping[str, bytes]
    message: str


class Merging:
    """Merges tips in one repository. Objects are written, refs are not moved."""

    def __init__(self, backend: Backend, reader: TreeReader) -> None:
        self._backend = backend
        self._reader = reader

    def heads(self, tips: Iterable[ObjectId]) -> tuple[ObjectId, ...]:
        """Returns those tips that come before no other, in order of their ids.

        Raises `NotFoundError` (kind `history-hidden`) when a cut history leaves that open; its facts `tips` and
        `missing` say what to deepen.
        """
        return heads_among(tips, lambda tip: own_lineage(self._reader, tip), self._sources)

    def runs(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Returns the merge of tips of one run, written; the tip itself when one is left, a purge before all."""
        tips = tuple(tips)
        return self._purge(tips) or self.write(self.heads(tips), self.join_runs)

    def experiments(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Returns the merge of tips of one experiment, written; the tip itself when one is left."""
        return self.write(self.heads(tips), self.join_experiments)

    def run(self, tips: Iterable[ObjectId]) -> Run:
        """Returns the run that some tips make together; nothing is written. Raises `NotFoundError` when purged."""
        tips = tuple(tips)
        purge = self._purge(tips)
        if purge is not None:
            raise run_purged(read_tombstone(self._reader, purge))
        states = [self._run_state(tip) for tip in self.heads(tips)]
        return states[0].run if len(states) == 1 else merge_runs(states).run

    def write(self, heads: Sequence[ObjectId], join: Callable[[Sequence[ObjectId]], Joined]) -> ObjectId:
        """Writes the merge commit of some heads, which `join` makes one state of; a single head is its own merge."""
        if len(heads) == 1:
            return heads[0]
        return self._commit(heads, join, self._backend)

    def recomputes(self, commit: ObjectId, others: Mapping[str, Callable[[Sequence[ObjectId]], ObjectId]]) -> bool:
        """Returns whether a commit is exactly the merge of its parents; False for one that is no merge.

        `others` merge what is neither run nor experiment, by the file that tells it. Raises `NotFoundError` when what
        it takes to know is not here.
        """
        written = decode_commit(self._reader.read_commit(commit), commit)
        if len(written.parents) < 2 or written.parents != self.heads(written.parents):
            return False
        joins = {RUN_FILE: self.join_runs, EXPERIMENT_FILE: self.join_experiments}
        with self._reader.at(commit) as tree:
            file = next((name for name in (*joins, *others) if tree.file(name) is not None), "")
        try:
            if file in joins:
                return self._commit(written.parents, joins[file], _Hashing(self._backend.object_format)) == commit
            return file in others and others[file](written.parents) == commit
        except (CorruptDataError, InvalidInputError):
            return False

    def join_runs(self, heads: Sequence[ObjectId]) -> Joined:
        """Returns the merge of the runs at some commits."""
        state = merge_runs([self._run_state(head) for head in heads])
        subject = f"run {state.run.info.name}: merge {len(heads)} edits"
        return Joined(files=encode_run_state(state), message=run_message(state.run, subject))

    def join_experiments(self, heads: Sequence[ObjectId]) -> Joined:
        """Returns the merge of the experiments at some commits."""
        merged = merge_experiments([decode_experiment(self.read_files(head), head) for head in heads])
        subject = f"experiment {merged.name}: merge {len(heads)} edits"
        return Joined(files=encode_experiment(merged), message=experiment_message(merged, subject))

    def read_files(self, commit: ObjectId) -> dict[str, bytes]:
        """Returns all files of a commit's tree, by path; raises `CorruptDataError` for what no tree of ours has."""
        found: dict[str, bytes] = {}
        total = 0
        with self._reader.at(commit):
            tree = decode_commit(self._reader.read_commit(commit), commit).tree
            for path, oid in walk_tree(self._backend, tree):
                found[path] = read_as(self._backend, "blob", oid, path, MAX_FILE_BYTES)
                total += len(found[path])
                if total > MAX_STATE_BYTES:
                    raise bad_tree(path, f"with it the tree has over {MAX_STATE_BYTES} bytes")
        return found

    def _run_state(self, commit: ObjectId) -> RunState:
        files = self.read_files(commit)
        with self._reader.at(commit):
            return decode_run_state(files, commit)

    def _purge(self, tips: Sequence[ObjectId]) -> ObjectId | None:
        """Returns the tombstone among some tips: of several the first that was made, then the greatest id.

        It is never merged: a commit with the others as parents would keep what shall go.
        """
        found = [tip for tip in tips if is_tombstone(self._reader, tip)]
        return max(found, key=lambda tip: (-self._time_ms(tip), tip), default=None)

    def _time_ms(self, commit: ObjectId) -> int:
        return decode_commit(self._reader.read_commit(commit), commit).committer.time_ms

    def _sources(self, tip: ObjectId) -> frozenset[ObjectId]:
        with self._reader.at(tip) as tree:
            data = tree.file(RUN_FILE)
            source = None if data is None else decode_info(data, strict=False).source.commit
        return frozenset() if source is None else frozenset((source,))

    def _commit(
        self, heads: Sequence[ObjectId], join: Callable[[Sequence[ObjectId]], Joined], target: Backend | _Hashing
    ) -> ObjectId:
        joined = join(heads)
        _check_readable(joined.files)
        author = Author(MERGER, max(map(self._time_ms, heads)))
        commit = Commit(
            tree=write_tree(target, joined.files),
            parents=tuple(sorted(heads)),
            author=author,
            committer=author,
            message=joined.message,
        )
        return target.write_object("commit", encode_commit(commit))


class _Hashing:
    """Takes objects like a repository and only tells their ids."""

    def __init__(self, object_format: str) -> None:
        self._format = object_format

    def write_object(self, kind: str, data: bytes) -> ObjectId:
        return hash_object(kind, data, self._format)


def _check_readable(files: Mapping[str, bytes]) -> None:
    """Raises `InvalidInputError` when states that could be read make one that could not, because it is too large."""
    large = next((path for path, data in files.items() if len(data) > MAX_FILE_BYTES), None)
    count = sum(not path.startswith("artifacts/") for path in files)
    if large is not None or count > MAX_METADATA_FILES or sum(map(len, files.values())) > MAX_STATE_BYTES:
        what = "there would be too many files" if large is None else f"'{large[:80]}' would be too large"
        raise InvalidInputError(f"cannot merge: {what}", kind="merge-too-large")
