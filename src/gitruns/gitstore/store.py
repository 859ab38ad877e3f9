"""Runs and experiments in one git repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, SegmentId
from gitruns.entities.run import Identity, Run
from gitruns.entities.tombstone import Tombstone
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.archive import Archive
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.bulk import BulkReader
from gitruns.gitstore.chain import ChainEntry, commit_objects, own_objects, run_chain
from gitruns.gitstore.codec import (
    decode_experiment,
    decode_run,
    encode_experiment,
    encode_run,
    encode_start,
    is_metadata,
)
from gitruns.gitstore.codec.tombstone import decode_tombstone, encode_tombstone, is_purged
from gitruns.gitstore.commits import end_subject, experiment_message, message, run_message, start_subject
from gitruns.gitstore.folding import (
    FoldCheck,
    add_segments,
    drop_runs,
    drop_segments,
    remake_segment,
    write_segments,
)
from gitruns.gitstore.git_tags import VersionTags
from gitruns.gitstore.holding import Holding
from gitruns.gitstore.identity import find_identity
from gitruns.gitstore.merging import Merging
from gitruns.gitstore.models import ModelTrees
from gitruns.gitstore.objects import Author, Commit
from gitruns.gitstore.paths import RepoPaths
from gitruns.gitstore.program import GitProgram
from gitruns.gitstore.records import RecordTrees
from gitruns.gitstore.segment import Segment
from gitruns.gitstore.signatures import Signer
from gitruns.gitstore.tips import Tips
from gitruns.gitstore.tombstone import is_tombstone, read_tombstone, run_purged
from gitruns.gitstore.tree_reader import TreeReader
from gitruns.gitstore.trees import write_tree
from gitruns.gitstore.wholeness import is_whole

MANY_TIPS = 6
"""Above so many, one sync of the whole file system is quicker than finding and syncing each object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What HEAD names: a branch (None: detached) and a commit (None: no commit yet)."""

    branch: str | None
    commit: ObjectId | None


class GitStore:
    """Reads and writes runs and experiments as commits; every ref moves by compare-and-set.

    `backend` holds objects and refs, `git` is the program on this repository, `paths` its folders. Nothing here
    touches HEAD, index, work tree, config or reflogs. What is written is durable after `sync`.
    """

    def __init__(self, backend: Backend, git: GitProgram, paths: RepoPaths) -> None:
        self.backend = backend
        self.git = git
        self.paths = paths
        self._reader = TreeReader(backend)
        self._archive = Archive(backend, paths.common_dir)
        self.merging = Merging(backend, self._reader)
        self.holding = Holding(backend, self._reader)
        self._tips = Tips(backend, self._archive, self._reader, self.holding, self.merging.runs)
        self.signer = Signer(backend, git, backend.config)
        self.models = ModelTrees(backend, self.signer)
        self.version_tags = VersionTags(backend, self.signer)
        self.records = RecordTrees(backend, self.signer)

    # The repository

    def head(self) -> Head:
        """Returns what HEAD names now."""
        branch, commit = self.backend.read_head()
        return Head(branch=branch, commit=commit)

    def config(self, key: str) -> str | None:
        """Returns the value of a git config key in force, None when it is not set; read once."""
        return self.backend.config(key)

    def identity(self, environ: Mapping[str, str], now_s: float | None = None) -> Identity:
        """Returns whom git shall name as author; login and host where nobody has set one."""
        return find_identity(environ, self.config, now_s)

    # Runs

    def run_tip(self, run_id: RunId) -> ObjectId | None:
        """Returns the newest commit of a run, in the archive or not, None when the run is not in git."""
        return self._tips.of(run_id)

    def run_tips(self) -> dict[RunId, ObjectId]:
        """Returns the newest commit of each run, those in the archive too."""
        return self._tips.all()

    def loose_run_tips(self) -> dict[RunId, ObjectId]:
        """Returns what the runs' own refs hold, without the archive."""
        return self._tips.loose()

    def kept_run_tips(self) -> dict[RunId, ObjectId]:
        """Returns the runs that others have purged and this clone keeps, each where it is kept."""
        return self._tips.kept_tips()

    def packed_run_tips(self) -> dict[RunId, ObjectId]:
        """Returns what `packed-refs` says of runs: seldom changed, perhaps very many; see `unpacked_run_tips`."""
        return self._tips.packed()

    def unpacked_run_tips(self) -> dict[RunId, ObjectId]:
        """Returns what the other refs of runs hold; where a run is in both, this is what counts."""
        return self._tips.unpacked()

    def tips_of(self, run_id: RunId) -> tuple[ObjectId, ...]:
        """Returns all tips of a run that are no ancestors of others: its state is the merge of them."""
        return self._tips.heads(run_id)

    def newest_tips(self, tips: Iterable[ObjectId]) -> tuple[ObjectId, ...]:
        """Returns those of some tips of one run that are no ancestors of others, in order of their ids."""
        return self._tips.newest(tips)

    def set_run_tip(self, run_id: RunId, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves a run by compare-and-set; raises `ConflictError` when it is not at `old` (None: not there).

        A run of the archive gets a ref of its own again.
        """
        self._tips.move(run_id, new, old)

    # Merges

    def merge_run_tips(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Returns the commit that some tips of one run make together, the same in every clone; no ref is moved.

        One that comes before another adds nothing; a purge beats everything. Raises `NotFoundError` (kind
        `history-hidden`) in a shallow clone that does not know, `InvalidInputError` for a newer format.
        """
        return self.merging.runs(tips)

    def merge_experiment_tips(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Returns the commit that some tips of one experiment make together, as `merge_run_tips`."""
        return self.merging.experiments(tips)

    def merged_run(self, tips: Iterable[ObjectId]) -> Run:
        """Returns the run that some tips make together; nothing is written."""
        return self.merging.run(tips)

    def recomputes(self, commit: ObjectId) -> bool:
        """Returns whether a commit is exactly the merge of its parents, so that who trusts these can trust it."""
        return self.merging.recomputes(commit, {"model.yaml": self.models.merged_id})

    # The archive

    def segments(self) -> dict[SegmentId, ObjectId]:
        """Returns the segments of the archive, each with its commit."""
        return {segment_id: ObjectId(segment_id) for segment_id in self._archive.segment_ids()}

    def misnamed_segments(self) -> list[SegmentId]:
        """Returns the segments whose refs are at other commits, so that their runs are not seen."""
        return self._archive.misnamed()

    def read_segment(self, segment_id: SegmentId) -> Segment:
        """Returns the tips of a segment's runs; raises `CorruptDataError` (kind `bad-segment`) or `NotFoundError`."""
        return self._archive.read(segment_id)

    def write_segments(self, groups: Iterable[Mapping[RunId, ObjectId]]) -> list[SegmentId]:
        """Writes a segment for each group of runs and their tips; durable on return, no ref is moved."""
        return write_segments(self.backend, self._reader, groups)

    def add_segments(self, segment_ids: Sequence[SegmentId]) -> None:
        """Gives segments their refs; durable on return."""
        add_segments(self.backend, segment_ids)

    def drop_segments(self, segment_ids: Iterable[SegmentId]) -> None:
        """Takes away the refs of segments that others have made redundant."""
        drop_segments(self.backend, segment_ids)

    def drop_run_refs(self, tips: Mapping[RunId, ObjectId]) -> set[RunId]:
        """Takes away the refs of runs that still are at these tips, which the archive holds; returns which."""
        return drop_runs(self.backend, tips)

    def fold_check(self) -> FoldCheck:
        """Returns what says which runs may be archived; for one archiving, because it sees packs as they are now."""
        return FoldCheck(self.backend)

    def write_tombstone(self, tombstone: Tombstone, identity: Identity) -> ObjectId:
        """Writes the tombstone of a run and returns its commit; no ref is moved."""
        author = Author(identity, tombstone.time_ms)
        text = message(f"run {tombstone.run_id[:8]}: purged", {"Run-Id": tombstone.run_id})
        return self._write_commit(encode_tombstone(tombstone), (), author, text)

    def read_tombstone(self, commit: ObjectId) -> Tombstone:
        """Returns what a tombstone says; raises `CorruptDataError` for a commit that is none."""
        return read_tombstone(self._reader, commit)

    def purged_error(self, commit: ObjectId) -> NotFoundError:
        """Returns the error that a tombstone stands for: the run is deleted for good, by whom and why."""
        return run_purged(self.read_tombstone(commit))

    def is_tombstone(self, commit: ObjectId) -> bool:
        """Returns whether a commit says that its run was purged."""
        return is_tombstone(self._reader, commit)

    def is_genuine_segment(self, segment_id: SegmentId) -> bool:
        """Returns whether a segment is what its runs make of it, so that nobody has to be trusted for it.

        Raises as `read_segment` does, and `NotFoundError` when a tip is not here.
        """
        return remake_segment(self.backend, self._reader, self.read_segment(segment_id)) == segment_id

    def read_run(self, commit: ObjectId) -> Run:
        """Returns the run as a commit holds it; raises `CorruptDataError` naming what is wrong where.

        Raises `NotFoundError` (kind `run-purged`) for the tombstone of a run.
        """
        with self._reader.at(commit) as tree:
            files, sizes = tree.metadata(is_metadata)
            if is_purged(files):
                raise run_purged(decode_tombstone(files))
            return decode_run(files, commit, sizes=sizes)

    def read_listed(self, commits: Iterable[ObjectId]) -> Iterator[Run | GitRunsError]:
        """Yields the run of each commit, or why it cannot be read, in order: quickly, and of each only what lists show.

        That is info, params, tags, metrics and inputs; neither parts, artifacts, environment nor stamps.
        """
        yield from BulkReader(self.backend.bulk_reader(), self.read_run, self.backend.object_format).runs(commits)

    def has_commit(self, oid: ObjectId) -> bool:
        """Returns whether a commit of that id is here: an id that somebody names may be that of anything."""
        return self.backend.has_object(oid) and self.backend.object_header(oid)[0] == "commit"

    def read_file(self, commit: ObjectId, path: str) -> bytes | None:
        """Returns the bytes of a file in a commit's tree, None when there is none."""
        with self._reader.at(commit) as tree:
            return tree.file(path)

    def list_tree_files(self, commit: ObjectId) -> dict[str, tuple[ObjectId, int]]:
        """Returns id and size of each file in a commit's tree, by path."""
        with self._reader.at(commit) as tree:
            return tree.list_files()

    def chain(self, tip: ObjectId) -> list[ChainEntry]:
        """Returns the commits of a run, newest first, down to its first one and not into its source."""
        return run_chain(self._reader, tip)

    def write_run_commit(
        self,
        run: Run,
        *,
        parents: Iterable[ObjectId],
        identity: Identity,
        time_ms: int,
        subject: str,
        files: Mapping[str, bytes] | None = None,
    ) -> ObjectId:
        """Writes the run as a commit and returns it; no ref is moved.

        `files` are those of the tree that the run's entities do not hold: points and texts.
        """
        return self._write_commit(
            encode_run(run, files=files), tuple(parents), Author(identity, time_ms), run_message(run, subject)
        )

    def seal_run(
        self,
        start: Run,
        finish: Run,
        *,
        parent: ObjectId | None,
        identity: Identity,
        files: Mapping[str, bytes] | None = None,
    ) -> ObjectId:
        """Writes a whole run as two commits, as it began and as it ended, and returns the second; no ref is moved.

        `parent` is the source commit. The same run gives the same commits; where the user signs commits, the second
        one is signed, so only a seal that finds no tip makes it.
        """
        began = Author(identity, start.info.start_time_ms)
        ended = Author(identity, max(finish.info.end_time_ms or 0, began.time_ms))
        parents = () if parent is None else (parent,)
        first = self._write_commit(
            encode_start(start), parents, began, run_message(start, start_subject(start)), sign=False
        )
        return self._write_commit(
            encode_run(finish, files=files), (first,), ended, run_message(finish, end_subject(finish))
        )

    # Sources of live runs

    def hold_source(self, run_id: RunId, commit: ObjectId) -> None:
        """Keeps the source of a live run from gc, until `release_source`."""
        self._move_held(run_id, commit)

    def release_source(self, run_id: RunId) -> None:
        """Lets the source of a run go that is sealed: its own commits keep it now."""
        self._move_held(run_id, None)

    def _move_held(self, run_id: RunId, commit: ObjectId | None) -> None:
        ref = refs.local_source_ref(run_id)
        held = self.backend.read_ref(ref)
        if held != commit:
            self.backend.update_ref(ref, commit, held)

    # Experiments

    def experiment_tip(self, experiment_id: ExperimentId) -> ObjectId | None:
        """Returns the newest commit of an experiment, None when it is not in git."""
        return self.backend.read_ref(refs.experiment_ref(experiment_id))

    def experiment_tips(self) -> dict[ExperimentId, ObjectId]:
        """Returns the newest commit of each experiment."""
        found = self.backend.list_refs(refs.EXPERIMENTS).items()
        return {one: oid for ref, oid in found if (one := refs.experiment_id_of(ref)) is not None}

    def set_experiment_tip(self, experiment_id: ExperimentId, new: ObjectId | None, old: ObjectId | None) -> None:
        """Moves an experiment's ref by compare-and-set; raises `ConflictError` when it is not at `old`."""
        self.backend.update_ref(refs.experiment_ref(experiment_id), new, old)

    def read_experiment(self, commit: ObjectId) -> Experiment:
        """Returns the experiment as a commit holds it; raises `CorruptDataError` naming what is wrong where."""
        with self._reader.at(commit) as tree:
            return decode_experiment(tree.metadata(lambda path: True)[0], commit)

    def write_experiment(
        self,
        experiment: Experiment,
        *,
        parent: ObjectId | None,
        identity: Identity,
        time_ms: int,
        subject: str,
    ) -> ObjectId:
        """Writes the experiment as a commit and returns it; no ref is moved."""
        parents = () if parent is None else (parent,)
        return self._write_commit(
            encode_experiment(experiment), parents, Author(identity, time_ms), experiment_message(experiment, subject)
        )

    # Durability

    def sync(
        self, runs: Iterable[tuple[RunId, ObjectId]], experiments: Iterable[tuple[ExperimentId, ObjectId]] = ()
    ) -> None:
        """Makes runs, as ids and tips, and experiments durable: all objects of their commits, and their refs."""
        tips = {refs.run_ref(run_id): tip for run_id, tip in runs}
        tips.update((refs.experiment_ref(experiment_id), tip) for experiment_id, tip in experiments)
        if len(tips) > MANY_TIPS:
            self.backend.sync_all()
            return
        objects: set[ObjectId] = set()
        for tip in tips.values():
            objects |= own_objects(self.backend, self._reader, tip)
        self.backend.sync(objects, tips.keys())

    def sync_edit(self, ref: str, commit: ObjectId) -> None:
        """Makes one commit on top of durable ones durable, and the ref that it moved."""
        self.backend.sync(commit_objects(self.backend, self._reader, commit), [ref])

    def is_whole(self, tip: ObjectId) -> bool:
        """Returns whether each object of a run that can be made again is here; see `wholeness`."""
        return is_whole(self.backend, tip, shallow=self.paths.shallow)

    def close(self) -> None:
        """Lets go of open files; the store cannot be used afterwards."""
        self.backend.close()

    # Models

    def recomputes_merge(self, commit: ObjectId) -> bool:
        """Returns whether a commit is exactly the merge of its parents, so that nobody has to be trusted for it."""
        return self.merging.recomputes(commit, {"model.yaml": self.models.merged_id})

    def merge_model_tips(self, tips: Iterable[ObjectId]) -> ObjectId:
        """Writes the merge of some tips of one registered model and returns it; the tip itself when one is left."""
        return self.models.merge(self.merging.heads(tips))

    def _write_commit(
        self,
        files: Mapping[str, bytes],
        parents: tuple[ObjectId, ...],
        author: Author,
        message: str,
        *,
        sign: bool = True,
    ) -> ObjectId:
        tree = write_tree(self.backend, files)
        commit = Commit(tree=tree, parents=parents, author=author, committer=author, message=message)
        return self.signer.write_commit(commit) if sign else self.signer.write_unsigned(commit)
