"""A span: one piece of work within a trace, in the form in which MLflow keeps and exports it.

    {"trace_id": base64, "span_id": base64, "parent_span_id": base64 or None, "name": text,
     "start_time_unix_nano": int, "end_time_unix_nano": int or None, "status": {"code": "STATUS_CODE_OK", "message": …},
     "attributes": {key: JSON text}, "events": [{"name", "time_unix_nano", "attributes"}], "links": […]}

Values of attributes are JSON texts, `mlflow.traceRequestId` among them is the id of the trace.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitruns.protocol.errors import refused

REQUEST_ID = "mlflow.traceRequestId"
SPAN_TYPE = "mlflow.spanType"
INPUTS = "mlflow.spanInputs"
OUTPUTS = "mlflow.spanOutputs"
USAGE = "mlflow.chat.tokenUsage"
COST = "mlflow.llm.cost"

_STATUS = "STATUS_CODE_"


@dataclass(frozen=True, slots=True)
class Span:
    """One span. `resource` is what its OTLP request said of the program that it comes from."""

    trace_id: str
    data: Mapping[str, Any]
    resource: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Its id in the trace, 16 hex digits."""
        return _hex(self.data["span_id"], 8)

    @property
    def parent_id(self) -> str | None:
        """The id of the span that it is part of; None for the root."""
        parent = self.data.get("parent_span_id")
        return _hex(parent, 8) if parent else None

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.data.get("name") or "")

    @property
    def type(self) -> str | None:
        """`LLM`, `TOOL` …, or whatever the program says."""
        found = self.attribute(SPAN_TYPE)
        return found if isinstance(found, str) else None

    @property
    def status(self) -> str:
        """`OK`, `ERROR` or `UNSET`."""
        code = (self.data.get("status") or {}).get("code")
        return code.removeprefix(_STATUS) if isinstance(code, str) else "UNSET"

    @property
    def start_ns(self) -> int:
        """When it began, nanoseconds UTC."""
        return int(self.data["start_time_unix_nano"])

    @property
    def end_ns(self) -> int | None:
        """When it ended; None while it is going on."""
        end = self.data.get("end_time_unix_nano")
        return int(end) if end else None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its attributes, as JSON texts."""
        return self.data.get("attributes") or {}

    def attribute(self, key: str) -> Any:
        """Returns the value of an attribute; None when it has none."""
        return json_or_text(self.attributes.get(key))

    @property
    def content(self) -> str:
        """The whole span as one text: what is stored, and what a full text search looks at."""
        return json.dumps(self.data, ensure_ascii=False)


def read_span(data: Any) -> Span:
    """Returns the span that such a mapping describes; raises `ProtocolError` for what is none."""
    try:
        trace_id = json_or_text(data["attributes"][REQUEST_ID])
        span = Span(trace_id, data)
        parts = (data.get("events") or [], data.get("links") or [])
        if not (
            isinstance(trace_id, str)
            and isinstance(data["attributes"], dict)
            and isinstance(data.get("status") or {}, dict)
            and isinstance(data["trace_id"], str)
            and all(isinstance(part, list) and all(isinstance(one, dict) for one in part) for part in parts)
            and all(isinstance(one.get("attributes") or {}, dict) for part in parts for one in part)
            and span.id
            and span.parent_id != ""
            and 0 <= span.start_ns < 1 << 64
            and 0 <= (span.end_ns or 0) < 1 << 64
        ):
            raise ValueError(trace_id)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise refused("Failed to create a Span object from the given dictionary") from error
    return span


def read_old_span(data: Any) -> Span:
    """Returns a span in the form of MLflow 2; raises `ProtocolError`."""
    try:
        context = data["context"]
        ids = {"trace_id": context["trace_id"], "span_id": context["span_id"], "parent_span_id": data["parent_id"]}
        plain = {name: _base64_of(text, 16 if name == "trace_id" else 8) for name, text in ids.items()}
        events = [{**one, "time_unix_nano": one.get("timestamp")} for one in data.get("events") or ()]
        status = {
            "code": _STATUS + str(data.get("status_code") or "UNSET"),
            "message": data.get("status_message") or "",
        }
        times = {"start_time_unix_nano": data["start_time"], "end_time_unix_nano": data.get("end_time")}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise refused("Failed to create a Span object from the given dictionary") from error
    same = {"name": data.get("name"), "attributes": data.get("attributes") or {}, "links": data.get("links") or []}
    return read_span({**plain, **same, **times, "status": status, "events": events})


def _base64_of(text: str | None, size: int) -> str | None:
    """Returns an id that was written as `0x` and hex digits."""
    if text is None:
        return None
    return base64.b64encode(int(text, 16).to_bytes(size, "big")).decode()


def json_or_text(value: Any) -> Any:
    """Returns what a JSON text says, and any other value as it is."""
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _hex(text: str, size: int) -> str:
    """Returns an id in hex digits; some versions of MLflow write it so, others in base64."""
    if len(text) == 2 * size:
        return text.lower()
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(text) from None
    return found.hex()


def span_order(span: Span) -> tuple[int, int]:
    """Sorts the spans of a trace: the root first, then by their beginnings."""
    return (0 if span.parent_id is None else 1, span.start_ns)
