"""Traces and assessments as MLflow's JSON, and back: version 3 of its protocol, and what is left of version 2."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gitruns.protocol.assessment import EXPECTATION, FEEDBACK, ISSUE, Assessment
from gitruns.protocol.errors import refused
from gitruns.protocol.spans import Span, json_or_text
from gitruns.protocol.trace import STATES, TraceInfo
from gitruns.server.fields import invalid_field
from gitruns.server.moments import length_text, read_length, read_time, time_text
from gitruns.server.pairs import as_pairs, without_nothing

_MAX_METADATA = 250
_MAX_TAG_KEY, _MAX_TAG = 250, 4096
_JSON = "JSON_FORMAT"
_MAX_DEPTH = 32


def trace_info_json(info: TraceInfo) -> dict[str, Any]:
    """Returns the facts of a trace, with texts as long as MLflow sends them."""
    return without_nothing(
        {
            "trace_id": info.id,
            "client_request_id": info.client_request_id,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": info.experiment_id},
            },
            "request_preview": info.request_preview,
            "response_preview": info.response_preview,
            "request_time": time_text(info.time_ms),
            "execution_duration": None if info.duration_ms is None else length_text(info.duration_ms),
            "state": info.state,
            "trace_metadata": _cut(info.metadata, _MAX_METADATA, _MAX_METADATA) or None,
            "tags": _cut(info.tags, _MAX_TAG_KEY, _MAX_TAG) or None,
            "assessments": [assessment_json(one) for one in info.assessments],
        }
    )


def trace_info_v2_json(info: TraceInfo) -> dict[str, Any]:
    """Returns the facts of a trace as version 2 has them."""
    return {
        "request_id": info.id,
        "experiment_id": info.experiment_id,
        "timestamp_ms": info.time_ms,
        "execution_time_ms": info.duration_ms or 0,
        "status": "TRACE_STATUS_UNSPECIFIED" if info.state == "STATE_UNSPECIFIED" else info.state,
        "request_metadata": as_pairs(_cut(info.metadata, _MAX_METADATA, _MAX_METADATA)),
        "tags": as_pairs(_cut(info.tags, _MAX_TAG_KEY, _MAX_TAG)),
    }


def _cut(texts: Mapping[str, str], key_length: int, length: int) -> dict[str, str]:
    return {key[:key_length]: text[:length] for key, text in texts.items()}


def trace_info_of(given: Any) -> TraceInfo:
    """Returns the facts that a client tells of a trace; raises `ProtocolError`."""
    if not isinstance(given, dict):
        raise invalid_field("trace.trace_info", given)
    place = _object(given.get("trace_location"), "trace_location")
    home = _object(place.get("mlflow_experiment"), "mlflow_experiment").get("experiment_id")
    duration = given.get("execution_duration")
    state = given.get("state", "STATE_UNSPECIFIED")
    if state not in STATES:
        raise invalid_field("state", state)
    return TraceInfo(
        id=_text(given, "trace_id") or "",
        experiment_id=str(home or ""),
        time_ms=read_time(given.get("request_time"), "request_time"),
        duration_ms=None if duration is None else read_length(duration, "execution_duration"),
        state=state,
        client_request_id=_text(given, "client_request_id"),
        request_preview=_text(given, "request_preview"),
        response_preview=_text(given, "response_preview"),
        metadata=texts_of(given.get("trace_metadata"), "trace_metadata"),
        tags=texts_of(given.get("tags"), "tags"),
        assessments=tuple(assessment_of(one) for one in _list(given.get("assessments"), "assessments")),
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_field(name, value)
    return value


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid_field(name, value)
    return value


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_field(name, value)
    return value


def texts_of(value: Any, name: str) -> dict[str, str]:
    """Returns a mapping of texts to texts that a client gives; raises `ProtocolError`."""
    found = _object(value, name)
    if not all(isinstance(one, str) for one in found.values()):
        raise invalid_field(name, value)
    return found


# Spans


def trace_json(info: TraceInfo, spans: Iterable[Span]) -> dict[str, Any]:
    """Returns a whole trace."""
    return {"trace_info": trace_info_json(info), "spans": [span_json(one) for one in spans]}


def span_json(span: Span) -> dict[str, Any]:
    """Returns a span as OpenTelemetry's JSON has it, with names and times as MLflow writes them."""
    data = span.data
    status = data.get("status") or {}
    shown = {
        "trace_id": data["trace_id"],
        "span_id": data["span_id"],
        "parent_span_id": data.get("parent_span_id") or None,
        "name": span.name,
        "start_time_unix_nano": span.start_ns,
        "end_time_unix_nano": span.end_ns,
        "attributes": [
            {"key": key, "value": _any_value(json_or_text(value), 0)} for key, value in span.attributes.items()
        ],
        "events": [_event_json(one) for one in data.get("events") or ()],
        "links": [found for one in data.get("links") or () if (found := _link_json(one)) is not None],
        "status": without_nothing(
            {
                "code": status.get("code") if status.get("code") != "STATUS_CODE_UNSET" else None,
                "message": status.get("message") or None,
            }
        ),
    }
    return without_nothing(shown)


