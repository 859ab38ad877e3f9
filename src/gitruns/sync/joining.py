"""Takes what a mirror holds into the clone: looked at, merged with what is here, moved by compare-and-set.

Nothing local is ever deleted or overwritten: a ref only moves to a commit that comes after it, or to the tombstone of a
purged run. One bad entry keeps none of the others from coming.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gitruns.entities.ids import ExperimentId, ObjectId, RunId, SegmentId, WriterId
from gitruns.entities.stamp import FAR_AHEAD_MS
from gitruns.errors import ConflictError, CorruptDataError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.objects import decode_commit
from gitruns.gitstore.validation import Validator
from gitruns.sync.mirror import Mirror, is_shallow
from gitruns.sync.models import ModelRefs
from gitruns.sync.moves import LocalMove, move_refs
from gitruns.sync.records import look_at, take_in
from gitruns.sync.report import Bad, Selection, wants

if TYPE_CHECKING:
    from gitruns.repo import Repo

_ATTEMPTS = 20
_NEAR = 32
"""Of a run that is here so many of the latest commits are known as good, so a long history is not looked at again."""

Tell = Callable[[str, int, "int | None"], None]


@dataclass(slots=True)
class Joined:
    """What came in."""

    new: list[RunId] = field(default_factory=list)
    changed: list[RunId] = field(default_factory=list)
    purged: list[RunId] = field(default_factory=list)
    segments: int = 0
    experiments: int = 0
    models: int = 0
    records: int = 0
    bad: list[Bad] = field(default_factory=list)
    waiting: list[Bad] = field(default_factory=list)


class Joiner:
    """Joins refs of one mirror into one repository; `now_ms` is our clock."""

    def __init__(self, repo: Repo, mirror: Mirror, now_ms: int, tell: Tell | None = None) -> None:
        self._repo = repo
        self._store = repo.store
        self._mirror = mirror
        self._now_ms = now_ms
        self._tell = tell
        self._here = dict(repo.store.run_tips())
        self._validator = Validator(
            repo.store.backend, shallow=is_shallow(repo.store), trusted=set(self._here.values())
        )
        self.joined = Joined()

    def join(self, mirrored: Mapping[str, ObjectId], selection: Selection | None = None) -> Joined:
        """Takes in refs of the mirror (by the names that the remote has for them), as far as they are good."""
        if selection is None:
            self._segments(mirrored)
            self._experiments(mirrored)
            self._models(mirrored)
            self._records(mirrored)
        loose = {run_id: oid for ref, oid in mirrored.items() if (run_id := refs.run_id_of(ref)) is not None}
        self._runs({run_id: oid for run_id, oid in loose.items() if wants(selection, run_id)}, refs.run_ref)
        if selection is not None:
            self._chosen_from_segments(mirrored, selection)
        return self.joined

    # Runs

    def _runs(self, tips: Mapping[RunId, ObjectId], ref_of: Callable[[RunId], str]) -> None:
        unknown = {run_id: oid for run_id, oid in tips.items() if not self._is_known(run_id, oid)}
        self._mirror.complete(unknown.values())
        created: list[LocalMove] = []
        for done, (run_id, tip) in enumerate(unknown.items()):
            if self._tell is not None and done % 64 == 0:
                self._tell("checking runs", done, len(unknown))
            if run_id in self._here:
                self._validator.trust(self._latest(self._here[run_id]))
            if not self._is_good(run_id, tip, ref_of(run_id)):
                continue
            if run_id not in self._here:
                created.append(LocalMove(refs.run_ref(run_id), tip, None))
            else:
                self._try(ref_of(run_id), tip, partial(self._merge_run, run_id, tip))
        self._create(created)

    def _latest(self, tip: ObjectId) -> set[ObjectId]:
        """Returns a tip of ours and commits right before it."""
        found, waiting = {tip}, [tip]
        while waiting and len(found) < _NEAR:
            oid = waiting.pop(0)
            if self._store.backend.has_object(oid):
                more = set(decode_commit(self._store.backend.read_object(oid)[1], oid).parents) - found
                found |= more
                waiting += sorted(more)
        return found

    def _is_known(self, run_id: RunId, tip: ObjectId) -> bool:
        return self._here.get(run_id) == tip or (run_id in self._here and tip in self._store.tips_of(run_id))

    def _create(self, created: Collection[LocalMove]) -> None:
        failed = set(move_refs(self._store, created))
        for move in created:
            run_id = refs.run_id_of(move.ref)
            assert run_id is not None and move.new is not None  # noqa: S101  made so above
            if move in failed:
                self._try(move.ref, move.new, partial(self._merge_run, run_id, move.new))
                continue
            is_purged = self._validator.run(run_id, move.new).purged
            (self.joined.purged if is_purged else self.joined.new).append(run_id)
            self._here[run_id] = move.new

    def _is_good(self, run_id: RunId, tip: ObjectId, ref: str) -> bool:
        """Returns whether a tip may come in; what is wrong with it, or until when it waits, is noted."""
        try:
            seen = self._validator.run(run_id, tip)
        except (CorruptDataError, NotFoundError) as error:
            self._note_bad(ref, tip, error)
            return False
        return self._is_time(ref, tip, seen.newest_ms)

    def _is_time(self, ref: str, tip: ObjectId, newest_ms: int) -> bool:
        if newest_ms <= self._now_ms + FAR_AHEAD_MS:
            return True
        minutes = (newest_ms - self._now_ms) // 60_000
        self.joined.waiting.append(
            Bad(
                ref=ref,
                oid=tip,
                kind="ahead-of-time",
                reason=f"it was edited by a clock that is {minutes} minutes ahead of ours",
                until_ms=newest_ms - FAR_AHEAD_MS,
            )
        )
        return False

    def _merge_run(self, run_id: RunId, tip: ObjectId) -> None:
        for _ in range(_ATTEMPTS):
            tips = self._store.tips_of(run_id)
            if len(tips) == 1 and not is_shallow(self._store) and self._mirror.follows(tips[0], tip):
                merged = tip
            else:
                merged = self._mirror.deepened(partial(self._store.merge_run_tips, {*tips, tip}))
            if merged in tips and (len(tips) == 1 or merged != tip):
                return
            try:
                self._store.set_run_tip(run_id, merged, self._store.run_tip(run_id))
            except ConflictError:
                continue
            is_purged = merged == tip and self._validator.run(run_id, tip).purged
            target = self.joined.changed if run_id in self._here else self.joined.new
            (self.joined.purged if is_purged else target).append(run_id)
            self._here[run_id] = merged
            return
        raise ConflictError(f"cannot take in run '{run_id[:8]}': others keep changing it", kind="ref-moved")

    # Segments

    def _segments(self, mirrored: Mapping[str, ObjectId]) -> None:
        here = self._store.segments()
        found = {one: oid for ref, oid in mirrored.items() if (one := refs.segment_id_of(ref)) is not None}
        unknown = {one: oid for one, oid in found.items() if one not in here}
        self._mirror.complete(unknown.values())
        for done, (segment_id, oid) in enumerate(unknown.items()):
            if self._tell is not None:
                self._tell("checking segments", done, len(unknown))
            ref = refs.archive_ref(segment_id)
            self._try(ref, oid, partial(self._segment, segment_id, oid))

    def _segment(self, segment_id: SegmentId, oid: ObjectId) -> None:
        """Takes in a segment; of one with a bad run in it, the good ones as runs of their own."""
        self._validator.segment(segment_id, oid)
        tips = self._store.read_segment(segment_id)
        runs = {run_id: tips[run_id] for run_id in tips}
        before = dict(self._here)
        self._mirror.complete([tip for run_id, tip in runs.items() if before.get(run_id) != tip])
        ref = refs.archive_ref(segment_id)
        good = {
            run_id: tip
            for run_id, tip in runs.items()
            if before.get(run_id) == tip or self._is_good(run_id, tip, f"{ref}:{run_id}")
        }
        if len(good) < len(runs):
            self._runs(good, lambda run_id: f"{ref}:{run_id}")
            return
        if self._is_covered(runs):
            return
        # A ref of that name at another commit holds nothing: somebody has rewritten all history here.
        if move_refs(self._store, [LocalMove(ref, oid, self._store.backend.read_ref(ref))]):
            return
        self.joined.segments += 1
        for run_id, tip in runs.items():
            if run_id not in before:
                self.joined.new.append(run_id)
            elif before[run_id] != tip and self._store.run_tip(run_id) != before[run_id]:
                self.joined.changed.append(run_id)
            else:
                continue
            self._here[run_id] = tip

    def _is_covered(self, runs: Mapping[RunId, ObjectId]) -> bool:
        """Returns whether one segment here has all of these runs at these tips: then this one is redundant."""
        run_id, tip = next(iter(runs.items()))
        for segment_id in self._store.segments():
            segment = self._store.read_segment(segment_id)
            if segment.find(run_id) == tip and all(segment.find(one) == oid for one, oid in runs.items()):
                return True
        return False

    def _chosen_from_segments(self, mirrored: Mapping[str, ObjectId], selection: Selection) -> None:
        """Takes runs out of segments that were not taken in whole, as runs of their own."""
        for ref, oid in mirrored.items():
            segment_id = refs.segment_id_of(ref)
            if segment_id is None:
                continue

            def take(segment_id: SegmentId = segment_id, oid: ObjectId = oid, ref: str = ref) -> None:
                self._validator.segment(segment_id, oid)
                segment = self._store.read_segment(segment_id)
                found = {one: tip for one in selection.run_ids if (tip := segment.find(one)) is not None}
                self._runs(found, lambda run_id: f"{ref}:{run_id}")

            self._try(ref, oid, take)

    # Experiments and models

    def _experiments(self, mirrored: Mapping[str, ObjectId]) -> None:
        here = self._store.experiment_tips()
        for ref, tip in mirrored.items():
            experiment_id = refs.experiment_id_of(ref)
            if experiment_id is not None and here.get(experiment_id) != tip:
                self._mirror.complete([tip])
                self._try(ref, tip, partial(self._experiment, experiment_id, tip, ref))

    def _experiment(self, experiment_id: ExperimentId, tip: ObjectId, ref: str) -> None:
        if not self._is_time(ref, tip, self._validator.experiment(experiment_id, tip).newest_ms):
            return
        for _ in range(_ATTEMPTS):
            here = self._store.experiment_tip(experiment_id)
            tips = (tip,) if here is None else (here, tip)
            merged = tip if here is None else self._mirror.deepened(partial(self._store.merge_experiment_tips, tips))
            if merged == here:
                return
            try:
                self._store.set_experiment_tip(experiment_id, merged, here)
            except ConflictError:
                continue
            self.joined.experiments += 1
            return
        raise ConflictError(f"cannot take in experiment '{experiment_id}': others keep changing it", kind="ref-moved")

    def _models(self, mirrored: Mapping[str, ObjectId]) -> None:
        models = ModelRefs(self._store, self._validator)
        for ref, tip in mirrored.items():
            if ref.startswith(refs.MODELS) and self._store.backend.read_ref(ref) != tip:
                self._mirror.complete([tip])
                self._try(ref, tip, partial(self._model, models, ref, tip))

    def _model(self, models: ModelRefs, ref: str, tip: ObjectId) -> None:
        if not self._is_time(ref, tip, models.newest_stamp_ms(ref, tip)):
            return
        for _ in range(_ATTEMPTS):
            here = self._store.backend.read_ref(ref)
            merged = tip if here is None else self._mirror.deepened(partial(models.merge, (here, tip)))
            if merged == here:
                return
            if not move_refs(self._store, [LocalMove(ref, merged, here)]):
                self.joined.models += 1
                return
        raise ConflictError(f"cannot take in '{ref}': others keep changing it", kind="ref-moved")

    # Records

    def _records(self, mirrored: Mapping[str, ObjectId]) -> None:
        here = self._store.records.tips()
        for ref, tip in mirrored.items():
            writer = refs.records_writer_of(ref)
            if writer is not None and here.get(writer) != tip:
                self._mirror.complete([tip])
                self._try(ref, tip, partial(self._record, writer, tip, ref))

    def _record(self, writer: WriterId, tip: ObjectId, ref: str) -> None:
        if self._is_time(ref, tip, look_at(self._store, writer, tip)):
            self.joined.records += take_in(self._repo, writer, tip)

    # What is wrong

    def _try(self, ref: str, oid: ObjectId, act: Callable[[], None]) -> None:
        try:
            act()
        except (CorruptDataError, NotFoundError) as error:
            self._note_bad(ref, oid, error)
        except InvalidInputError as error:  # a newer format is never merged, a merge can be too large
            self.joined.waiting.append(Bad(ref=ref, oid=oid, kind=error.kind, reason=error.message))

    def _note_bad(self, ref: str, oid: ObjectId, error: GitRunsError) -> None:
        self.joined.bad.append(Bad(ref=ref, oid=oid, kind=error.kind, reason=error.message))
