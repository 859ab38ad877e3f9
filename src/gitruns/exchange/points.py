"""The points of metrics as rows, run by run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId
from gitruns.errors import GitRunsError

if TYPE_CHECKING:
    from gitruns.entities.values import Point
    from gitruns.repo import Repo

POINT_COLUMNS = ("run_id", "metric", "step", "time_ms", "value")

OnMissing = Callable[[RunId, GitRunsError], None]
"""Told of a run whose points cannot be read here."""


def points_of(repo: Repo, run_ids: Iterable[RunId], on_missing: OnMissing) -> Iterator[tuple[RunId, list[Point]]]:
    """Yields the points of each run, by metric, in logged order; none of a run that is told to `on_missing`."""
    for run_id in run_ids:
        try:
            yield run_id, list(repo.iter_points(run_id))
        except GitRunsError as error:
            on_missing(run_id, error)
            yield run_id, []
