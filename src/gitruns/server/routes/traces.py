"""MLflow's calls for traces: version 3, and version 2 as older clients speak it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import trace_artifacts, trace_search, trace_spans, trace_sums, traces
from gitruns.protocol.checks import check_max_results
from gitruns.protocol.errors import refused
from gitruns.protocol.experiments import experiment_ids_of
from gitruns.protocol.trace import SPANS_FILE, find_record
from gitruns.protocol.trace_sums import Aggregation, Question
from gitruns.server.calls import AJAX_ONLY, Call, Context, Download, Field, Fields, Result, Role
from gitruns.server.fields import invalid_field
from gitruns.server.pairs import pairs_of, without_nothing
from gitruns.server.trace_views import trace_info_json, trace_info_of, trace_info_v2_json, trace_json

Body = Mapping[str, Any]

_PAGE = 100
_MAX_PAGE = 500
_SUMS = 1000
_VIEWS: Mapping[object, str] = dict(enumerate(("UNSPECIFIED", "TRACES", "SPANS", "ASSESSMENTS")))
_KINDS: Mapping[object, str] = dict(enumerate(("UNSPECIFIED", "COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX")))
"""By the numbers that proto JSON may write them with."""
_STATES: Mapping[object, str] = {
    "TRACE_STATUS_UNSPECIFIED": "STATE_UNSPECIFIED",
    **{word: word for word in ("OK", "ERROR", "IN_PROGRESS")},
    **dict(enumerate(("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"))),
}


def start(context: Context, fields: Fields) -> Body:
    """Takes a whole trace."""
    made = traces.start_trace(context.hub, trace_info_of(fields["trace"].get("trace_info")))
    return {"trace": {"trace_info": trace_info_json(made)}}


def get_info(context: Context, fields: Fields) -> Body:
    """Answers with the facts of a trace."""
    return {"trace": {"trace_info": trace_info_json(traces.get_trace_info(context.hub, fields["trace_id"]))}}


def get(context: Context, fields: Fields) -> Body:
    """Answers with a trace and its spans."""
    found = trace_spans.get_trace(context.hub, fields["trace_id"], allow_partial=fields.get("allow_partial", False))
    return {"trace": trace_json(found.info, found.spans)}


def get_many(context: Context, fields: Fields) -> Body:
    """Answers with those traces that are there whole."""
    found = trace_spans.get_traces(context.hub, fields["trace_ids"], _scope(context, fields))
    return without_nothing({"traces": [trace_json(one.info, one.spans) for one in found]})


def get_many_infos(context: Context, fields: Fields) -> Body:
    """Answers with the facts of those traces that are there."""
    found = traces.get_trace_infos(context.hub, fields["trace_ids"], _scope(context, fields))
    return without_nothing({"trace_infos": [trace_info_json(one) for one in found]})


def _scope(context: Context, fields: Fields) -> Collection[str] | None:
    given = fields.get("experiment_ids") or None
    return given if given is None else [str(one) for one in experiment_ids_of(given)]


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of traces."""
    found, token = _search(context, _located(fields), fields)
    return without_nothing({"traces": [trace_info_json(one) for one in found], "next_page_token": token or None})


def _located(fields: Fields) -> list[str]:
    found = []
    for place in fields["locations"]:
        if not isinstance(place, dict) or not isinstance(place.get("mlflow_experiment", {}), dict):
            raise invalid_field("locations", fields["locations"])
        if "mlflow_experiment" in place:
            found.append(str(place["mlflow_experiment"].get("experiment_id", "")))
    return found


def _search(context: Context, experiment_ids: list[str], fields: Fields) -> tuple[list[Any], str]:
    size = fields.get("max_results", _PAGE)
    if size > _MAX_PAGE:
        raise invalid_field("max_results", size)
    check_max_results(size)
    ids = [str(one) for one in experiment_ids_of(experiment_ids)]
    return trace_search.search_traces(
        context.hub, ids, fields.get("filter"), size, fields.get("order_by"), fields.get("page_token")
    )


# Tags, links, deleting


