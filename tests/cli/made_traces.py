"""A trace as an application makes one: a root, a call that failed below it, and what somebody said of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from gitruns.protocol import assessments, trace_spans, traces
from gitruns.protocol.assessment import Assessment
from gitruns.protocol.hub import Hub, local_hub
from gitruns.protocol.spans import read_span
from gitruns.tracking.session import Session

TRACE = "tr-" + "5f1c" * 8
START_NS = 1_763_000_000_000_000_000


def _span(number: int, parent: int | None, name: str, kind: str, code: str = "OK", **attributes: Any) -> Any:
    def encoded(place: int) -> str:
        return base64.b64encode(place.to_bytes(8, "big")).decode()

    said = {"mlflow.traceRequestId": TRACE, "mlflow.spanType": kind, **attributes}
    return {
        "trace_id": base64.b64encode(bytes.fromhex("5f1c" * 8)).decode(),
        "span_id": encoded(number),
        "parent_span_id": None if parent is None else encoded(parent),
        "name": name,
        "start_time_unix_nano": START_NS + number * 1_000_000,
        "end_time_unix_nano": START_NS + number * 1_000_000 + 1_500_000_000 // number,
        "status": {"code": f"STATUS_CODE_{code}", "message": ""},
        "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in said.items()},
        "events": [],
    }


def log_trace(folder: Path) -> str:
    """Logs the trace into the repository around a folder, and returns its id."""
    hub: Hub = local_hub(Session.open(folder))
    asked = {"mlflow.spanInputs": {"question": "how many\nsheep?"}, "mlflow.spanOutputs": "zwölf"}
    spans = [_span(1, None, "ask", "CHAIN", **asked), _span(2, 1, "look up", "TOOL", "ERROR")]
    trace_spans.log_spans(hub, "0", [read_span(one) for one in spans])
    traces.set_trace_tag(hub, TRACE, "mlflow.traceName", "ask")
    traces.set_trace_tag(hub, TRACE, "team", "red")
    said = Assessment(trace_id=TRACE, name="correct", type="feedback", value=True, source_id="ada", rationale="it is")
    assessments.create_assessment(hub, said)
    return TRACE
