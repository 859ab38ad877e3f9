"""What a search over params tried: a child run each of the best, and all of it as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities import records
from gitruns.protocol.shown import PARENT_TAG


def is_search(estimator: Any) -> bool:
    """Returns whether an estimator is a search over the params of another."""
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    return isinstance(estimator, (GridSearchCV, RandomizedSearchCV))


def best_params(estimator: Any) -> dict[str, Any]:
    """Returns the params that a search found best, with MLflow's names."""
    return {f"best_{key}": value for key, value in getattr(estimator, "best_params_", {}).items()}


def results_text(search: Any) -> str:
    """Returns what a search tried as CSV."""
    import pandas as pd

    text: str = pd.DataFrame.from_dict(search.cv_results_).to_csv(index=False)
    return text


@dataclass(frozen=True, slots=True)
class Children:
    """The runs of what a search tried, below the run of the search. `best_id` is the best one's logged model."""

    client: MlflowClient
    search: Any
    parent: records.Run
    tags: Mapping[str, str]
    best_id: str | None

    def log(self, limit: int | None, say: Callable[[str], None]) -> None:
        """Logs a run each of the best points: params and mean scores. They begin with the search and end now."""
        base = self.search.estimator.get_params(deep=not is_search(self.search.estimator))
        for place in _chosen(self.search, limit, say):
            self._log_one(place, {**base, **self.search.cv_results_["params"][place]})

    def _log_one(self, place: int, params: Mapping[str, Any]) -> None:
        client, info, now_ms = self.client, self.parent.info, time.time_ns() // 1_000_000
        tags = {**self.tags, PARENT_TAG: info.run_id}
        run_id = client.create_run(info.experiment_id, start_time=info.start_time, tags=tags).info.run_id
        for key, value in params.items():
            client.log_param(run_id, key, value)
        best = place == getattr(self.search, "best_index_", None)
        points = [
            records.Metric(key, float(values[place]), now_ms, 0, model_id=self.best_id if best else None)
            for key, values in self.search.cv_results_.items()
            if not key.startswith(("param", "split")) and isinstance(values[place], Number)
        ]
        client.log_batch(run_id, points)
        client.log_inputs(run_id, self.parent.inputs.dataset_inputs)
        client.set_terminated(run_id, end_time=now_ms)


def _chosen(search: Any, limit: int | None, say: Callable[[str], None]) -> list[int]:
    """Returns the places of the points to log, the best first."""
    results = search.cv_results_
    count = len(results["params"])
    if limit is None:
        return list(range(count))
    ranks = "rank_test_score"
    if ranks not in results:
        ranks = next(key for key in results if key.startswith("rank_test_"))
        say(f"the best {limit} child runs are those by '{ranks}'")
    ordered = sorted(range(count), key=lambda place: (_rank(results[ranks][place]), place))
    return ordered[:limit]


def _rank(value: Any) -> float:
    number = float(value)
    return math.inf if math.isnan(number) else number
