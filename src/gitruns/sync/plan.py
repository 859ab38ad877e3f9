"""What a push would do: what is here and not on the remote, less what stays home.

The remote is what was last seen of it, so a plan takes no network, and where nothing has changed it takes no time
either: refs are compared by name and commit, segments by name alone, because they never change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitruns.entities.ids import ExperimentId, ObjectId, RunId, SegmentId
from gitruns.entities.run import Run
from gitruns.entities.source import Source
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.glance import Glancer
from gitruns.gitstore.transport import Moved
from gitruns.sync.published import Publishing
from gitruns.sync.records import builds_on, may_travel
from gitruns.sync.report import Held, PublicFile, Selection, wants
from gitruns.sync.state import State

if TYPE_CHECKING:
    from gitruns.repo import Repo

LOOSE_AT_MOST = 200
"""Runs out of a segment that must not travel whole go as refs of their own, or, above so many, as a segment."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """What to send: `runs` with their tips, and the refs to move. `ahead` are refs that the remote has moved.

    `subsets` are segments to be made of the runs that may travel out of larger ones. `files` are those of snapshots.
    """

    runs: dict[RunId, ObjectId] = field(default_factory=dict)
    loose: dict[RunId, ObjectId] = field(default_factory=dict)
    purged: dict[RunId, ObjectId] = field(default_factory=dict)
    segments: list[SegmentId] = field(default_factory=list)
    subsets: list[dict[RunId, ObjectId]] = field(default_factory=list)
    experiments: dict[ExperimentId, ObjectId] = field(default_factory=dict)
    models: dict[str, ObjectId] = field(default_factory=dict)
    records: dict[str, ObjectId] = field(default_factory=dict)
    held: dict[RunId, Held] = field(default_factory=dict)
    files: list[PublicFile] = field(default_factory=list)
    ahead: set[str] = field(default_factory=set)

    def moves(self, known: Mapping[str, ObjectId]) -> list[Moved]:
        """Returns the refs to move on the remote: names first, so that whoever sees a run can name its experiment."""
        wanted: dict[str, ObjectId] = {refs.experiment_ref(one): tip for one, tip in self.experiments.items()}
        wanted.update({refs.run_ref(one): tip for one, tip in (*self.purged.items(), *self.loose.items())})
        wanted.update({refs.archive_ref(one): ObjectId(one) for one in self.segments})
        wanted.update(self.models)
        wanted.update(self.records)
        return [Moved(ref=ref, new=tip, old=known.get(ref)) for ref, tip in wanted.items() if known.get(ref) != tip]


class Planner:
    """Plans pushes of one repository to one remote. What was judged once in a push is not judged again."""

    def __init__(
        self,
        repo: Repo,
        state: State,
        publishing: Publishing,
        *,
        selection: Selection | None,
        with_source: bool,
        policy: str | None,
        restore: bool,
    ) -> None:
        self._repo = repo
        self._store = repo.store
        self._state = state
        self._publishing = publishing
        self._selection = selection
        self._with_source = with_source
        self._policy = policy
        self._restore = restore
        self._allowed: dict[RunId, ObjectId] = {}
        self.glancer = Glancer(repo.store.backend)

    def is_published(self, commit: ObjectId) -> bool:
        """Returns whether a commit is published on the remote, or may be with what goes there."""
        return self._with_source or self._publishing.is_published(commit)

    def plan(self) -> Plan:
        """Returns what to push now."""
        plan = Plan()
        loose = self._loose(plan)
        archived = self._archived(loose)
        fresh = {one: tip for tips in archived.values() for one, tip in tips.items()}
        self._judge(plan, {**fresh, **loose})
        for run_id, tip in loose.items():
            if run_id not in plan.held:
                plan.loose[run_id] = plan.runs[run_id] = tip
        for segment_id, tips in archived.items():
            self._place_segment(plan, segment_id, tips)
        self._experiments(plan)
        self._models(plan)
        self._records(plan)
        return plan

    # Runs with refs of their own

    def _loose(self, plan: Plan) -> dict[RunId, ObjectId]:
        known, found = self._state.known, {}
        for run_id, tip in self._store.loose_run_tips().items():
            ref = refs.run_ref(run_id)
            if known.get(ref) == tip or not wants(self._selection, run_id):
                continue
            if self._is_redundant(run_id, tip):
                continue
            if self._is_unreadable(plan, run_id, tip) or self._is_held_for_the_remote(plan, run_id, ref, tip):
                continue
            if self._is_purge(tip):
                plan.purged[run_id] = tip
            else:
                found[run_id] = tip
        if self._selection is not None:
            found.update(self._chosen_from_archive(found))
        return found

    def _is_redundant(self, run_id: RunId, tip: ObjectId) -> bool:
        """Returns whether the archive, here or on the remote, has a run at this commit or a later one."""
        found = {at for segment_id in self._segments_seen() if (at := self._find(segment_id, run_id)) is not None}
        return bool(found) and (tip in found or tip not in self._store.newest_tips({tip, *found}))

    def _is_held_for_the_remote(self, plan: Plan, run_id: RunId, ref: str, tip: ObjectId) -> bool:
        old = self._state.known.get(ref)
        if not self._restore:
            for reason, refs_held in (("lost", self._state.lost), ("rewritten", self._state.rewritten)):
                if ref in refs_held:
                    plan.held[run_id] = Held(run_id=run_id, reason=reason)
                    return True
        if old is None or self._comes_after(run_id, tip, old):
            return False
        if ref in self._state.quarantined or ref in self._state.waiting:
            plan.held[run_id] = Held(run_id=run_id, reason="not-merged")
        else:
            plan.ahead.add(ref)
        return True

    def _comes_after(self, run_id: RunId, tip: ObjectId, old: ObjectId) -> bool:
        """Returns whether it is known here that `old` is in the history of `tip`, so that nothing is overwritten."""
        if not self._store.backend.has_object(old):
            return False
        try:
            return self._store.newest_tips((old, tip)) == (tip,) or self._is_purge(tip)
        except GitRunsError:
            return False

    def _chosen_from_archive(self, loose: Collection[RunId]) -> dict[RunId, ObjectId]:
        assert self._selection is not None  # noqa: S101  asked before
        found = {}
        for run_id in self._selection.run_ids:
            tip = None if run_id in loose else self._store.run_tip(run_id)
            on_remote = tip is not None and (
                self._state.known.get(refs.run_ref(run_id)) == tip or self._is_in_known_segment(run_id, tip)
            )
            if tip is not None and not on_remote and not self._is_purge(tip):
                found[run_id] = tip
        return found

    # The archive

    def _segments_seen(self) -> list[SegmentId]:
        known = [one for ref in self._state.known if (one := refs.segment_id_of(ref)) is not None]
        return list(dict.fromkeys([*self._store.segments(), *known]))

    def _find(self, segment_id: SegmentId, run_id: RunId) -> ObjectId | None:
        try:
            return self._store.read_segment(segment_id).find(run_id)
        except GitRunsError:
            return None

    def _is_in_known_segment(self, run_id: RunId, tip: ObjectId) -> bool:
        known = (refs.segment_id_of(ref) for ref in self._state.known)
        return any(one is not None and self._find(one, run_id) == tip for one in known)

    def _is_archived_there(self, run_id: RunId, tip: ObjectId) -> bool:
        """Returns whether a segment of the remote has a run at that commit or a later one."""
        known = (refs.segment_id_of(ref) for ref in self._state.known)
        found = {at for one in known if one is not None and (at := self._find(one, run_id)) is not None}
        return tip in found or (bool(found) and tip not in self._store.newest_tips({tip, *found}))

    def _archived(self, loose: Mapping[RunId, ObjectId]) -> dict[SegmentId, dict[RunId, ObjectId]]:
        """Returns the segments that the remote does not have, each with those of its runs that it does not have."""
        if self._selection is not None:
            return {}
        found: dict[SegmentId, dict[RunId, ObjectId]] = {}
        for segment_id in self._store.segments():
            ref = refs.archive_ref(segment_id)
            if ref in self._state.known or (ref in self._state.lost and not self._restore):
                continue
            tips = self._store.read_segment(segment_id)
            found[segment_id] = {
                run_id: tips[run_id]
                for run_id in tips
                if self._state.known.get(refs.run_ref(run_id)) != tips[run_id]
                and not self._is_in_known_segment(run_id, tips[run_id])
            }
        return found

    def _place_segment(self, plan: Plan, segment_id: SegmentId, fresh: Mapping[RunId, ObjectId]) -> None:
        """Sends a segment whole when all of its runs may travel, else those that may."""
        tips = self._store.read_segment(segment_id)
        purged = {run_id for run_id in tips if self._is_purged_here(run_id)}
        going = {one: tip for one, tip in fresh.items() if one not in plan.held and one not in purged}
        plan.runs.update({one: tip for one, tip in going.items() if one not in plan.runs})
        if len(going) == len(fresh) and not purged:
            if any(not self._is_archived_there(one, tips[one]) for one in tips):
                plan.segments.append(segment_id)
        elif len(going) <= LOOSE_AT_MOST:
            plan.loose.update({one: tip for one, tip in going.items() if one not in plan.loose})
        else:
            plan.subsets.append(going)

    def _is_purged_here(self, run_id: RunId) -> bool:
        own = self._store.backend.read_ref(refs.run_ref(run_id))
        return own is not None and self._is_purge(own)

    # What may travel

    def _judge(self, plan: Plan, tips: Mapping[RunId, ObjectId]) -> None:
        unknown = {one: tip for one, tip in tips.items() if self._allowed.get(one) != tip}
        sources = dict(self._sources(plan, unknown))
        verdict = self._publishing.judge(sources, with_source=self._with_source, policy=self._policy)
        plan.held.update(verdict.held)
        plan.files += verdict.files
        self._allowed.update({one: tip for one, tip in unknown.items() if one not in plan.held})

    def _sources(self, plan: Plan, tips: Mapping[RunId, ObjectId]) -> Iterable[tuple[RunId, Source]]:
        for run_id, tip in tips.items():
            if self._is_unreadable(plan, run_id, tip):
                continue
            source = self.glancer.at(tip).source
            if source is not None:
                yield run_id, source

    def _is_unreadable(self, plan: Plan, run_id: RunId, tip: ObjectId) -> bool:
        """Returns whether a run cannot be looked at; then it stays here, and keeps no other."""
        try:
            self.glancer.at(tip)
        except (CorruptDataError, NotFoundError):
            plan.held[run_id] = Held(run_id=run_id, reason="unreadable")
            return True
        return False

    def _is_purge(self, tip: ObjectId) -> bool:
        return self.glancer.at(tip).source is None

    # What goes with runs

    def _experiments(self, plan: Plan) -> None:
        chosen = None
        if self._selection is not None:
            runs = self._store.read_listed(plan.runs.values())
            chosen = {run.info.experiment_id for run in runs if isinstance(run, Run)}
        for experiment_id, tip in self._store.experiment_tips().items():
            ref = refs.experiment_ref(experiment_id)
            if self._state.known.get(ref) == tip or (chosen is not None and experiment_id not in chosen):
                continue
            if self._may_move(plan, ref, tip):
                plan.experiments[experiment_id] = tip

    def _models(self, plan: Plan) -> None:
        if self._selection is not None:
            return
        for ref, tip in self._store.backend.list_refs(refs.MODELS).items():
            if self._state.known.get(ref) != tip and self._may_move(plan, ref, tip):
                plan.models[ref] = tip

    def _records(self, plan: Plan) -> None:
        if self._selection is not None or not may_travel(self._store):
            return
        for ref, tip in self._store.backend.list_refs(refs.RECORDS).items():
            old = self._state.known.get(ref)
            held = () if self._restore else (*self._state.lost, *self._state.rewritten)
            if old == tip or ref in held or refs.records_writer_of(ref) is None:
                continue
            if old is None or builds_on(self._repo, old, tip):
                plan.records[ref] = tip
            elif ref not in self._state.quarantined and ref not in self._state.waiting:
                plan.ahead.add(ref)

    def _may_move(self, plan: Plan, ref: str, tip: ObjectId) -> bool:
        old = self._state.known.get(ref)
        if old is None or self._comes_after(RunId(""), tip, old):
            return self._restore or ref not in self._state.lost
        if ref not in self._state.quarantined and ref not in self._state.waiting:
            plan.ahead.add(ref)
        return False
