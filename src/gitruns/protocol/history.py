"""Calls for the points of metrics: each distinct (time, step, value) once, by these, as MLflow's SQL store has them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.values import Point
from gitruns.errors import NotFoundError
from gitruns.protocol import checks
from gitruns.protocol.errors import refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import shown_value

_Row = tuple[int, int, float]
"""Time, step, value."""


def metric_history(hub: Hub, run_id: str, metric: str) -> list[Point]:
    """Returns the points of a metric, none for a run that is not here. Infinite values are as they are shown."""
    return _points(metric, _rows(hub, run_id, metric))


def _rows(hub: Hub, run_id: str, metric: str) -> list[_Row]:
    if not is_run_id(run_id):
        return []
    try:
        run = hub.repo.get_run(RunId(run_id))
    except NotFoundError as error:
        if error.kind == "run-not-found":
            return []
        raise
    series = hub.repo.series.read(run, [metric], whole=True).get(metric)
    if series is None:
        return []
    rows = list(zip(series.times_ms, series.steps, series.values, strict=True))
    if all(one[:2] < following[:2] for one, following in pairwise(rows)):
        return rows
    distinct = {(time_ms, step, repr(shown_value(value))): (time_ms, step, value) for time_ms, step, value in rows}
    return sorted(distinct.values(), key=_by_time)


def _points(metric: str, rows: Iterable[_Row]) -> list[Point]:
    return [Point(metric, step, time_ms, shown_value(value)) for time_ms, step, value in rows]


def history_page(
    hub: Hub, run_id: str, metric: str, max_results: int | None = None, page_token: str | None = None
) -> tuple[list[Point], str]:
    """Returns one page of a metric's points, all of them without `max_results`, and the token of the next page."""
    start = checks.offset_of(page_token)
    rows = _rows(hub, run_id, metric)
    if max_results is None or len(rows) - start <= max_results:
        return _points(metric, rows[start:]), ""
    return _points(metric, rows[start : start + max_results]), checks.token_of(start + max_results)


def bulk_history(hub: Hub, run_ids: Iterable[str], metric: str, max_results: int) -> list[tuple[str, Point]]:
    """Returns the points of one metric of many runs, by run id, so many at most in all."""
    found: list[tuple[str, Point]] = []
    for run_id in sorted(set(run_ids)):
        if len(found) < max_results:
            found += [(run_id, one) for one in metric_history(hub, run_id, metric)]
    return found[:max_results]


def greatest_step(hub: Hub, run_id: str, metric: str) -> int:
    """Returns the greatest step of a metric, 0 when it has no points."""
    return max((point.step for point in metric_history(hub, run_id, metric)), default=0)


def points_at_steps(hub: Hub, run_id: str, metric: str, steps: Iterable[int], max_results: int) -> list[Point]:
    """Returns the points at some steps, by step."""
    wanted = set(steps)
    found = [point for point in metric_history(hub, run_id, metric) if point.step in wanted]
    return sorted(found, key=_by_step)[:max_results]


def sampled_history(
    hub: Hub,
    run_ids: Sequence[str],
    metric: str,
    *,
    max_results: int,
    start_step: int | None = None,
    end_step: int | None = None,
) -> list[tuple[str, Point]]:
    """Returns of each run's points, or of those between two steps, so many, evenly picked, first and last too."""
    if (start_step is None) != (end_step is None):
        raise refused("Both start_step and end_step must be specified together, or neither may be specified.")
    found: list[tuple[str, Point]] = []
    for run_id in run_ids:
        points = sorted(metric_history(hub, run_id, metric), key=_by_step)
        if start_step is not None and end_step is not None:
            points = [point for point in points if start_step <= point.step <= end_step]
        found += [(run_id, one) for one in _evenly(points, max(1, max_results))]
    return found


def _by_time(row: _Row) -> tuple[int, int, float]:
    return (row[0], row[1], _sortable(row[2]))


def _by_step(point: Point) -> tuple[int, int, float]:
    return (point.step, point.time_ms, _sortable(point.value))


def _sortable(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _evenly(points: list[Point], count: int) -> list[Point]:
    if len(points) <= count:
        return points
    if count == 1:
        return points[-1:]
    between = (len(points) - 1) / (count - 1)
    return [points[index] for index in sorted({round(number * between) for number in range(count)})]
