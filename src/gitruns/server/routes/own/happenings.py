"""What is told of a repository in which something happened: runs that changed, points that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.repo import Repo
from gitruns.repo.changes import ChangeWatch
from gitruns.server.routes.own.kinds import Number, Time, number

MOST_RUNS = 500
MOST_POINTS = 2000
_MOST_FOLLOWED = 2000


class ChangedRun(Struct):
    """A run that is new or changed."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    lifecycle: str
    live: bool


class RunsEvent(Struct):
    """`gone` are ids of runs that are not here any more. `more`: there are too many to name; load the list again."""

    runs: list[ChangedRun]
    gone: list[str]
    more: bool


class NewPoints(Struct):
    """A metric that got points: how many it has, and the newest."""

    run_id: str
    experiment_id: str
    metric: str
    count: int
    step: int
    time_ms: Time
    last: Number


class PointsEvent(Struct):
    """Metrics of live runs that got points. `more`: not all of them are named."""

    points: list[NewPoints]
    more: bool


class Happenings:
    """Looks at a repository, and tells what happened since the look before; for one thread at a time."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._watch = ChangeWatch(repo)
        self._followed: dict[RunId, Run] = {}

    def look(self) -> Iterator[tuple[str, Any]]:
        """Yields names of events and what they say."""
        found = self._watch.look()
        if found.runs or found.gone:
            yield from self._runs(found.runs, found.gone)
        if found.experiments:
            yield "experiments", {}
        if found.models:
            yield "models", {}

    def _runs(self, changed: frozenset[RunId], gone: frozenset[RunId]) -> Iterator[tuple[str, Any]]:
        if len(changed) > MOST_RUNS or len(gone) > MOST_RUNS:
            self._followed.clear()
            yield "runs", RunsEvent([], [], more=True)
            return
        runs = [listed.run for listed in self._repo.index.runs(sorted(changed)) if listed.run.info.kind is None]
        told = [run for run in runs if self._is_more_than_points(run)]
        if told or gone:
            yield "runs", RunsEvent([_changed(run) for run in told], sorted(gone), more=False)
        points = [point for run in runs if run.live for point in _new_points(run, self._followed.get(run.info.id))]
        if points:
            yield "points", PointsEvent(points[:MOST_POINTS], more=len(points) > MOST_POINTS)
        self._follow(runs)

    def _is_more_than_points(self, run: Run) -> bool:
        before = self._followed.get(run.info.id)
        if before is None:
            return True
        return (run.info, run.params, run.tags, run.live) != (before.info, before.params, before.tags, before.live)

    def _follow(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._followed.pop(run.info.id, None)
            if run.live:
                self._followed[run.info.id] = run
        while len(self._followed) > _MOST_FOLLOWED:
            self._followed.pop(next(iter(self._followed)))


def _changed(run: Run) -> ChangedRun:
    info = run.info
    return ChangedRun(info.id, info.experiment_id, info.name, info.status.value, info.lifecycle.value, run.live)


def _new_points(run: Run, before: Run | None) -> Iterator[NewPoints]:
    for metric, summary in run.metrics.items():
        known = None if before is None else before.metrics.get(metric)
        if known is None or known.count != summary.count:
            yield NewPoints(
                run_id=run.info.id,
                experiment_id=run.info.experiment_id,
                metric=metric,
                count=summary.count,
                step=summary.step,
                time_ms=summary.time_ms,
                last=number(summary.last),
            )
