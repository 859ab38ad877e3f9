"""Reads the archive: segments of many finished runs, one ref each.

A segment never changes and its ref bears its own id, so the names of the refs say everything. They are listed again
only when the folder of their files or the packed refs have changed.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import CorruptDataError, GitRunsError, GitRunsWarning
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.version import FORMAT_FILE, decode_version
from gitruns.gitstore.segment import MAX_RUNS, RUNS_FILE, Segment, bad_segment, decode_runs, has_parents
from gitruns.gitstore.trees import read_as, read_entries

_RACY_NS = 100_000_000
_LOOKS = 5
_MAX_COMMIT_BYTES = MAX_RUNS * 80 + 4096
_MAX_RUNS_BYTES = MAX_RUNS * 98

Signature = tuple[tuple[int, ...], ...]


class Archive:
    """The segments of one repository. What was read is kept by id."""

    def __init__(self, backend: Backend, common_dir: Path) -> None:
        self._backend = backend
        self._watched = (
            common_dir / "refs" / "runs" / "archive",
            common_dir / "packed-refs",
            common_dir / "reftable" / "tables.list",
        )
        self._listed: tuple[Signature | None, tuple[SegmentId, ...]] = (None, ())
        self._segments: dict[SegmentId, Segment] = {}
        self._bad: dict[SegmentId, GitRunsError] = {}
        self._warned: set[SegmentId] = set()
        self._all: tuple[tuple[SegmentId, ...], dict[RunId, tuple[ObjectId, ...]], dict[RunId, ObjectId]] = ((), {}, {})

    def segment_ids(self) -> tuple[SegmentId, ...]:
        """Returns the segments that are there, in order of their ids."""
        signature, known = self._listed
        now = self._signature()
        if signature is not None and now == signature:
            return known
        # Joined segments come before those that they replace go; two equal lists in a row have missed neither.
        found = self._list()
        for _ in range(_LOOKS):
            before, found = found, self._list()
            if found == before:
                break
        settled = now == self._signature() and not _is_young(now)
        self._listed = (now if settled else None, found)
        return found

    def _list(self) -> tuple[SegmentId, ...]:
        found = self._named()
        for segment_id in found.keys() - self._warned:
            if found[segment_id] != ObjectId(segment_id):
                self._warned.add(segment_id)
                warnings.warn(f"gitruns: runs are left out: {not_its_name(segment_id)}", GitRunsWarning, stacklevel=2)
        return tuple(sorted(one for one, oid in found.items() if ObjectId(one) == oid))

    def _named(self) -> dict[SegmentId, ObjectId]:
        listed = self._backend.list_refs(refs.ARCHIVE).items()
        return {one: oid for ref, oid in listed if (one := refs.segment_id_of(ref)) is not None}

    def misnamed(self) -> list[SegmentId]:
        """Returns the segments whose refs are at other commits, as after a rewrite of all history."""
        return sorted(one for one, oid in self._named().items() if ObjectId(one) != oid)

    def _signature(self) -> Signature:
        return tuple(map(_stat_of, self._watched))

    def read(self, segment_id: SegmentId) -> Segment:
        """Returns the runs of a segment.

        Raises `CorruptDataError` (kind `bad-segment`) unless it is exactly what a segment must be, and
        `NotFoundError` when it is not here.
        """
        segment = self._segments.get(segment_id)
        if segment is None:
            segment = self._segments[segment_id] = read_segment(self._backend, segment_id)
        return segment

    def readable(self) -> list[Segment]:
        """Returns the segments that can be read, and warns of each other one once."""
        found = []
        for segment_id in self.segment_ids():
            if segment_id in self._bad:
                continue
            try:
                found.append(self.read(segment_id))
            except GitRunsError as error:
                self._bad[segment_id] = error
                warnings.warn(f"gitruns: its runs are left out: {error}", GitRunsWarning, stacklevel=2)
        return found

    def tips_of(self, run_id: RunId) -> set[ObjectId]:
        """Returns the tips that segments name for a run."""
        return {tip for segment in self.readable() if (tip := segment.find(run_id)) is not None}

    def all_tips(self) -> tuple[Mapping[RunId, ObjectId], Mapping[RunId, tuple[ObjectId, ...]]]:
        """Returns a tip of each run in the archive, and all tips of those that have several."""
        segments = self.readable()
        key = tuple(segment.id for segment in segments)
        if key != self._all[0]:
            tips: dict[RunId, ObjectId] = {}
            several: dict[RunId, set[ObjectId]] = {}
            for segment in segments:
                more = segment.as_dict()
                for run_id in tips.keys() & more.keys():
                    if tips[run_id] != more[run_id]:
                        several.setdefault(run_id, {tips[run_id]}).add(more[run_id])
                tips.update(more)
            self._all = (key, {run_id: tuple(sorted(found)) for run_id, found in several.items()}, tips)
        return MappingProxyType(self._all[2]), MappingProxyType(self._all[1])


def not_its_name(segment_id: SegmentId) -> str:
    """Says what is wrong with a segment whose ref is at another commit than its name says."""
    return f"the ref of archive segment '{segment_id[:12]}' is at another commit: git runs fetch brings it back"


def read_segment(backend: Backend, segment_id: SegmentId) -> Segment:
    """Returns the runs of a segment as its commit holds them; raises as `Archive.read` does."""
    try:
        data = read_as(backend, "commit", ObjectId(segment_id), "segment", _MAX_COMMIT_BYTES)
        tree = ObjectId(data[5 : 5 + len(segment_id)].decode())
        files = {entry.name.decode(): entry.oid for entry in read_entries(backend, tree) if not entry.is_folder}
        if FORMAT_FILE not in files or RUNS_FILE not in files:
            raise bad_segment(segment_id, f"it has no file '{RUNS_FILE if FORMAT_FILE in files else FORMAT_FILE}'")
        decode_version({FORMAT_FILE: read_as(backend, "blob", files[FORMAT_FILE], FORMAT_FILE, 64)})
        runs = read_as(backend, "blob", files[RUNS_FILE], RUNS_FILE, _MAX_RUNS_BYTES)
    except (CorruptDataError, ValueError) as error:
        if isinstance(error, CorruptDataError) and error.kind == "bad-segment":
            raise
        raise bad_segment(segment_id, str(error)) from error
    segment = decode_runs(runs, segment_id)
    if not has_parents(data, segment):
        raise bad_segment(segment_id, "its parents are not the commits that its file 'runs' names")
    return segment


def _stat_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_young(signature: Signature) -> bool:
    """Returns whether something changed so lately that another change might not show."""
    newest = max((times[3] for times in signature if times), default=0)
    return time.time_ns() - newest < _RACY_NS
