"""Joins the index with what it indexes: refs and live journals as its source, git for revisions, parts for points."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError
from gitruns.index import EXPERIMENTS_PLACE, UNSETTLED, Index, Progress, RunRows, Unreadable, index_path, mark_of
from gitruns.repo.bulk_pool import MANY, BulkPool

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

LIVE_PLACE = "live"
REFS_PLACE = "refs"


class RepoSource:
    """The runs of a repository as the index asks for them (see `index.Source`).

    A run's state is the commit at its tip and, while it is live, how much its journal holds.
    """

    def __init__(self, repo: Repo, environ: Mapping[str, str]) -> None:
        self._repo = repo
        self._environ = environ
        self._pool: BulkPool | None = None
        common = repo.store.paths.common_dir
        runs = common / "refs" / "runs"
        shared = [common / "packed-refs", common / "reftable" / "tables.list"]
        self._watched = {REFS_PLACE: [*shared, runs], EXPERIMENTS_PLACE: [*shared, runs / "experiments"]}

    def places(self) -> Mapping[str, str]:
        """Returns the marks of journals, refs and experiments; a journal that is written never settles."""
        now_ns = time.time_ns()
        live = UNSETTLED if self._repo.live_ids() else mark_of([self._repo.live_root], now_ns)
        return {LIVE_PLACE: live, **{name: mark_of(paths, now_ns) for name, paths in self._watched.items()}}

    def states(self, place: str) -> Mapping[RunId, str]:
        """Returns the tips of runs, or of live runs how much is in their journals."""
        return self._repo.store.run_tips() if place == REFS_PLACE else dict(self._live_states())

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
        """Returns the tips that the places name and the state of the journal, as one text."""
        return "+".join(sorted(set(said.values())))

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
                        yield Unreadable(run_id, rows)
                    else:
                        yield rows if rows.run_id == run_id else _misnamed(run_id, rows.run_id)
        for run_ids, run in zip(wanted.values(), self._repo.store.read_listed(wanted), strict=True):
            for run_id in run_ids:
                if isinstance(run, GitRunsError):
                    yield Unreadable(run_id, run.message)
                else:
                    yield run if run.info.id == run_id else _misnamed(run_id, run.info.id)

    def expect(self, wanted: Sequence[tuple[RunId, str]], left: int) -> None:
        """Begins to read what comes next, in other processes when it is much."""
        if self._pool is None and left >= MANY:
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
