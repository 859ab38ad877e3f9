"""Looks at what was fetched before it counts: is it exactly what a run, an experiment or a segment must be?

Refs of a mirror come from anybody. Names must follow the grammar, trees hold files and folders only, sizes are looked
at before content, every file must decode, and what a ref holds must be what its name says. An object that was found
good once is not looked at again: environments and sources are shared by many runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gitruns.entities.ids import ExperimentId, ObjectId, RunId, SegmentId
from gitruns.entities.stamp import Stamp
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.artifacts import ARTIFACTS_FILE, decode_artifact_file
from gitruns.gitstore.codec.experiment import decode_experiment
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.codec.metrics import METRICS_FILE, decode_summaries
from gitruns.gitstore.codec.parts import (
    ENVIRONMENT_FILE,
    INPUTS_FILE,
    PARAMS_FILE,
    STAMPS_FILE,
    TAGS_FILE,
    decode_environment,
    decode_inputs,
    decode_params,
    decode_stamps,
    decode_tags,
)
from gitruns.gitstore.codec.tombstone import PURGED_FILE, decode_tombstone, is_purged
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version
from gitruns.gitstore.objects import decode_commit, decode_tree
from gitruns.gitstore.tree_reader import MAX_COMMIT_BYTES, MAX_METADATA_FILES, check_blob
from gitruns.gitstore.trees import MAX_TREE_BYTES, bad_tree, read_as, walk_tree
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

MAX_CHAIN = 10_000
"""A run with more commits was made to be slow to look at."""

_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    PARAMS_FILE: decode_params,
    TAGS_FILE: decode_tags,
    METRICS_FILE: lambda data: decode_summaries(data, METRICS_FILE),
    ARTIFACTS_FILE: decode_artifact_file,
    INPUTS_FILE: decode_inputs,
    ENVIRONMENT_FILE: decode_environment,
}
_RUN_ID_LINE = re.compile(rb'^"id": "([0-9a-f]{32})"$', re.MULTILINE)
_PARENT = re.compile(rb"parent ([0-9a-f]{40,64})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a good commit says of itself: the source of its run, its greatest stamp, whether the run is purged."""

    source: ObjectId | None = None
    newest_ms: int = 0
    purged: bool = False


