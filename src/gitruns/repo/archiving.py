"""Archives finished runs: many under one ref, as git packs loose objects.

What decides is cheap to say again: a crash, or another process at the same work, leaves a ref too many at worst, and
the next archiving takes it away. Source: docs/format.md, "Segments"; docs/design/006-archive.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import GitRunsError, LockedError
from gitruns.gitstore import MAX_SEGMENT_RUNS, GitStore
from gitruns.repo.private_lock import only_one

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

AUTO_ABOVE = 1000
"""With more loose finished runs than this they are archived without being asked for."""

PUSH_ABOVE = 200
"""A push of more new runs than this archives first."""

AUTO_AT_MOST = 3000
"""So many runs at most are archived when nobody asked: it is done between other things."""

_BYTES_PER_PACKED_REF = 60  # at least
_LEFT_FILE = "left-unarchived"
Progress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class ArchiveReport:
    """What became of the runs: `folded` now into `segments`; `skipped` with the reason.

    `redundant` had a ref though a segment held them at that commit or a later one: the ref is gone. `replaced` segments
    are in one of the new ones whole. A dry run has no segments yet, only how many there would be.
    """

    folded: list[RunId] = field(default_factory=list)
    segments: list[SegmentId] = field(default_factory=list)
    segment_count: int = 0
    replaced: list[SegmentId] = field(default_factory=list)
    redundant: list[RunId] = field(default_factory=list)
    skipped: dict[RunId, str] = field(default_factory=dict)


def archive_runs(
    repo: Repo,
    run_ids: Collection[RunId] | None = None,
    *,
    dry_run: bool = False,
    at_most: int | None = None,
    progress: Progress | None = None,
) -> ArchiveReport:
    """Archives finished runs, by default all; durable on return.

    A run that is live, whose journal waits to be sealed, that is not finished, was purged, cannot be read or is in a
    newer format stays as it is. Raises `LockedError` (kind `archive-locked`) while another process archives.
    """
    with only_one(repo.folder / "archive.lock") as mine:
        if not mine:
            raise LockedError("cannot archive: another process does so", kind="archive-locked", hint="try again")
        return _Archiving(repo, dry_run, progress).run(run_ids, at_most)


def archive_before_push(repo: Repo, new_runs: Collection[RunId], *, dry_run: bool = False) -> ArchiveReport | None:
    """Archives runs that are about to be pushed when they are many, unless `runs.archive` is off.

    `new_runs` are those that the remote does not have. Returns None when there was nothing to do.
    """
    if len(new_runs) <= PUSH_ABOVE or repo.config.archive == "off":
        return None
    try:
        return archive_runs(repo, new_runs, dry_run=dry_run)
    except LockedError:
        return None


def archive_if_many(repo: Repo) -> ArchiveReport | None:
    """Archives when there are very many loose runs, unless `runs.archive` is off; nearly free when there are not.

    Returns None when there was nothing to do or another process is at it.
    """
    if not may_be_many(repo.store) or repo.config.archive == "off":
        return None
    # Those that could not be archived the last time are not looked at for it each time again.
    note = repo.folder / _LEFT_FILE
    if len(repo.store.loose_run_tips()) - _number_in(note) <= AUTO_ABOVE:
        return None
    try:
        report = archive_runs(repo, at_most=AUTO_AT_MOST)
    except LockedError:
        return None
    note.write_text(f"{len(report.skipped)}\n")
    return report


def _number_in(note: Path) -> int:
    try:
        return int(note.read_text())
    except (OSError, ValueError):
        return 0


def may_be_many(store: GitStore) -> bool:
    """Returns False when a look at a folder and a size shows that there are few loose runs."""
    common = store.paths.common_dir
    if (common / "reftable").is_dir():
        return True
    try:
        packed = (common / "packed-refs").stat().st_size // _BYTES_PER_PACKED_REF
    except OSError:
        packed = 0
    if packed > AUTO_ABOVE:
        return True
    try:
        loose = sum(1 for _ in os.scandir(common / "refs" / "runs"))
    except OSError:
        loose = 0
    return loose + packed > AUTO_ABOVE


class _Archiving:
    """One archiving of one repository."""

    def __init__(self, repo: Repo, dry_run: bool, progress: Progress | None) -> None:
        self._repo = repo
        self._store = repo.store
        self._check = repo.store.fold_check()
        self._dry_run = dry_run
        self._progress = progress
        self._report = ArchiveReport()
        self._segments = readable_segments(repo.store)

    def run(self, run_ids: Collection[RunId] | None, at_most: int | None) -> ArchiveReport:
        """Archives and returns what was done."""
        self._drop_covered()
        loose = self._without_redundant(self._store.loose_run_tips())
        chosen = loose if run_ids is None else {one: loose[one] for one in run_ids if one in loose}
        tips = self._foldable(chosen, at_most)
        groups, absorbed = group_runs(tips, self._segments)
        self._report.folded = sorted(tips)
        self._report.segment_count = len(groups)
        self._report.replaced += sorted(absorbed)
        if self._dry_run or not groups:
            return self._report
        self._report.segments = self._store.write_segments(groups)
        self._store.add_segments(self._report.segments)
        # What git has fetched it has not synced, and a segment whose parents are lost would stop git's own gc.
        self._store.backend.sync_all()
        # Now runs and segments are on the disk, refs and all: only now may the runs' own refs go.
        self._store.drop_run_refs(tips)
        self._store.drop_segments(absorbed.keys() - set(self._report.segments))
        return self._report

    def _drop_covered(self) -> None:
        """Takes segments away that are in one other segment whole."""
        for segment_id in sorted(self._segments, key=lambda one: (len(self._segments[one]), one)):
            others = (other for one, other in self._segments.items() if one != segment_id)
            if any(covered_by(self._segments[segment_id], other, self._store.newest_tips) for other in others):
                del self._segments[segment_id]
                self._report.replaced.append(segment_id)
        if self._report.replaced and not self._dry_run:
            self._store.drop_segments(self._report.replaced)

    def _without_redundant(self, loose: dict[RunId, ObjectId]) -> dict[RunId, ObjectId]:
        """Returns the loose runs that are not in the archive already, and takes the refs of the others away."""
        redundant: dict[RunId, ObjectId] = {}
        purged: set[RunId] = set()
        for run_id, tips in _tips_in(self._segments, loose).items():
            tip = loose[run_id]
            newest = self._store.newest_tips({tip, *tips})
            if tip in tips or tip not in newest:
                redundant[run_id] = loose.pop(run_id)
            elif self._store.is_tombstone(tip):
                purged.add(run_id)
            elif len(newest) > 1:
                self._report.skipped[run_id] = "it has tips that are not merged"
                del loose[run_id]
        self._report.redundant = sorted(redundant)
        if not self._dry_run:
            self._store.drop_run_refs(redundant)
            self._report.replaced += drop_from_segments(self._store, self._segments, purged)
        return loose

    def _foldable(self, loose: Mapping[RunId, ObjectId], at_most: int | None) -> dict[RunId, ObjectId]:
        journalled = set(self._repo.live_ids())
        tips: dict[RunId, ObjectId] = {}
        for number, (run_id, tip) in enumerate(sorted(loose.items())):
            if at_most is not None and len(tips) >= at_most:
                break
            reason = "it is live" if run_id in journalled else self._why_not(run_id, tip)
            if reason is None:
                tips[run_id] = tip
            else:
                self._report.skipped[run_id] = reason
            if self._progress is not None and number % 500 == 0:
                self._progress(number, len(loose))
        return tips

    def _why_not(self, run_id: RunId, tip: ObjectId) -> str | None:
        try:
            return self._check.why_not(run_id, tip)
        except GitRunsError as error:
            return str(error)


Held = Mapping[RunId, ObjectId]
"""The tips of a segment's runs."""


