"""Fetches runs: into the mirror, looked at entry by entry, then merged with what is here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.errors import GitRunsError, RemoteError
from gitruns.gitstore import refs
from gitruns.gitstore.transport import Progress, Transport
from gitruns.repo.claims import fetch_version_tags
from gitruns.sync.joining import Joined, Joiner
from gitruns.sync.mirror import Mirror, is_ours
from gitruns.sync.moves import LocalMove, moved
from gitruns.sync.records import keeps_all
from gitruns.sync.remotes import Remote, choose_remote
from gitruns.sync.report import Bad, FetchReport, Selection, wants
from gitruns.sync.state import read_state, write_state
from gitruns.sync.watching import mirror_checkpoints

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.repo import Repo

_LISTINGS = 3


def fetch(
    repo: Repo,
    remote: str | None = None,
    *,
    selection: Selection | None = None,
    take: bool = False,
    interactive: bool = True,
    deadline_s: float | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Brings the runs of others and merges them with those here; nothing local is ever deleted.

    `selection` takes in only these runs. `take` accepts, for the runs of the selection (or all), what the remote made
    of them: one that it has lost goes here too, one that it rewrote gets its state. Raises `RemoteError`.
    """
    target = choose_remote(repo, remote)
    transport = make_transport(repo, target, interactive=interactive, deadline_s=deadline_s, progress=progress)
    return fetch_from(repo, target, transport, selection=selection, take=take, progress=progress)


def make_transport(
    repo: Repo, target: Remote, *, interactive: bool, deadline_s: float | None, progress: Progress | None
) -> Transport:
    """Returns the way to a remote, open for `deadline_s` seconds from now."""
    deadline = None if deadline_s is None else time.monotonic() + deadline_s
    store = repo.store
    return Transport(
        store.git, store.config, target.address, interactive=interactive, deadline=deadline, progress=progress
    )


def fetch_from(
    repo: Repo,
    target: Remote,
    transport: Transport,
    *,
    selection: Selection | None = None,
    take: bool = False,
    progress: Progress | None = None,
) -> FetchReport:
    """Does what `fetch` does, over a way that is open."""
    return _Fetching(repo, target, transport, selection, progress).run(take=take)


