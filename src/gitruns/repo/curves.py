"""What it takes to draw a metric: never more than a run's tree holds, however long its history is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitruns.entities.history import decode_points, encode_metric_key
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run
from gitruns.entities.values import Point
from gitruns.errors import GitRunsError
from gitruns.journal import read_points

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

MAX_LIVE_POINTS = 100_000
"""A live run that has more points, of all metrics, is not drawn: they would have to be read one by one."""


def curve_points(repo: Repo, run: Run, metric: str) -> list[Point]:
    """Returns points that draw a metric's curve, by step and time: all, or of a long history those the tree keeps.

    Empty where nothing can be read: what is drawn is an ornament, and does not fail for it.
    """
    try:
        points = [*_in_tree(repo, run, metric), *_in_journal(repo, run, metric)]
    except (GitRunsError, ValueError):
        return []
    return sorted(points, key=lambda point: (point.step, point.time_ms))


def _in_tree(repo: Repo, run: Run, metric: str) -> Iterator[Point]:
    column = f"{encode_metric_key(metric)}\t".encode()
    if run.commit is None:
        return
    for path in _point_files(repo, run, run.commit):
        data = repo.store.read_file(run.commit, path)
        lines = (line for line in (data or b"").split(b"\n") if line.startswith(column))
        yield from decode_points(line.decode() for line in lines)


def _point_files(repo: Repo, run: Run, commit: ObjectId) -> list[str]:
    """Returns where the tree has points; a run that the index gave does not name its parts."""
    if run.parts:
        return [f"metrics/{part.digest}.tsv" for part in run.parts]
    return [
        path for path in repo.store.list_tree_files(commit) if path.startswith("metrics/") and path.endswith(".tsv")
    ]


def _in_journal(repo: Repo, run: Run, metric: str) -> Iterator[Point]:
    if repo.live(run.info.id) is None:  # also one that is sealed while its journal waits to be removed
        return
    if sum(summary.count for summary in run.metrics.values()) > MAX_LIVE_POINTS:
        return
    yield from (point for point in read_points(repo.live_root / run.info.id) if point.metric == metric)
