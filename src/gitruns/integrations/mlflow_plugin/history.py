"""The tracking store's calls for the points of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlflow import entities
from mlflow.store.entities.paged_list import PagedList

from gitruns.entities.values import Point
from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.log_calls import LoggingCalls
from gitruns.protocol import history


@speaks_mlflow
class HistoryCalls(LoggingCalls):
    """Reads histories."""

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        """Returns one page of a metric's points, all of them without `max_results`."""
        found, token = history.history_page(self.hub, run_id, metric_key, max_results, page_token)
        return PagedList([_metric(point) for point in found], token or None)

    def get_metric_history_bulk(self, run_ids: Iterable[str], metric_key: str, max_results: int) -> list[Any]:
        """Returns the points of one metric of many runs, by run."""
        return _of_runs(history.bulk_history(self.hub, run_ids, metric_key, max_results))

    def get_max_step_for_metric(self, run_id: str, metric_key: str) -> int:
        """Returns the greatest step of a metric, 0 when it has no points."""
        return history.greatest_step(self.hub, run_id, metric_key)

    def get_metric_history_bulk_interval_from_steps(
        self, run_id: str, metric_key: str, steps: Sequence[int], max_results: int
    ) -> list[Any]:
        """Returns the points at some steps."""
        found = history.points_at_steps(self.hub, run_id, metric_key, steps, max_results)
        return _of_runs((run_id, one) for one in found)

    def get_metric_history_bulk_interval(
        self,
        run_ids: Sequence[str],
        metric_key: str,
        max_results: int,
        start_step: int | None,
        end_step: int | None,
    ) -> list[Any]:
        """Returns of each run's points so many, evenly picked, the first and the last among them."""
        return _of_runs(
            history.sampled_history(
                self.hub, run_ids, metric_key, max_results=max_results, start_step=start_step, end_step=end_step
            )
        )


def _metric(point: Point) -> entities.Metric:
    return entities.Metric(point.metric, point.value, point.time_ms, point.step)


def _of_runs(points: Iterable[tuple[str, Point]]) -> list[Any]:
    from mlflow.entities.metric import MetricWithRunId

    return [MetricWithRunId(run_id=run_id, metric=_metric(point)) for run_id, point in points]
