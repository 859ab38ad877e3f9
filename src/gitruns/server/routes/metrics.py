"""MLflow's calls that log into runs, and those that read the points of metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gitruns.protocol import history, logging, quick
from gitruns.protocol.errors import refused
from gitruns.server.calls import AJAX_ONLY, Call, Context, Field, Fields, Role
from gitruns.server.fields import invalid_field
from gitruns.server.given import GivenPoint, GivenText, models_of, points_in, texts_in
from gitruns.server.owners import of_logged, of_run, of_runs
from gitruns.server.pairs import without_nothing
from gitruns.server.run_views import point_json

Body = Mapping[str, Any]

_MOST_RUNS = 100
_MOST_POINTS = 25_000
_MOST_SAMPLED = 2500
_DONE: Body = {}


# Logging


def _point(fields: Fields) -> GivenPoint:
    return GivenPoint(
        fields["key"],
        fields["value"],
        fields["timestamp"],
        fields.get("step", 0),
        fields.get("model_id") or None,
        fields.get("dataset_name") or None,
        fields.get("dataset_digest") or None,
    )


def log_metric(context: Context, fields: Fields) -> Body:
    """Logs one point."""
    point = _point(fields)
    point.check_dataset()
    logging.log_metric(context.hub, fields["run_id"], point)
    return _DONE


def log_metric_quick(context: Context, fields: Fields) -> Body | None:
    """Logs one point into a run that is open here."""
    if "model_id" in fields or "dataset_name" in fields or "dataset_digest" in fields:
        return None
    point = GivenPoint(fields["key"], fields["value"], fields["timestamp"], fields.get("step", 0))
    return _DONE if quick.log_metric(context.hub, fields["run_id"], point) else None


def log_param(context: Context, fields: Fields) -> Body:
    """Logs a param."""
    logging.log_param(context.hub, fields["run_id"], fields["key"], fields.get("value", ""))
    return _DONE


def log_param_quick(context: Context, fields: Fields) -> Body | None:
    """Logs a param of a run that is open here."""
    done = quick.log_param(context.hub, fields["run_id"], fields["key"], fields.get("value", ""))
    return _DONE if done else None


def set_tag(context: Context, fields: Fields) -> Body:
    """Sets a tag."""
    logging.set_tag(context.hub, fields["run_id"], fields["key"], fields.get("value", ""))
    return _DONE


def set_tag_quick(context: Context, fields: Fields) -> Body | None:
    """Sets a tag of a run that is open here."""
    done = quick.set_tag(context.hub, fields["run_id"], fields["key"], fields.get("value", ""))
    return _DONE if done else None


def delete_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag away."""
    logging.delete_tag(context.hub, fields["run_id"], fields["key"])
    return _DONE


def _batch(fields: Fields) -> tuple[list[GivenPoint], list[GivenText], list[GivenText]]:
    return points_in(fields, "metrics"), texts_in(fields, "params"), texts_in(fields, "tags")


def log_batch(context: Context, fields: Fields) -> Body:
    """Logs points, params and tags."""
    logging.log_batch(context.hub, fields["run_id"], *_batch(fields))
    return _DONE


def log_batch_quick(context: Context, fields: Fields) -> Body | None:
    """Logs points, params and tags into a run that is open here."""
    points, params, tags = _batch(fields)
    if any(point.model_id is not None for point in points):
        return None
    return _DONE if quick.log_batch(context.hub, fields["run_id"], points, params, tags) else None


# Models


def log_outputs(context: Context, fields: Fields) -> Body:
    """Logs that a run made logged models."""
    logging.log_outputs(context.hub, fields["run_id"], models_of(fields, "models"))
    return _DONE


_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


def log_model(context: Context, fields: Fields) -> Body:
    """Notes a model in a run's tag, as clients before MLflow 3 do."""
    text = fields["model_json"]
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise refused(f"Malformed model info. \n {text[:1000]} \n is not a valid JSON.") from None
    if not isinstance(said, dict):
        raise invalid_field("model_json", text)
    lacking = {name for name in _MODEL_FIELDS if name not in said}
    if lacking:
        raise refused(f"Model json is missing mandatory fields: {lacking}")
    logging.record_model(context.hub, fields["run_id"], said)
    return _DONE


# Points


def get_history(context: Context, fields: Fields) -> Body:
    """Answers with the points of a metric, or with one page of them."""
    max_results = fields.get("max_results")
    if max_results is not None and max_results <= 0:
        raise refused(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer."
        )
    run_id, metric, token = fields["run_id"], fields["metric_key"], fields.get("page_token")
    points, following = history.history_page(context.hub, run_id, metric, max_results, token)
    listed = [point_json(one) for one in points]
    return without_nothing({"metrics": listed, "next_page_token": following or None})