def readable_segments(store: GitStore) -> dict[SegmentId, Held]:
    """Returns the segments that can be read."""
    found: dict[SegmentId, Held] = {}
    for segment_id in store.segments():
        try:
            found[segment_id] = store.read_segment(segment_id).as_dict()
        except GitRunsError:
            continue  # said by whoever reads runs, and by verify
    return found


def _tips_in(segments: Mapping[SegmentId, Held], runs: Collection[RunId]) -> dict[RunId, set[ObjectId]]:
    """Returns the tips that segments have for some runs."""
    wanted = set(runs)
    found: dict[RunId, set[ObjectId]] = {}
    for held in segments.values():
        for run_id in wanted & held.keys():
            found.setdefault(run_id, set()).add(held[run_id])
    return found


def drop_from_segments(store: GitStore, segments: dict[SegmentId, Held], run_ids: Collection[RunId]) -> list[SegmentId]:
    """Replaces the segments that hold some runs by ones without them, in `segments` too; returns those replaced."""
    gone = set(run_ids)
    replaced = sorted(segment_id for segment_id, held in segments.items() if gone & held.keys())
    left = [{one: tip for one, tip in segments[segment_id].items() if one not in gone} for segment_id in replaced]
    groups = [held for held in left if held]
    made = store.write_segments(groups)
    store.add_segments(made)
    store.drop_segments(set(replaced) - set(made))
    for segment_id in replaced:
        del segments[segment_id]
    segments.update(zip(made, groups, strict=True))
    return replaced


def group_runs(
    tips: Held, segments: Mapping[SegmentId, Held]
) -> tuple[list[dict[RunId, ObjectId]], dict[SegmentId, Held]]:
    """Returns how runs are best spread over new segments, and which segments those replace.

    Full segments first. What is left over takes in those smaller segments that are no larger than what it has by then,
    as long as it fits: so each run is written again a few times only, and few small segments remain.
    """
    ordered = sorted(tips)
    full = len(ordered) // MAX_SEGMENT_RUNS * MAX_SEGMENT_RUNS
    groups = [
        {run_id: tips[run_id] for run_id in ordered[place : place + MAX_SEGMENT_RUNS]}
        for place in range(0, full, MAX_SEGMENT_RUNS)
    ]
    rest = {run_id: tips[run_id] for run_id in ordered[full:]}
    absorbed: dict[SegmentId, Held] = {}
    if rest:
        for segment_id, held in sorted(segments.items(), key=lambda item: (len(item[1]), item[0])):
            joined = {**held, **rest}
            fits = len(joined) <= MAX_SEGMENT_RUNS and len(held) <= len(rest)
            if not fits:
                break
            if any(held[run_id] != tips[run_id] and run_id not in rest for run_id in held.keys() & tips.keys()):
                continue
            rest, absorbed[segment_id] = joined, held
        groups.append(rest)
    return groups, absorbed


def covered_by(held: Held, other: Held, newest: Callable[[Iterable[ObjectId]], Sequence[ObjectId]]) -> bool:
    """Returns whether each run of a segment is in another one at that tip or a later one."""
    return all(
        run_id in other and (other[run_id] == tip or tuple(newest({tip, other[run_id]})) == (other[run_id],))
        for run_id, tip in held.items()
    )
