"""What a search found as a DataFrame, with MLflow's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitruns.exchange import import_extra
from gitruns.mlflow.entities import records

_FACTS = ("run_id", "experiment_id", "status", "artifact_uri")


def frame_of_runs(runs: Sequence[records.Run]) -> Any:
    """Returns a row a run: facts, then `metrics.KEY`, `params.KEY`, `tags.KEY`; None or NaN where a run has none."""
    pandas = import_extra("pandas", "pandas", "search_runs")
    columns: dict[str, Any] = {name: [getattr(run.info, name) for run in runs] for name in _FACTS}
    for name in ("start_time", "end_time"):
        times = pandas.Series([getattr(run.info, name) for run in runs], dtype="Int64")
        columns[name] = pandas.to_datetime(times, unit="ms", utc=True)
    for kind in ("metrics", "params", "tags"):
        keys = dict.fromkeys(key for run in runs for key in getattr(run.data, kind))
        for key in keys:
            values = [getattr(run.data, kind).get(key) for run in runs]
            columns[f"{kind}.{key}"] = pandas.Series(values, dtype="float64" if kind == "metrics" else "object")
    return pandas.DataFrame(columns)


def frame_of_models(models: Sequence[records.LoggedModel]) -> Any:
    """Returns a row a logged model."""
    pandas = import_extra("pandas", "pandas", "search_logged_models")
    rows = [model.to_dictionary() for model in models]
    for row in rows:
        row["metrics"] = [] if row["metrics"] is None else [one.to_dictionary() for one in row["metrics"]]
    return pandas.DataFrame(rows)
