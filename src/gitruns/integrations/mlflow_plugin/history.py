"""The tracking store's calls for the points of metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlflow import entities
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.values import Point
from gitruns.errors import NotFoundError
from gitruns.integrations.mlflow_plugin.errors import refused, speaks_mlflow
from gitruns.integrations.mlflow_plugin.log_calls import LoggingCalls
from gitruns.integrations.mlflow_plugin.views import shown_value


@speaks_mlflow
class HistoryCalls(LoggingCalls):
    """Reads histories: each distinct (time, step, value) once, by time, step and value, as MLflow's SQL store does."""

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        """Returns one page of a metric's points, all of them without `max_results`."""
        start = SearchUtils.parse_start_offset_from_page_token(page_token)
        found = self._history(run_id, metric_key)[start:]
        token = None
        if max_results is not None and len(found) > max_results:
            found = found[:max_results]
            token = SearchUtils.create_page_token(start + max_results)
        return PagedList([_metric(point) for point in found], token)

    def get_metric_history_bulk(self, run_ids: Iterable[str], metric_key: str, max_results: int) -> list[Any]:
        """Returns the points of one metric of many runs, by run."""
        found: list[Any] = []
        for run_id in sorted(run_ids):
            found += _of_run(run_id, self._history(run_id, metric_key)[: max(0, max_results - len(found))])
        return found

    def get_max_step_for_metric(self, run_id: str, metric_key: str) -> int:
        """Returns the greatest step of a metric, 0 when it has no points."""
        return max((point.step for point in self._history(run_id, metric_key)), default=0)

    def get_metric_history_bulk_interval_from_steps(
        self, run_id: str, metric_key: str, steps: Sequence[int], max_results: int
    ) -> list[Any]:
        """Returns the points at some steps."""
        wanted = set(steps)
        found = [point for point in self._history(run_id, metric_key) if point.step in wanted]
        return _of_run(run_id, sorted(found, key=lambda one: (one.step, one.time_ms, _sortable(one)))[:max_results])

    def get_metric_history_bulk_interval(
        self,
        run_ids: Sequence[str],
        metric_key: str,
        max_results: int,
        start_step: int | None,
        end_step: int | None,
    ) -> list[Any]:
        """Returns of each run's points so many, evenly picked, the first and the last among them."""
        if (start_step is None) != (end_step is None):
            raise refused("Both start_step and end_step must be specified together, or neither may be specified.")
        found: list[Any] = []
        for run_id in run_ids:
            points = self._history(run_id, metric_key)
            if start_step is not None and end_step is not None:
                points = [point for point in points if start_step <= point.step <= end_step]
            points.sort(key=lambda one: (one.step, one.time_ms, _sortable(one)))
            found += _of_run(run_id, _evenly(points, max(1, max_results)))
        return found

    def _history(self, run_id: str, metric: str) -> list[Point]:
        if not is_run_id(run_id):
            return []
        try:
            points = self.hub.repo.metric_history(RunId(run_id), metric)
        except NotFoundError as error:
            if error.kind == "run-not-found":
                return []
            raise
        distinct = {(one.time_ms, one.step, repr(shown_value(one.value))): one for one in points}
        return sorted(distinct.values(), key=lambda one: (one.time_ms, one.step, _sortable(one)))


def _sortable(point: Point) -> float:
    return 0.0 if math.isnan(point.value) else point.value


def _metric(point: Point) -> entities.Metric:
    return entities.Metric(point.metric, shown_value(point.value), point.time_ms, point.step)


def _of_run(run_id: str, points: Iterable[Point]) -> list[Any]:
    from mlflow.entities.metric import MetricWithRunId

    return [MetricWithRunId(run_id=run_id, metric=_metric(point)) for point in points]


def _evenly(points: list[Point], count: int) -> list[Point]:
    if len(points) <= count:
        return points
    if count == 1:
        return points[-1:]
    between = (len(points) - 1) / (count - 1)
    return [points[index] for index in sorted({round(number * between) for number in range(count)})]