class Validator:
    """Validates commits of one repository; raises `CorruptDataError` that names what is wrong where.

    In a shallow clone histories are cut, so a commit that is not here is no fault there. `trusted` are commits of runs
    that were looked at before, or made here: what comes before them needs no second look.
    """

    def __init__(self, backend: Backend, *, shallow: bool, trusted: Collection[ObjectId] = ()) -> None:
        self._backend: Backend = _Unhashed(backend)  # type: ignore[assignment]  # all of it that is asked here
        self._shallow = shallow
        self._trusted = set(trusted)
        self._good: set[tuple[str, ObjectId]] = set()
        self._sources: set[ObjectId] = set()
        self._runs: dict[ObjectId, tuple[RunId, Seen]] = {}

    def trust(self, commits: Collection[ObjectId]) -> None:
        """Takes note of more commits that need no look."""
        self._trusted.update(commits)

    def run(self, run_id: RunId, tip: ObjectId) -> Seen:
        """Returns what the tip of a run says, all of its chain looked at."""
        known = self._runs.get(tip)
        if known is None:
            known = self._runs[tip] = (run_id, self._run(run_id, tip))
        if known[0] != run_id:
            raise _not_what_the_ref_says(tip, "run", known[0], run_id)
        return known[1]

    def _run(self, run_id: RunId, tip: ObjectId) -> Seen:
        data = self._commit(tip)
        tree = _tree_of(data, tip)
        files = self._files(tree)
        if FORMAT_FILE not in files:
            raise bad_tree(FORMAT_FILE, f"it is missing (commit {tip[:12]})")
        if is_purged(files):
            return self._tombstone(run_id, tip, data, files)
        version = self._version(files[FORMAT_FILE])
        if RUN_FILE not in files:
            raise bad_tree(RUN_FILE, f"it is missing (commit {tip[:12]})")
        info = decode_info(self._blob(RUN_FILE, files[RUN_FILE]), strict=version <= FORMAT_VERSION)
        if info.id != run_id:
            raise _not_what_the_ref_says(tip, "run", info.id, run_id)
        newest = 0
        if version <= FORMAT_VERSION:
            for path, decode in _DECODERS.items():
                self._decoded(path, files.get(path), decode)
            newest = self._newest_stamp(files.get(STAMPS_FILE))
        self._chain(run_id, data, info.source.commit)
        return Seen(source=info.source.commit, newest_ms=newest)

    def _tombstone(self, run_id: RunId, tip: ObjectId, data: bytes, files: Mapping[str, ObjectId]) -> Seen:
        said = decode_tombstone({path: self._blob(path, files[path]) for path in (FORMAT_FILE, PURGED_FILE)})
        if said.run_id != run_id:
            raise _not_what_the_ref_says(tip, "run", said.run_id, run_id)
        if _parents_of(data):
            raise bad_tree(PURGED_FILE, f"a tombstone has no parent, and commit {tip[:12]} has")
        return Seen(purged=True)

    def _chain(self, run_id: RunId, data: bytes, source: ObjectId | None) -> None:
        """Looks at the earlier commits of a run, down to its source, which is somebody's code and none of ours."""
        waiting = _parents_of(data)
        seen = set(waiting)
        while waiting:
            commit = waiting.pop()
            if commit == source or commit in self._sources or commit in self._trusted:
                continue
            try:
                older = self._commit(commit)
                if not self._is_of_run(run_id, _tree_of(older, commit)):
                    self._sources.add(commit)
                    continue
            except NotFoundError:
                if not self._shallow:
                    raise
                continue
            more = _parents_of(older) - seen
            waiting |= more
            seen |= more
            if len(seen) > MAX_CHAIN:
                raise bad_tree(RUN_FILE, f"run '{run_id[:8]}' has more than {MAX_CHAIN} commits")

    def _is_of_run(self, run_id: RunId, tree: ObjectId) -> bool:
        """Returns whether an earlier commit belongs to the run; then its tree must be one that we would write."""
        try:  # whatever the modes: source code may hold links, programs and submodules
            data = read_as(self._backend, "tree", tree, "/", MAX_TREE_BYTES)
            top = {entry.name: entry for entry in decode_tree(data, tree)}
        except CorruptDataError:
            return False
        run = top.get(RUN_FILE.encode())
        if run is None or FORMAT_FILE.encode() not in top:
            return False
        try:
            found = _RUN_ID_LINE.search(self._blob(RUN_FILE, run.oid))
        except CorruptDataError:
            return False
        if found is None or found[1].decode() != run_id:
            return False
        self._files(tree)
        return True

    def experiment(self, experiment_id: ExperimentId, tip: ObjectId) -> Seen:
        """Returns what the tip of an experiment says."""
        tree = _tree_of(self._commit(tip), tip)
        files = self._files(tree)
        read = {path: self._blob(path, oid) for path, oid in files.items()}
        experiment = decode_experiment(read, tip)
        if experiment.id != experiment_id:
            raise _not_what_the_ref_says(tip, "experiment", experiment.id, experiment_id)
        return Seen(newest_ms=_newest(experiment.stamps))

    def named(self, ref: str, tip: ObjectId, decode: Callable[[Mapping[str, bytes]], Any]) -> Any:
        """Returns what `decode` makes of the files at a tip, once their tree is one that we would write."""
        files = self._files(_tree_of(self._commit(tip), tip))
        if FORMAT_FILE not in files:
            raise bad_tree(FORMAT_FILE, f"it is missing at '{ref}'")
        return decode({path: self._blob(path, oid) for path, oid in files.items()})

    def segment(self, segment_id: SegmentId, tip: ObjectId) -> None:
        """Checks that a segment's ref holds the segment that it is named by, in a tree that we would write."""
        if str(segment_id) != str(tip):
            raise _not_what_the_ref_says(tip, "segment", tip, segment_id)
        self._files(_tree_of(self._commit(tip), tip))

    # Objects

    def _commit(self, oid: ObjectId) -> bytes:
        data = read_as(self._backend, "commit", oid, "ref", MAX_COMMIT_BYTES)
        decode_commit(data, oid)
        return data

    def _files(self, tree: ObjectId) -> dict[str, ObjectId]:
        """Returns the files of a tree, artifacts and points aside; those are only looked at."""
        files: dict[str, ObjectId] = {}
        for path, oid in walk_tree(self._backend, tree, max_entries=10 * MAX_METADATA_FILES):
            if path.startswith(("metrics/", "artifacts/")):
                if ("", oid) not in self._good:
                    check_blob(self._backend, path, oid)
            else:
                files[path] = oid
        if len(files) > MAX_METADATA_FILES:
            raise bad_tree("/", f"it has {len(files)} files of metadata")
        return files

    def _blob(self, path: str, oid: ObjectId) -> bytes:
        return read_as(self._backend, "blob", oid, path, MAX_FILE_BYTES)

    def _version(self, oid: ObjectId) -> int:
        if (FORMAT_FILE, oid) in self._good:
            return FORMAT_VERSION
        data = self._blob(FORMAT_FILE, oid)
        if data == FORMAT_BYTES:
            self._good.add((FORMAT_FILE, oid))
        return decode_version({FORMAT_FILE: data})

    def _decoded(self, path: str, oid: ObjectId | None, decode: Callable[[bytes], Any]) -> None:
        if oid is not None and (path, oid) not in self._good:
            decode(self._blob(path, oid))
            self._good.add((path, oid))

    def _newest_stamp(self, oid: ObjectId | None) -> int:
        return 0 if oid is None else _newest(decode_stamps(self._blob(STAMPS_FILE, oid)))


class _Unhashed:
    """Reads objects without hashing them again: git has done so when they came."""

    def __init__(self, backend: Backend) -> None:
        self._read = backend.bulk_reader()
        self.object_header = backend.object_header

    def read_object(self, oid: ObjectId, *, max_bytes: int | None = None) -> tuple[str, bytes]:
        return self._read(oid, MAX_TREE_BYTES if max_bytes is None else max_bytes)


def _newest(stamps: Mapping[str, Stamp]) -> int:
    return max((stamp.time_ms for stamp in stamps.values()), default=0)


def _tree_of(data: bytes, commit: ObjectId) -> ObjectId:
    return ObjectId(data[5 : 5 + len(commit)].decode())


def _parents_of(data: bytes) -> set[ObjectId]:
    head = data.partition(b"\nauthor ")[0] + b"\n"
    return {ObjectId(parent.decode()) for parent in _PARENT.findall(head)}


def _not_what_the_ref_says(commit: ObjectId, what: str, found: str, named: str) -> CorruptDataError:
    return CorruptDataError(
        f"commit {commit[:12]} holds {what} '{found[:32]}', and the ref names '{named[:32]}'",
        kind="wrong-ref",
        commit=commit,
    )
