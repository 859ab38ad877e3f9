"""Joins the index with what it indexes: refs and live journals as its source, git for revisions, parts for points."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError
from gitruns.index import EXPERIMENTS_PLACE, UNSETTLED, Index, Progress, RunRows, Unreadable, index_path, mark_of
from gitruns.repo.bulk_pool import MANY, BulkPool

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

ELSEWHERE_PLACE = "elsewhere"
LIVE_PLACE = "live"
PACKED_PLACE = "packed refs"
REFS_PLACE = "refs"
"""All refs but those in `packed-refs`, which may be very many and seldom change: a new run does not touch them."""
_SEGMENT_PLACE = "segment "


class RepoSource:
    """The runs of a repository as the index asks for them (see `index.Source`).

    A run's state is the commit at its tip and, while it is live, how much its journal holds. Each segment of the
    archive is a place that never changes, so a run that is archived is not read again.
    """

    def __init__(self, repo: Repo, environ: Mapping[str, str]) -> None:
        self._repo = repo
        self._environ = environ
        self._pool: BulkPool | None = None
        self._segments: set[SegmentId] = set()
        common = repo.store.paths.common_dir
        runs = common / "refs" / "runs"
        packed, table = common / "packed-refs", common / "reftable" / "tables.list"
        kept = common / "refs" / "runs-local" / "keep"
        self._watched = {
            REFS_PLACE: [table, runs, kept],
            PACKED_PLACE: [packed],
            EXPERIMENTS_PLACE: [packed, table, runs / "experiments"],
        }
        self._packed_mark = UNSETTLED

    def places(self) -> Mapping[str, str]:
        """Returns the marks of journals, refs, segments and experiments; a journal that is written never settles."""
        now_ns = time.time_ns()
        live = UNSETTLED if self._repo.live_ids() else mark_of([self._repo.live_root], now_ns)
        marks = {ELSEWHERE_PLACE: self._elsewhere(now_ns), LIVE_PLACE: live}
        marks |= {name: mark_of(paths, now_ns) for name, paths in self._watched.items()}
        self._packed_mark = marks[PACKED_PLACE]
        self._segments = set(self._repo.store.segments())
        return marks | {_SEGMENT_PLACE + segment_id: segment_id for segment_id in sorted(self._segments)}

    def states(self, place: str) -> Mapping[RunId, str]:
        """Returns the tips of runs, or of live runs how much is in their journals."""
        if place.startswith(_SEGMENT_PLACE):
            return self._tips_in(SegmentId(place.removeprefix(_SEGMENT_PLACE)))
        if place == ELSEWHERE_PLACE:
            return {run_id: f"elsewhere {tip}" for run_id, tip in self._repo.elsewhere.fresh_tips().items()}
        if place == PACKED_PLACE:
            return dict(self._repo.store.packed_run_tips())
        return self._ref_states() if place == REFS_PLACE else dict(self._live_states())

    def _elsewhere(self, now_ns: int) -> str:
        """Returns the mark of fetched checkpoints: one that is there may grow stale without a change."""
        mark = mark_of(self._repo.elsewhere.places(), now_ns)
        return UNSETTLED if self._repo.elsewhere.tips() else mark

    def _ref_states(self) -> dict[RunId, str]:
        """Returns what refs hold, and what was packed or archived from there since the places were looked at."""
        store = self._repo.store
        states: dict[RunId, str] = {**store.unpacked_run_tips(), **store.kept_run_tips()}
        if mark_of(self._watched[PACKED_PLACE], time.time_ns()) != self._packed_mark:
            states = {**store.packed_run_tips(), **states}
        for segment_id in self._repo.store.segments().keys() - self._segments:
            states = {**self._tips_in(segment_id), **states}
        return states

    def _tips_in(self, segment_id: SegmentId) -> Mapping[RunId, str]:
        try:
            return self._repo.store.read_segment(segment_id).as_dict()
        except GitRunsError:
            return {}  # said by `verify`, and by whoever lists all runs

    def _live_states(self) -> Iterator[tuple[RunId, str]]:
        for run_id in self._repo.live_ids():
            try:
                live = self._repo.live(run_id)
            except GitRunsError as error:
                yield run_id, f"live {error.kind}"
                continue
            if live is not None:
                yield run_id, f"live {'alive' if live.alive else 'over'} {sum(live.covers.values())}"

    def combine(self, said: Mapping[str, str]) -> str:
        """Returns the newest tips that the places name and the state of the journal, as one text."""
        overruled = PACKED_PLACE if REFS_PLACE in said else None
        states = {state for place, state in said.items() if place != overruled}
        commits = {ObjectId(state) for state in states if _is_commit(state)}
        if len(commits) > 1:
            states = (states - commits) | set(self._repo.store.newest_tips(commits))
        return "+".join(sorted(states))

    def read(self, wanted: Sequence[tuple[RunId, str]]) -> Iterator[Run | RunRows | Unreadable]:
        """Reads runs: those that are only in git many at once, the others with what their journal adds."""
        settled: dict[ObjectId, list[RunId]] = {}
        for run_id, state in wanted:
            if _is_commit(state):
                settled.setdefault(ObjectId(state), []).append(run_id)
            else:
                yield from self._read_one(run_id)
        yield from self._read_settled(settled)

    def _read_settled(self, wanted: dict[ObjectId, list[RunId]]) -> Iterator[Run | RunRows | Unreadable]:
        """Reads runs by commit; that refs of several runs name one commit is wrong for all of them but one."""
        if self._pool is not None:
            self._pool.expect(list(wanted))
            for commit, rows in self._pool.take(list(wanted)):
                for run_id in wanted.pop(commit):
                    if isinstance(rows, str):
                        yield self._unreadable(run_id, commit, rows)
                    else:
                        yield rows if rows.run_id == run_id else _misnamed(run_id, rows.run_id)
        for (commit, run_ids), run in zip(wanted.items(), self._repo.store.read_listed(wanted), strict=True):
            for run_id in run_ids:
                if isinstance(run, GitRunsError):
                    yield self._unreadable(run_id, commit, run.message)
                else:
                    yield run if run.info.id == run_id else _misnamed(run_id, run.info.id)

    def _unreadable(self, run_id: RunId, commit: ObjectId, reason: str) -> Unreadable:
        return Unreadable(run_id, reason, gone=self._repo.store.is_tombstone(commit))

    def expect(self, wanted: Sequence[tuple[RunId, str]], left: int) -> None:
        """Begins to read what comes next, in other processes when it is much."""
        if self._pool is None and wanted and left >= MANY:
            self._pool = BulkPool(self._repo.store.paths.git_dir, self._environ)
        if self._pool is not None:
            self._pool.expect([ObjectId(state) for _, state in wanted if _is_commit(state)])
            if not left:
                self._pool.close()
                self._pool = None

    def _read_one(self, run_id: RunId) -> Iterator[Run | Unreadable]:
        try:
            found = self._repo.find_run(run_id)
        except GitRunsError as error:
            yield Unreadable(run_id, error.message)
            return
        if found is not None:
            yield found
        elif self._repo.is_purged(run_id):
            yield Unreadable(run_id, "it was purged", gone=True)

    def experiments(self) -> Iterable[Experiment]:
        """Returns all experiments."""
        return self._repo.experiments.list(None)


def _misnamed(run_id: RunId, named: str) -> Unreadable:
    return Unreadable(run_id, f"run.yaml names run '{named[:40]}'")


def _is_commit(state: str) -> bool:
    return " " not in state and "+" not in state


class RepoPoints:
    """The points of a repository's runs (see `index.Points`)."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def values_at(self, run_ids: Sequence[RunId], metric: str, step: int) -> Mapping[RunId, float]:
        """Returns a metric's value at a step, of several there the one of the greatest (time, value), NaN the lowest.

        A run whose points are not on this machine has none.
        """
        found = {}
        for run_id in run_ids:
            try:
                points = [point for point in self._repo.metric_history(run_id, metric) if point.step == step]
            except GitRunsError:
                continue
            if points:
                last = max(points, key=lambda point: (point.time_ms, point.value == point.value, point.value))
                found[run_id] = last.value
        return found


def open_index(repo: Repo, environ: Mapping[str, str], progress: Progress | None) -> Index:
    """Opens the index of a repository where it lies: beside the repository, else in the user's cache folder."""
    return Index(index_path(repo.folder, user_cache_folder(environ)), RepoSource(repo, environ), progress=progress)


def user_cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Returns where the user keeps what can be made again, None when the environment names no home."""
    named = environ.get("XDG_CACHE_HOME") or environ.get("LOCALAPPDATA")
    if named and Path(named).is_absolute():
        return Path(named)
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(home) / ".cache" if home else None