def _event_json(event: Mapping[str, Any]) -> dict[str, Any]:
    attributes = [{"key": key, "value": _any_value(value, 0)} for key, value in (event.get("attributes") or {}).items()]
    time_ns = int(event.get("time_unix_nano") or 0)
    return without_nothing({"time_unix_nano": time_ns, "name": event.get("name"), "attributes": attributes})


def _link_json(link: Mapping[str, Any]) -> dict[str, Any] | None:
    import base64

    try:
        trace_id = bytes.fromhex(str(link["trace_id"]).removeprefix("tr-"))
        span_id = bytes.fromhex(str(link["span_id"]))
    except (KeyError, ValueError):
        return None
    if len(trace_id) > 16 or len(span_id) > 8:
        return None
    attributes = [{"key": key, "value": _any_value(value, 0)} for key, value in (link.get("attributes") or {}).items()]
    ids = {"trace_id": trace_id.rjust(16, b"\0"), "span_id": span_id.rjust(8, b"\0")}
    return without_nothing(
        {**{name: base64.b64encode(one).decode() for name, one in ids.items()}, "attributes": attributes}
    )


def _any_value(value: Any, depth: int) -> dict[str, Any]:
    """Returns a value as OpenTelemetry's `AnyValue`."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        return {"int_value": value} if -(2**63) <= value < 2**63 else {"string_value": str(value)}
    if isinstance(value, float):
        return {"double_value": value if value - value == 0 else _float_word(value)}
    if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
        return {"array_value": without_nothing({"values": [_any_value(one, depth + 1) for one in value]})}
    if depth < _MAX_DEPTH and isinstance(value, dict):
        pairs = [{"key": str(key), "value": _any_value(one, depth + 1)} for key, one in value.items()]
        return {"kvlist_value": without_nothing({"values": pairs})}
    return {"string_value": value if isinstance(value, str) else json.dumps(value)}


def _float_word(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


# Assessments


def assessment_json(one: Assessment) -> dict[str, Any]:
    """Returns an assessment."""
    return without_nothing(
        {
            "assessment_id": one.id,
            "assessment_name": one.name,
            "trace_id": one.trace_id,
            "span_id": one.span_id,
            "source": {"source_type": one.source_type, "source_id": one.source_id},
            "create_time": time_text(one.create_ms),
            "last_update_time": time_text(one.update_ms),
            one.type: _value_json(one),
            "rationale": one.rationale,
            "metadata": {key: str(text) for key, text in (one.metadata or {}).items()} or None,
            "overrides": one.overrides,
            "valid": one.valid,
        }
    )


def _value_json(one: Assessment) -> dict[str, Any]:
    if one.type == ISSUE:
        return dict(one.value or {})
    plain = _finite(one.value)
    if one.type == EXPECTATION and isinstance(plain, (list, dict, type(None))):
        return {"serialized_value": {"serialization_format": _JSON, "value": json.dumps(one.value)}}
    return {"value": plain, **({"error": dict(one.error)} if one.error else {})}


def _finite(value: Any) -> Any:
    return _float_word(value) if isinstance(value, float) and value - value != 0 else value


def assessment_of(given: Any, trace_id: str = "") -> Assessment:
    """Returns an assessment that a client gives; raises `ProtocolError`."""
    found = _object(given, "assessment")
    kinds = [kind for kind in (FEEDBACK, EXPECTATION, ISSUE) if found.get(kind) is not None]
    if len(kinds) != 1:
        raise refused("Exactly one of `expectation`, `feedback`, or `issue` should be specified.")
    value, error = value_of(kinds[0], found[kinds[0]])
    source = _object(found.get("source"), "source")
    times = {name: found.get(name) for name in ("create_time", "last_update_time")}
    read = {name: 0 if text is None else read_time(text, name) for name, text in times.items()}
    return Assessment(
        id=_text(found, "assessment_id") or "",
        trace_id=trace_id or _text(found, "trace_id") or "",
        name=_text(found, "assessment_name") or "",
        type=kinds[0],
        value=value,
        error=error,
        source_type=_text(source, "source_type") or "CODE",
        source_id=_text(source, "source_id") or "default",
        span_id=_text(found, "span_id") or None,
        rationale=_text(found, "rationale") or None,
        metadata=texts_of(found.get("metadata"), "metadata") or None,
        create_ms=read["create_time"],
        update_ms=read["last_update_time"],
        overrides=_text(found, "overrides") or None,
    )


def value_of(kind: str, given: Any) -> tuple[Any, Mapping[str, str] | None]:
    """Returns the value of a feedback, an expectation or an issue, and the error that came instead."""
    found = _object(given, kind)
    if kind == ISSUE:
        return {"issue_name": _text(found, "issue_name") or ""}, None
    if kind == FEEDBACK:
        error = found.get("error")
        return found.get("value"), texts_of(error, "error") if error is not None else None
    written = found.get("serialized_value")
    if written is None:
        return found.get("value"), None
    written = _object(written, "serialized_value")
    if written.get("serialization_format") not in (None, _JSON):
        named = written.get("serialization_format")
        raise refused(f"Unknown serialization format: {named}. Only JSON_FORMAT is supported.")
    try:
        return json.loads(written.get("value", "")), None
    except (TypeError, ValueError, RecursionError):
        raise invalid_field("serialized_value", written.get("value")) from None