def get_history_bulk(context: Context, fields: Fields) -> Body:
    """Answers with the points of one metric of some runs: for charts of MLflow's pages."""
    run_ids, metric = fields.get("run_id", ()), fields.get("metric_key")
    if not run_ids:
        raise refused("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(run_ids) > _MOST_RUNS:
        raise refused(
            f"GetMetricHistoryBulk request cannot specify more than {_MOST_RUNS} run_ids. Received {len(run_ids)} "
            "run_ids."
        )
    if metric is None:
        raise refused("GetMetricHistoryBulk request must specify a metric_key.")
    most = min(max(0, fields.get("max_results", _MOST_POINTS)), _MOST_POINTS)
    return {"metrics": _of_runs(history.bulk_history(context.hub, run_ids, metric, most))}


def get_history_bulk_interval(context: Context, fields: Fields) -> Body:
    """Answers with some points of one metric of each of some runs: for charts."""
    run_ids = fields["run_ids"]
    if len(run_ids) > _MOST_RUNS:
        raise _refused_field(
            f"GetMetricHistoryBulkInterval request must specify at most {_MOST_RUNS} run_ids. Received {len(run_ids)} "
            "run_ids."
        )
    most = fields.get("max_results", _MOST_SAMPLED)
    if not 1 <= most <= _MOST_SAMPLED:
        raise _refused_field(f"max_results must be between 1 and {_MOST_SAMPLED}.")
    start, end = fields.get("start_step"), fields.get("end_step")
    if (start is None) != (end is None):
        raise refused("If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise refused(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")
    found = history.sampled_history(
        context.hub, run_ids, fields["metric_key"], max_results=most, start_step=start, end_step=end
    )
    return without_nothing({"metrics": _of_runs(found)})


def _refused_field(message: str) -> Exception:
    return refused(f"{message} See the API docs for more information about request parameters.")


def _of_runs(found: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [point_json(point, run_id) for run_id, point in found]


_RUNS, _METRICS = "/2.0/mlflow/runs", "/2.0/mlflow/metrics"
_TEXT, _NEEDED, _INT, _LIST = Field("string"), Field("string", required=True), Field("int"), Field("list")
_ID = {"run_id": _NEEDED}
_KEY = {**_ID, "key": _NEEDED}
_NAMED = {**_KEY, "value": _TEXT}
_POINT = {
    **_KEY,
    "value": Field("float", required=True),
    "timestamp": Field("int", required=True),
    "step": _INT,
    **dict.fromkeys(("model_id", "dataset_name", "dataset_digest"), _TEXT),
}
_BATCH = {**_ID, "metrics": _LIST, "params": _LIST, "tags": _LIST}
_MODELS = {**_ID, "models": Field("list", required=True)}
_HISTORY = {**_ID, "metric_key": _NEEDED, "page_token": _TEXT, "max_results": _INT}
_BULK = {"run_id": Field("strings"), "metric_key": _TEXT, "max_results": _INT}
_INTERVAL = {
    "run_ids": Field("strings", required=True),
    "metric_key": _NEEDED,
    **dict.fromkeys(("start_step", "end_step", "max_results"), _INT),
}
_BULK_PATHS = (f"{_METRICS}/get-history-bulk", f"{_METRICS}/get-history-bulk-interval")

CALLS = (
    Call("POST", f"{_RUNS}/log-metric", "LogMetric", log_metric, _POINT, Role.WRITER, log_metric_quick, of_logged),
    Call("POST", f"{_RUNS}/log-parameter", "LogParam", log_param, _NAMED, Role.WRITER, log_param_quick, of_run),
    Call("POST", f"{_RUNS}/set-tag", "SetTag", set_tag, _NAMED, Role.WRITER, set_tag_quick, of_run),
    Call("POST", f"{_RUNS}/log-batch", "LogBatch", log_batch, _BATCH, Role.WRITER, log_batch_quick, of_logged),
    Call("POST", f"{_RUNS}/delete-tag", "DeleteTag", delete_tag, _KEY, experiment_of=of_run),
    Call("POST", f"{_RUNS}/outputs", "LogOutputs", log_outputs, _MODELS, experiment_of=of_run),
    Call("POST", f"{_RUNS}/log-model", "LogModel", log_model, {**_ID, "model_json": _NEEDED}, experiment_of=of_run),
    Call("GET", f"{_METRICS}/get-history", "GetMetricHistory", get_history, _HISTORY, Role.READER, None, of_run),
    Call(
        "GET",
        _BULK_PATHS[0],
        "GetMetricHistoryBulk",
        get_history_bulk,
        _BULK,
        Role.READER,
        experiment_of=of_runs,
        below=AJAX_ONLY,
    ),
    Call(
        "GET",
        _BULK_PATHS[1],
        "GetMetricHistoryBulkInterval",
        get_history_bulk_interval,
        _INTERVAL,
        Role.READER,
        experiment_of=of_runs,
    ),
)