def set_tag(context: Context, fields: Fields) -> Body:
    """Sets a tag of a trace."""
    traces.check_tag_is_free(fields["key"], "set")
    traces.set_trace_tag(context.hub, _id(fields), fields["key"], fields.get("value", ""))
    return {}


def delete_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of a trace away."""
    traces.check_tag_is_free(fields["key"], "deleted")
    traces.delete_trace_tag(context.hub, _id(fields), fields["key"])
    return {}


def _id(fields: Fields) -> str:
    return str(fields.get("trace_id") or fields.get("request_id") or "")


def link_to_run(context: Context, fields: Fields) -> Body:
    """Says that a run made some traces."""
    traces.link_traces_to_run(context.hub, fields["trace_ids"], fields["run_id"])
    return {}


def link_prompts(context: Context, fields: Fields) -> Body:
    """Says which versions of prompts a trace has used."""
    versions = []
    for one in fields["prompt_versions"]:
        if not isinstance(one, dict) or not str(one.get("version", "")).isdigit() or not one.get("name"):
            raise invalid_field("prompt_versions", fields["prompt_versions"])
        versions.append((str(one["name"]), int(one["version"])))
    traces.link_prompts(context.hub, fields["trace_id"], versions)
    return {}


def delete(context: Context, fields: Fields) -> Body:
    """Deletes traces."""
    count = traces.delete_traces(
        context.hub,
        fields["experiment_id"],
        fields.get("max_timestamp_millis"),
        fields.get("max_traces"),
        fields.get("request_ids") or None,
    )
    return {"traces_deleted": count}


# Version 2


def start_v2(context: Context, fields: Fields) -> Body:
    """Begins a trace."""
    metadata, tags = pairs_of(fields, "request_metadata"), pairs_of(fields, "tags")
    made = traces.start_trace_v2(
        context.hub, fields.get("experiment_id", ""), fields.get("timestamp_ms", 0), metadata, tags
    )
    return {"trace_info": trace_info_v2_json(made)}


def end_v2(context: Context, fields: Fields) -> Body:
    """Ends a trace."""
    status = fields.get("status", "TRACE_STATUS_UNSPECIFIED")
    state = _STATES.get(status) if isinstance(status, (str, int)) else None
    if state is None:
        raise invalid_field("status", status)
    metadata, tags = pairs_of(fields, "request_metadata"), pairs_of(fields, "tags")
    time_ms = fields.get("timestamp_ms", 0)
    made = traces.end_trace_v2(context.hub, fields["request_id"], time_ms, state, metadata, tags)
    return {"trace_info": trace_info_v2_json(made)}


def get_info_v2(context: Context, fields: Fields) -> Body:
    """Answers with the facts of a trace."""
    return {"trace_info": trace_info_v2_json(traces.get_trace_info(context.hub, fields["request_id"]))}


def search_v2(context: Context, fields: Fields) -> Body:
    """Answers with one page of traces."""
    found, token = _search(context, fields["experiment_ids"], fields)
    return without_nothing({"traces": [trace_info_v2_json(one) for one in found], "next_page_token": token or None})


# For pages


def artifact(context: Context, fields: Fields) -> Result:
    """Answers with the spans of a trace as a file, or with an attachment of it."""
    trace_id = fields["request_id"]
    if fields.get("path"):
        path = fields["path"]
        if "/" in path or "\\" in path or path in (".", ".."):
            raise refused("Invalid path")
        return _download(trace_artifacts.read(context.hub, trace_id, f"attachments/{path}"), path)
    found = trace_spans.get_trace(context.hub, trace_id, allow_partial=True)
    data = json.dumps({"spans": [one.data for one in found.spans]}, ensure_ascii=False).encode()
    return _download(data, SPANS_FILE)


def _download(data: bytes, name: str) -> Download:
    import io

    return Download(lambda: io.BytesIO(data), len(data), name)


# Sums


def sum_up(context: Context, fields: Fields) -> Body:
    """Answers with numbers over traces."""
    asked = Question(
        experiment_ids=tuple(map(str, experiment_ids_of(fields["experiment_ids"]))),
        view=str(_VIEWS.get(fields["view_type"], fields["view_type"])),
        metric=fields["metric_name"],
        aggregations=tuple(_aggregation(one, fields["aggregations"]) for one in fields["aggregations"]),
        dimensions=tuple(fields.get("dimensions") or ()),
        filters=tuple(fields.get("filters") or ()),
        interval_s=fields.get("time_interval_seconds"),
        start_ms=fields.get("start_time_ms"),
        end_ms=fields.get("end_time_ms"),
        limit=fields.get("max_results") or _SUMS,
    )
    points = [
        {"metric_name": one.metric, "dimensions": dict(one.dimensions), "values": dict(one.values)}
        for one in trace_sums.sum_up(context.hub, asked)
    ]
    return without_nothing({"data_points": points})


def _aggregation(given: Any, whole: Any) -> Aggregation:
    kind = given.get("aggregation_type") if isinstance(given, dict) else None
    percentile = given.get("percentile_value") if isinstance(given, dict) else None
    if not isinstance(kind, (str, int)) or isinstance(percentile, (bool, str, list, dict)):
        raise invalid_field("aggregations", whole)
    return Aggregation(str(_KINDS.get(kind, kind)), None if percentile is None else float(percentile))


def correlate(context: Context, fields: Fields) -> Body:
    """Answers with how two filters go together."""
    ids = [str(one) for one in experiment_ids_of(fields["experiment_ids"])]
    found = trace_sums.correlate(
        context.hub, ids, fields["filter_string1"], fields["filter_string2"], fields.get("base_filter")
    )
    return {
        "npmi": "NaN" if found.npmi != found.npmi else found.npmi,
        "npmi_smoothed": "NaN" if found.smoothed != found.smoothed else found.smoothed,
        "filter1_count": found.first,
        "filter2_count": found.second,
        "joint_count": found.both,
        "total_count": found.total,
    }


# Whose they are


def of_trace(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiment of the trace that a request names."""
    record = find_record(context.hub, _id(fields))
    return () if record is None else (str(record.fields["experiment_id"]),)