class _Fetching:
    """One fetch."""

    def __init__(
        self,
        repo: Repo,
        target: Remote,
        transport: Transport,
        selection: Selection | None,
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._target = target
        self._transport = transport
        self._selection = selection
        self._progress = progress
        self._mirror = Mirror(repo.store, target, transport)
        self._state = read_state(repo, target)

    def run(self, *, take: bool) -> FetchReport:
        """Returns what came."""
        there = self._bring()
        mirrored = {ref: oid for ref, oid in self._mirror.refs().items() if there.get(ref) == oid}
        self._notice_changes(there)
        taken = self._take(there) if take else ()
        held = self._state.rewritten
        joiner = Joiner(self._repo, self._mirror, time.time_ns() // 1_000_000, self._progress)
        taken_in = {ref: oid for ref, oid in mirrored.items() if ref not in held or refs.records_writer_of(ref)}
        joined = joiner.join(taken_in, self._selection)
        if self._repo.models.decider() == self._target.address:
            with suppress(RemoteError):  # the next fetch asks again
                fetch_version_tags(self._repo, self._target.address, transport=self._transport)
        self._remember(there, joined)
        return self._report(joined, taken)

    def _bring(self) -> Mapping[str, ObjectId]:
        """Returns the refs of the remote, now mirrored; listed anew when one went while it was fetched."""
        for last in (*[False] * (_LISTINGS - 1), True):
            listed = self._transport.list_refs(refs.RUNS + "*")
            there = {ref: oid for ref, oid in listed.items() if is_ours(ref) and self._is_wanted(ref)}
            self._mirror.broken.clear()
            self._mirror.bring(there)
            vanished = [
                ref
                for ref, error in self._mirror.broken.items()
                if isinstance(error, RemoteError) and error.kind == "remote-ref-moved"
            ]
            if not vanished or last:
                break
        gone = {ref: None for ref in self._mirror.refs() if ref not in listed and is_ours(ref)}
        self._mirror.note(gone, self._mirror.refs())
        with suppress(GitRunsError):  # a checkpoint is gone or moved a moment later: nobody waits for that
            mirror_checkpoints(self._repo.store, self._target, self._transport, listed)
        return there

    def _is_wanted(self, ref: str) -> bool:
        run_id = refs.run_id_of(ref)
        return run_id is None or wants(self._selection, run_id)

    # What changed there in ways that a person should know

    def _notice_changes(self, there: Mapping[str, ObjectId]) -> None:
        state = self._state
        gone = {ref: oid for ref, oid in state.known.items() if ref not in there and self._is_wanted(ref)}
        state.lost.update({ref: oid for ref, oid in gone.items() if self._is_missed(ref, oid, there)})
        state.lost = {
            ref: oid for ref, oid in state.lost.items() if ref not in there and self._is_missed(ref, oid, there)
        }
        for ref, new in there.items():
            old = state.known.get(ref)
            if old is not None and old != new and not self._follows(ref, old, new):
                state.rewritten[ref] = old
        state.rewritten = {
            ref: old
            for ref, old in state.rewritten.items()
            if ref in there and there[ref] != old and not self._follows(ref, old, there[ref])
        }

    def _follows(self, ref: str, old: ObjectId, new: ObjectId) -> bool:
        if refs.records_writer_of(ref) is not None:
            return keeps_all(self._repo, old, new)
        return refs.run_id_of(ref) is None or self._mirror.follows(old, new)

    def _is_missed(self, ref: str, oid: ObjectId, there: Mapping[str, ObjectId]) -> bool:
        """Returns whether a ref that went from the remote took something with it that we have.

        A run that was folded into a segment is still there; so is a segment whose runs are in others.
        """
        segments = [found for one in there if (found := refs.segment_id_of(one)) is not None]
        segment_id = refs.segment_id_of(ref)
        run_id = refs.run_id_of(ref)
        try:
            if segment_id is not None:
                if segment_id not in self._repo.store.segments():
                    return False
                segment = self._repo.store.read_segment(segment_id)
                return any(not self._is_there(one, segment[one], segments, there) for one in segment)
            if run_id is not None:
                return not self._is_there(run_id, oid, segments, there) and oid in _all_tips(self._repo.store, run_id)
        except GitRunsError:
            return False
        return self._repo.store.backend.read_ref(ref) is not None

    def _is_there(self, run_id: RunId, oid: ObjectId, segments: list[SegmentId], there: Mapping[str, ObjectId]) -> bool:
        store = self._repo.store
        own = there.get(refs.run_ref(run_id))
        found = {own} if own is not None else set()
        for segment_id in segments:
            try:
                tip = store.read_segment(segment_id).find(run_id)
            except GitRunsError:
                continue
            if tip is not None:
                found.add(tip)
        return any(self._mirror.follows(oid, tip) for tip in found)

    def _take(self, there: Mapping[str, ObjectId]) -> tuple[tuple[RunId, ObjectId], ...]:
        """Accepts what the remote made of runs; returns those moved or removed here, with what they were."""
        store, state = self._repo.store, self._state
        taken = []
        for ref in [*state.lost, *state.rewritten]:
            run_id = refs.run_id_of(ref)
            is_records = refs.records_writer_of(ref) is not None and self._selection is None
            if not is_records and (run_id is None or not wants(self._selection, run_id)):
                continue
            here = store.backend.read_ref(ref)
            if here is None or not moved(store, LocalMove(ref, there.get(ref), here)):
                continue
            if run_id is not None:
                taken.append((run_id, here))
            state.lost.pop(ref, None)
            state.rewritten.pop(ref, None)
        return tuple(taken)

    # The end

    def _remember(self, there: Mapping[str, ObjectId], joined: Joined) -> None:
        state = self._state
        if self._selection is None:
            state.known = dict(there)
            state.quarantined, state.waiting = {}, {}
        else:
            state.known.update(there)
        state.quarantined.update({bad.ref: [bad.oid, bad.kind, bad.reason] for bad in self._bad(joined)})
        state.waiting.update({bad.ref: [bad.oid, bad.kind, bad.reason] for bad in joined.waiting})
        if there:
            state.probed = True
        write_state(self._repo, self._target, state)

    def _bad(self, joined: Joined) -> list[Bad]:
        broken = [
            Bad(ref=ref, oid=ObjectId(""), kind=error.kind, reason=error.message)
            for ref, error in self._mirror.broken.items()
        ]
        return [*joined.bad, *broken]

    def _report(self, joined: Joined, taken: tuple[tuple[RunId, ObjectId], ...]) -> FetchReport:
        lost = [self._runs_of(ref) for ref in self._state.lost]
        return FetchReport(
            remote=self._target.shown,
            new=tuple(joined.new),
            changed=tuple(joined.changed),
            purged=tuple(joined.purged),
            segments=joined.segments,
            experiments=joined.experiments,
            models=joined.models,
            records=joined.records,
            rewritten_records=tuple(ref for ref in sorted(self._state.rewritten) if refs.records_writer_of(ref)),
            quarantined=tuple(self._bad(joined)),
            waiting=tuple(joined.waiting),
            lost=tuple(sorted({run_id for runs in lost for run_id in runs})),
            lost_others=tuple(ref for ref in sorted(self._state.lost) if not self._runs_of(ref)),
            rewritten=tuple(run_id for ref in self._state.rewritten if (run_id := refs.run_id_of(ref)) is not None),
            taken=taken,
        )

    def _runs_of(self, ref: str) -> tuple[RunId, ...]:
        return runs_of(self._repo.store, ref)


def runs_of(store: GitStore, ref: str) -> tuple[RunId, ...]:
    """Returns the runs that a ref stands for: one, or those of a segment."""
    run_id, segment_id = refs.run_id_of(ref), refs.segment_id_of(ref)
    if run_id is not None:
        return (run_id,)
    if segment_id is None:
        return ()
    try:
        return tuple(store.read_segment(segment_id))
    except GitRunsError:
        return ()


def _all_tips(store: GitStore, run_id: RunId) -> set[ObjectId]:
    """Returns everything that a run here is at, and has been at."""
    found: set[ObjectId] = set()
    for tip in store.tips_of(run_id):
        found |= {entry.commit for entry in store.chain(tip)}
    return found
