"""Which refs a remote does not need any more: their runs are in segments that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import GitRunsError
from gitruns.gitstore import refs
from gitruns.gitstore.segment import Segment

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.sync.state import State


def folded_refs(store: GitStore, state: State) -> dict[str, ObjectId]:
    """Returns refs of the remote, with their commits, that segments there make redundant.

    A run's ref is, when a segment has the run at that commit or a later one. A segment is, when each of its runs is in
    one other segment so, or was purged; of two equal ones the one with the lower id stays.
    """
    segments: dict[SegmentId, Segment] = {}
    for ref in state.known:
        segment_id = refs.segment_id_of(ref)
        if segment_id is not None:
            try:
                segments[segment_id] = store.read_segment(segment_id)
            except GitRunsError:
                continue
    if not segments:
        return {}
    return {**_runs(store, state, segments), **_segments(store, state, segments)}


def _runs(store: GitStore, state: State, segments: dict[SegmentId, Segment]) -> dict[str, ObjectId]:
    found = {}
    for ref, oid in state.known.items():
        run_id = refs.run_id_of(ref)
        if run_id is None:
            continue
        tips = {tip for segment in segments.values() if (tip := segment.find(run_id)) is not None}
        if oid in tips or (tips and oid not in store.newest_tips({oid, *tips})):
            found[ref] = oid
    return found


def _segments(store: GitStore, state: State, segments: dict[SegmentId, Segment]) -> dict[str, ObjectId]:
    here = store.segments()
    left = dict(segments)
    found = {}
    for segment_id in sorted(segments, key=lambda one: (len(segments[one]), one)):
        if segment_id in here:
            continue
        others = [segment for one, segment in left.items() if one != segment_id]
        nothing = Segment(segment_id, b"")  # for one whose runs were all purged
        if any(_is_in(store, state, segments[segment_id], other) for other in (nothing, *others)):
            found[refs.archive_ref(segment_id)] = ObjectId(segment_id)
            del left[segment_id]
    return found


def _is_in(store: GitStore, state: State, segment: Segment, other: Segment) -> bool:
    tips = segment.as_dict()
    return all(
        other.find(run_id) == tip or _is_later(store, tip, other.find(run_id)) or _is_purged_there(store, state, run_id)
        for run_id, tip in tips.items()
    )


def _is_later(store: GitStore, tip: ObjectId, other: ObjectId | None) -> bool:
    return other is not None and store.newest_tips({tip, other}) == (other,)


def _is_purged_there(store: GitStore, state: State, run_id: RunId) -> bool:
    tip = state.known.get(refs.run_ref(run_id))
    return tip is not None and store.is_tombstone(tip)