def _of_traces(context: Context, fields: Fields) -> Collection[str]:
    records = (find_record(context.hub, one) for one in fields.get("trace_ids") or ())
    return {str(one.fields["experiment_id"]) for one in records if one is not None}


def _of_new(context: Context, fields: Fields) -> Collection[str]:
    told = trace_info_of(fields["trace"].get("trace_info"))
    record = find_record(context.hub, told.id)
    return {told.experiment_id, *(() if record is None else (str(record.fields["experiment_id"]),))}


def _of_location(context: Context, fields: Fields) -> Collection[str]:
    return _located(fields)


def _of_ids(context: Context, fields: Fields) -> Collection[str]:
    return fields.get("experiment_ids") or ()


def _of_id(context: Context, fields: Fields) -> Collection[str]:
    return (fields.get("experiment_id", ""),)


_V3, _V2 = "/3.0/mlflow/traces", "/2.0/mlflow/traces"
_TEXT, _NEEDED, _LIST, _INT = Field("string"), Field("string", required=True), Field("list"), Field("int")
_TEXTS, _NEEDED_TEXTS = Field("strings"), Field("strings", required=True)
_ID, _ID2 = {"trace_id": _NEEDED}, {"request_id": _NEEDED}
_TAG = {"key": _NEEDED, "value": _TEXT}
_IDS = {"trace_ids": _NEEDED_TEXTS, "experiment_ids": _TEXTS}
_PAGED = {"filter": _TEXT, "max_results": _INT, "order_by": _TEXTS, "page_token": _TEXT}
_OLD = {"experiment_id": _NEEDED, "max_timestamp_millis": _INT, "max_traces": _INT, "request_ids": _TEXTS}
_BEGUN = {"experiment_id": _TEXT, "timestamp_ms": _INT, "request_metadata": _LIST, "tags": _LIST}
_ENDED = {**_ID2, "timestamp_ms": _INT, "status": Field("any"), "request_metadata": _LIST, "tags": _LIST}
_LINKED = {"trace_id": _NEEDED, "prompt_versions": Field("list", required=True)}
_ASKED = {
    "experiment_ids": _NEEDED_TEXTS,
    "view_type": Field("any", required=True),
    "metric_name": _NEEDED,
    "aggregations": Field("list", required=True),
    "dimensions": _TEXTS,
    "filters": _TEXTS,
    **dict.fromkeys(("time_interval_seconds", "start_time_ms", "end_time_ms", "max_results"), _INT),
    "page_token": _TEXT,
}
_READ = Role.READER

