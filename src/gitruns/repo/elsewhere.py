"""Runs that are running on other machines, as far as their checkpoints were fetched.

A checkpoint comes from anybody, so it is looked at as any fetched ref before it counts, and never becomes more than
something to show: nothing is merged or edited on top of it. One that was not renewed for a quarter of an hour says
nothing about now and is not shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId, is_run_id
from gitruns.entities.run import Run, RunStatus
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError
from gitruns.gitstore import GitStore, refs
from gitruns.gitstore.validation import Validator
from gitruns.index import UNSETTLED, mark_of

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

FRESH_S = 900.0
_LIVE = refs.LIVE.removeprefix(refs.RUNS)


class Elsewhere:
    """The fetched checkpoints of one repository; each commit is read once."""

    def __init__(self, store: GitStore) -> None:
        self._store = store
        self._read: dict[ObjectId, tuple[Run, int] | None] = {}
        self._tips: dict[RunId, ObjectId] = {}
        self._mark = UNSETTLED

    def tips(self) -> Mapping[RunId, ObjectId]:
        """Returns the checkpoints that were fetched, whatever they hold; they are listed again when one has changed."""
        mark = mark_of(self.places(), time.time_ns())
        if mark == UNSETTLED or mark != self._mark:
            self._tips, self._mark = self._list(), mark
        return self._tips

    def _list(self) -> dict[RunId, ObjectId]:
        found: dict[RunId, ObjectId] = {}
        for name, oid in self._store.backend.list_refs(refs.MIRRORS).items():
            _, _, rest = name.removeprefix(refs.MIRRORS).partition("/" + _LIVE)
            if is_run_id(rest):
                found[RunId(rest)] = oid
        return found

    def places(self) -> list[Path]:
        """Returns the files and folders that change when a checkpoint comes or goes."""
        common = self._store.paths.common_dir
        mirrors = common / refs.MIRRORS
        remotes = sorted(place for place in _folders(mirrors))
        shared = [common / "packed-refs", common / "reftable" / "tables.list", mirrors]
        return [*shared, *remotes, *(remote / _LIVE for remote in remotes)]

    def runs(self, now_s: float | None = None) -> Mapping[RunId, Run]:
        """Returns the runs whose checkpoints are good and fresh, as running ones."""
        now_ms = (time.time() if now_s is None else now_s) * 1000
        return {run_id: run for run_id, run, time_ms in self._good() if now_ms - time_ms < FRESH_S * 1000}

    def fresh_tips(self) -> dict[RunId, ObjectId]:
        """Returns the checkpoints of the runs that `runs` gives."""
        tips = self.tips()
        return {run_id: tips[run_id] for run_id in self.runs() if run_id in tips}

    def _good(self) -> Iterator[tuple[RunId, Run, int]]:
        for run_id, oid in self.tips().items():
            if oid not in self._read:
                self._read[oid] = self._look(run_id, oid)
            found = self._read[oid]
            if found is not None and found[0].info.id == run_id:
                yield run_id, *found

    def _look(self, run_id: RunId, oid: ObjectId) -> tuple[Run, int] | None:
        """Returns what a checkpoint holds and when it was made; None when it is not what it must be."""
        try:
            Validator(self._store.backend, shallow=self._store.paths.shallow).run(run_id, oid)
            run = self._store.read_run(oid)
            chain = self._store.chain(oid)
        except GitRunsError:
            return None
        if len(chain) != 1 or run.info.status is not RunStatus.RUNNING:
            return None
        return replace(run, live=True, commit=None), chain[0].time_ms


def _folders(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if entry.is_dir()]
    except OSError:
        return []


def not_to_change(repo: Repo, run_id: RunId) -> GitRunsError:
    """Returns the error for a change of a run that is not in git here: it runs elsewhere, or was taken away."""
    found = run_elsewhere(repo, run_id)
    if found is None:
        return NotFoundError(f"run '{run_id[:8]}' is gone", kind="run-not-found")
    return InvalidInputError(
        f"cannot change run '{found.info.name}': it is running on {found.info.host or 'another machine'}",
        kind="run-elsewhere",
        hint="change it there, or here once it has ended and was fetched: git runs fetch",
    )


def run_elsewhere(repo: Repo, run_id: RunId) -> Run | None:
    """Returns the run as its last checkpoint has it, None when there is none that says something about now."""
    return repo.elsewhere.runs().get(run_id)
