"""Pushes runs: artifacts first, then refs under leases; whoever was quicker is fetched and merged, and it goes on.

Nothing is overwritten that is not in the history of what replaces it. A push that is killed at any instant has left
only whole runs behind, and the next one goes on from there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from gitruns.artifacts import TransferProgress
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.errors import NotFoundError, RemoteError
from gitruns.gitstore import refs
from gitruns.gitstore.transport import Moved, Progress, Transport
from gitruns.repo.archiving import PUSH_ABOVE, archive_before_push
from gitruns.repo.claims import confirm_claims
from gitruns.repo.needed import Needed, joined_needs
from gitruns.sync.fetch import fetch_from, make_transport
from gitruns.sync.mirror import Mirror, is_ours
from gitruns.sync.plan import Plan, Planner
from gitruns.sync.published import Publishing, snapshot_policy
from gitruns.sync.records import blobs_in, has_unsealed
from gitruns.sync.remotes import Remote, choose_remote
from gitruns.sync.report import PushReport, Selection, select
from gitruns.sync.state import read_state, write_state
from gitruns.sync.tidy import folded_refs

if TYPE_CHECKING:
    from gitruns.repo import Repo

MAX_REJECTIONS = 10
_TOO_BUSY = f"others were quicker {MAX_REJECTIONS} times; the next push sends it"
_WAIT_S, _LONGEST_WAIT_S = 0.25, 30.0
_CALM_AFTER_MS = 60_000
"""When nobody was in the way for so long, nobody is any more."""

_REFUSING = (
    "hidden ref",
    "not allowed",
    "prohibited",
    "declined",
    "denied",
    "not permitted",
    "invalid ref",
    "funny ref",
)

Confirm = Callable[[str], bool]


def push(
    repo: Repo,
    remote: str | None = None,
    *,
    selection: Selection | None = None,
    with_source: bool = False,
    dry_run: bool = False,
    publishing: Collection[ObjectId] = (),
    snapshots: str | None = None,
    restore: bool = False,
    interactive: bool = True,
    deadline_s: float | None = None,
    confirm: Confirm | None = None,
    progress: Progress | None = None,
) -> PushReport:
    """Sends runs, their experiments and models to a remote; the second time there is nothing to do.

    `publishing` are commits that a `git push` around us is about to publish. `with_source` sends runs whose commits are
    on no remote, and these with them. `snapshots` says for once what `runs.publishSnapshots` says for good. `restore`
    puts back what the remote has lost. `confirm` is asked before an artifact store is used for the first time.
    Raises `RemoteError`; what a remote does not take of many refs is no error, but `refused` in the report.
    """
    target = choose_remote(repo, remote)
    transport = make_transport(repo, target, interactive=interactive, deadline_s=deadline_s, progress=progress)
    deadline = None if deadline_s is None else time.monotonic() + deadline_s
    pushing = _Pushing(repo, target, transport, deadline, confirm, progress)
    pushing.planner = Planner(
        repo,
        pushing.state,
        Publishing(repo, target, publishing),
        selection=selection,
        with_source=with_source,
        policy=snapshot_policy(repo, snapshots),
        restore=restore,
    )
    return pushing.dry_run() if dry_run else pushing.run(selection)


class _Pushing:
    """One push."""

    planner: Planner

    def __init__(
        self,
        repo: Repo,
        target: Remote,
        transport: Transport,
        deadline: float | None,
        confirm: Confirm | None,
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._store = repo.store
        self._target = target
        self._transport = transport
        self._deadline = deadline
        self._confirm = confirm
        self._progress = progress
        self.state = read_state(repo, target)
        self._mirror = Mirror(repo.store, target, transport)
        self._report = PushReport(remote=target.shown)
        self._sent: dict[RunId, ObjectId] = {}
        self._uploaded: dict[RunId, ObjectId] = {}

    def dry_run(self) -> PushReport:
        """Returns what a push would do, as far as can be told without one; the remote is listed and not written."""
        self._report.dry_run = True
        self._see()
        plan = self.planner.plan()
        self._note(plan)
        self._report.runs = tuple(plan.runs)
        self._report.experiments, self._report.models = len(plan.experiments), len(plan.models)
        self._report.segments = len(plan.segments) + len(plan.subsets)
        self._report.records = len(plan.records) or int(has_unsealed(self._repo))
        needed = {**self._needed(plan.runs), **blobs_in(self._repo, plan.records, self.state.known)}
        self._report.artifacts.pending = dict(needed)
        return self._report

    def run(self, selection: Selection | None) -> PushReport:
        """Pushes until the remote has everything, and returns what was done."""
        self._repo.records.recover(force=True)
        if not self.state.probed:
            self._see()
        self._give_way()
        while True:
            plan = self._folded(self.planner.plan(), selection)
            self._upload(plan)
            stale = set(plan.ahead) or self._send(plan)
            if not stale:
                if self._settle_numbers():
                    continue  # the models say so now, and go once more
                break
            self._report.rejections += 1
            if self._report.rejections == MAX_REJECTIONS:
                self._report.refused.update(dict.fromkeys(sorted(stale), _TOO_BUSY))
                break
            self._meet()
            self._catch_up(stale)
        self._note(plan)
        self._report.runs = tuple(self._sent)
        self._tidy()
        return self._report

    def _settle_numbers(self) -> bool:
        """Lets the remote decide on numbers of versions, where it is the one that does; returns whether it gave any.

        Runs and code have gone before, and those that stay home keep their versions there too.
        """
        if self._repo.models.decider() != self._target.address:
            return False
        try:
            claims = confirm_claims(
                self._repo, self._target.address, transport=self._transport, may_publish=self.planner.is_published
            )
        except RemoteError as error:
            self._report.numbers = (f"numbers of versions stay unconfirmed: {error}",)
            return False
        if claims.confirmed or not self._report.numbers:
            self._report.numbers += tuple(claims.lines())
        self._report.models -= min(len({one.model_id for one in claims.confirmed}), self._report.models)  # sent again
        return bool(claims.confirmed)

    # Before

    def _see(self) -> None:
        """Looks at what the remote has: a first push must know, and a dry run shall not be wrong."""
        listed = self._transport.list_refs(refs.RUNS + "*")
        self.state.known = {ref: oid for ref, oid in listed.items() if is_ours(ref)}
        if self.state.known:
            self.state.probed = True
        if any(
            refs.segment_id_of(ref) and not self._store.backend.has_object(oid) for ref, oid in self.state.known.items()
        ):
            # What is in a segment that was never fetched cannot be known, nor what has to be sent.
            fetch_from(self._repo, self._target, self._transport, progress=self._progress)
            self._reread()

    def _reread(self) -> None:
        fresh = read_state(self._repo, self._target)
        for name in ("known", "lost", "rewritten", "quarantined", "waiting", "probed"):
            setattr(self.state, name, getattr(fresh, name))

    def _folded(self, plan: Plan, selection: Selection | None) -> Plan:
        """Returns the plan after many new runs were archived: one ref for a thousand of them."""
        new = [one for one in plan.loose if refs.run_ref(one) not in self.state.known]
        if selection is None and len(new) > PUSH_ABOVE and archive_before_push(self._repo, new) is not None:
            return self.planner.plan()
        return plan

    def _note(self, plan: Plan) -> None:
        self._report.held = tuple(plan.held.values())
        self._report.files = tuple(plan.files) or self._report.files

    # Others at the same refs

    def _give_way(self) -> None:
        """Lets others go first where many move the same refs, so that each of them is rejected a few times only.

        How long is doubled by each rejection and shrinks with each push, so it finds the measure of how many they are.
        Who was rejected waits less the next time: otherwise those who won would win again and again.
        """
        state = self.state
        if time.time_ns() // 1_000_000 - state.busy_at_ms > _CALM_AFTER_MS:
            state.busy_s = 0.0
        if state.busy_s and any(move.old is not None for move in self.planner.plan().moves(state.known)):
            self._wait(state.busy_s)
            self._catch_up(())
            self.state.busy_s = self.state.busy_s * 0.9 if self.state.busy_s > _WAIT_S else 0.0

    def _meet(self) -> None:
        self.state.busy_s = min(max(2 * self.state.busy_s, _WAIT_S), _LONGEST_WAIT_S)
        self._wait(self.state.busy_s / 2**self._report.rejections)

    def _catch_up(self, stale: Collection[str]) -> None:
        """Fetches and merges; of runs that others have moved only these, because the next attempt shall be quick."""
        runs = [run_id for ref in stale if (run_id := refs.run_id_of(ref)) is not None]
        self._report.fetched = fetch_from(
            self._repo,
            self._target,
            self._transport,
            selection=select(runs) if runs and len(runs) == len(stale) else None,
            progress=self._progress,
        )
        busy_s = self.state.busy_s
        self._reread()
        self.state.busy_s, self.state.busy_at_ms = busy_s, time.time_ns() // 1_000_000

    def _wait(self, longest: float) -> None:
        if self._progress is not None:
            self._progress("waiting for others who push", 0, None)
        if self._deadline is not None:
            longest = min(longest, max(self._deadline - time.monotonic(), 0))
        time.sleep(random.uniform(0, longest))  # noqa: S311  only so that clones do not come back together

    # Artifacts

    def _upload(self, plan: Plan) -> None:
        fresh = {one: tip for one, tip in plan.runs.items() if self._uploaded.get(one) != tip}
        needed = self._needed(fresh)
        blobs = blobs_in(self._repo, plan.records, self.state.known)
        if blobs:
            needed = joined_needs(Needed(blobs, {}), needed)
        left_s = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        if not needed and (self._uploaded or not self._repo.pending_artifacts()):
            return

        def tell(at: TransferProgress) -> None:
            if self._progress is not None:
                self._progress(at.what, at.bytes_done, at.bytes)

        found = self._repo.upload_artifacts(needed, progress=tell, deadline_s=left_s, confirm=self._confirm)
        self._uploaded.update(fresh)
        sizes = {**self._repo.pending_artifacts(), **needed}
        report = self._report.artifacts
        report.uploaded += len(found.uploaded)
        report.present += len(found.present)
        report.uploaded_bytes += found.bytes
        report.pending = {digest: sizes.get(digest, 0) for digest in found.pending}
        report.missing = tuple(sorted({*report.missing, *found.missing}))
        report.hint = found.advice or None
        report.why = found.problems[0].message if found.problems else None

    def _needed(self, tips: Mapping[RunId, ObjectId]) -> Needed:
        def runs() -> Sequence[Run]:
            found = []
            for tip in tips.values():
                if not self.planner.glancer.at(tip).has_artifacts:
                    continue
                try:
                    found.append(self._store.read_run(tip))
                except NotFoundError:  # purged
                    continue
            return found

        return self._repo.needed_digests(runs())

    # Refs

    def _send(self, plan: Plan) -> set[str]:
        """Sends a plan; returns the refs that somebody else has moved meanwhile."""
        for subset in plan.subsets:
            plan.segments += self._store.write_segments([subset])
        moves = plan.moves(self.state.known)
        if not moves:
            return set()
        probed = set() if self.state.probed else self._probe(moves[0])
        answer = self._transport.push([move for move in moves if move.ref not in probed])
        self._learn(moves, answer.done)
        self._report.refused.update(answer.refused)
        self._count(plan, answer.done | probed)
        return set(answer.stale)

    def _probe(self, move: Moved) -> set[str]:
        """Pushes one ref alone and returns it: a host that takes no refs of runs says so before all is sent."""
        answer = self._transport.push([move])
        why = answer.refused.get(move.ref)
        if why is not None:
            raise RemoteError(
                f"'{self._target.shown}' does not take refs of runs: {why}",
                kind="runs-refused",
                hint="share runs through a repository only for them: git config runs.remote <url>",
                ref=move.ref,
            )
        self.state.probed = bool(answer.done)
        self._learn([move], answer.done)
        return answer.done

    def _learn(self, moves: Collection[Moved], done: Collection[str]) -> None:
        """Notes what the remote has now, in the state and in the mirror."""
        taken = {move.ref: move.new for move in moves if move.ref in done}
        for ref, oid in taken.items():
            if oid is None:
                self.state.known.pop(ref, None)
            else:
                self.state.known[ref] = oid
            self.state.lost.pop(ref, None)
            self.state.rewritten.pop(ref, None)
        if taken:
            self._mirror.note(taken, self._mirror.refs())
            write_state(self._repo, self._target, self.state)

    def _count(self, plan: Plan, done: Collection[str]) -> None:
        report, known = self._report, self.state.known
        there = {ref for ref in done if ref in known}
        report.experiments += sum(refs.experiment_ref(one) in there for one in plan.experiments)
        report.models += sum(ref in there for ref in plan.models)
        report.records += sum(ref in there for ref in plan.records)
        segments = [one for one in plan.segments if refs.archive_ref(one) in there]
        report.segments += len(segments)
        report.purged += tuple(one for one in plan.purged if refs.run_ref(one) in there)
        self._sent.update({one: tip for one, tip in plan.loose.items() if known.get(refs.run_ref(one)) == tip})
        for segment_id in segments:
            tips = self._store.read_segment(segment_id)
            self._sent.update({one: tips[one] for one in tips if one in plan.runs})

    def _tidy(self) -> None:
        """Takes refs off the remote whose runs are in a segment there; where that is not allowed they do no harm."""
        for _ in range(3):
            gone = folded_refs(self._store, self.state)
            if not gone:
                return
            moves = [Moved(ref=ref, new=None, old=oid) for ref, oid in gone.items()]
            try:
                answer = self._transport.push(moves)
            except RemoteError as error:
                if error.retryable:
                    return
                # git refuses all of them when one is not there any more: somebody else has tidied as well.
                listed = self._transport.list_refs(refs.RUNS + "*")
                absent = [move.ref for move in moves if move.ref not in listed]
                self._learn(moves, absent)
                if not absent:
                    return
                continue
            self._learn(moves, answer.done)
            self._report.folded += len(answer.done)
            return