CALLS = (
    Call("POST", _V3, "StartTraceV3", start, {"trace": Field("object", required=True)}, experiment_of=_of_new),
    Call("GET", f"{_V3}/get", "GetTrace", get, {**_ID, "allow_partial": Field("bool")}, _READ, experiment_of=of_trace),
    Call("GET", f"{_V3}/batchGet", "BatchGetTraces", get_many, _IDS, _READ, experiment_of=_of_traces),
    Call("POST", f"{_V3}/batchGetInfos", "BatchGetTraceInfos", get_many_infos, _IDS, _READ, experiment_of=_of_traces),
    Call(
        "POST",
        f"{_V3}/search",
        "SearchTracesV3",
        search,
        {"locations": Field("list", required=True), **_PAGED},
        _READ,
        experiment_of=_of_location,
    ),
    Call("POST", f"{_V3}/delete-traces", "DeleteTracesV3", delete, _OLD, experiment_of=_of_id),
    Call("GET", f"{_V3}/{{trace_id}}", "GetTraceInfoV3", get_info, _ID, _READ, experiment_of=of_trace),
    Call("PATCH", f"{_V3}/{{trace_id}}/tags", "SetTraceTagV3", set_tag, {**_ID, **_TAG}, experiment_of=of_trace),
    Call("DELETE", f"{_V3}/{{trace_id}}/tags", "DeleteTraceTagV3", delete_tag, {**_ID, **_TAG}, experiment_of=of_trace),
    Call("POST", _V2, "StartTrace", start_v2, _BEGUN, experiment_of=_of_id),
    Call(
        "GET",
        _V2,
        "SearchTraces",
        search_v2,
        {"experiment_ids": _NEEDED_TEXTS, **_PAGED},
        _READ,
        experiment_of=_of_ids,
    ),
    Call("PATCH", f"{_V2}/{{request_id}}", "EndTrace", end_v2, _ENDED, experiment_of=of_trace),
    Call("GET", f"{_V2}/{{request_id}}/info", "GetTraceInfo", get_info_v2, _ID2, _READ, experiment_of=of_trace),
    Call("PATCH", f"{_V2}/{{request_id}}/tags", "SetTraceTag", set_tag, {**_ID2, **_TAG}, experiment_of=of_trace),
    Call(
        "DELETE", f"{_V2}/{{request_id}}/tags", "DeleteTraceTag", delete_tag, {**_ID2, **_TAG}, experiment_of=of_trace
    ),
    Call("POST", f"{_V2}/delete-traces", "DeleteTraces", delete, _OLD, experiment_of=_of_id),
    Call(
        "POST",
        f"{_V2}/link-to-run",
        "LinkTracesToRun",
        link_to_run,
        {"trace_ids": _NEEDED_TEXTS, "run_id": _NEEDED},
        experiment_of=_of_traces,
    ),
    Call("POST", f"{_V2}/link-prompts", "LinkPromptsToTrace", link_prompts, _LINKED, experiment_of=of_trace),
    *(
        Call(
            "GET",
            f"/{version}/mlflow/get-trace-artifact",
            "GetTraceArtifact",
            artifact,
            {"request_id": _NEEDED, "path": _TEXT},
            _READ,
            experiment_of=of_trace,
            below=AJAX_ONLY,
        )
        for version in ("2.0", "3.0")
    ),
    Call("POST", f"{_V3}/metrics", "QueryTraceMetrics", sum_up, _ASKED, _READ, experiment_of=_of_ids),
    Call(
        "POST",
        f"{_V3}/calculate-filter-correlation",
        "CalculateTraceFilterCorrelation",
        correlate,
        {
            "experiment_ids": _NEEDED_TEXTS,
            "filter_string1": _NEEDED,
            "filter_string2": _NEEDED,
            "base_filter": _TEXT,
        },
        _READ,
        experiment_of=_of_ids,
    ),
)
