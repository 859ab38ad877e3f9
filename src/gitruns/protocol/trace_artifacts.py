"""Artifacts of a trace: files beside it, as the pictures that it was asked about.

Its spans are one of them, `traces.json`, to programs that do not know of spans in the store: what such a program puts
there is kept as spans, and what it reads there is made of them. Nothing is kept twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gitruns.protocol import trace_files, trace_spans
from gitruns.protocol.errors import ProtocolError, missing
from gitruns.protocol.spans import json_or_text, read_span
from gitruns.protocol.trace import SPANS_FILE, find_record
from gitruns.protocol.trace_files import TraceFile, delete, list_files

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub

__all__ = ["TraceFile", "delete", "list_files", "put", "read"]


def put(hub: Hub, trace_id: str, path: str, data: bytes) -> None:
    """Keeps a file; the same path again replaces it."""
    if path != SPANS_FILE or not _kept_as_spans(hub, trace_id, data):
        trace_files.put(hub, trace_id, path, data)


def _kept_as_spans(hub: Hub, trace_id: str, data: bytes) -> bool:
    record = find_record(hub, trace_id)
    listed: Any = json_or_text(data)
    if record is None or not isinstance(listed, dict) or not isinstance(listed.get("spans"), list):
        return False
    try:
        spans = [read_span(one) for one in listed["spans"]]
    except ProtocolError:  # of MLflow 2, which also reads them only as it wrote them
        return False
    if not spans or any(span.trace_id != trace_id for span in spans):
        return False
    known = {span.id for span in trace_spans.stored_spans(hub, trace_id)}
    new = [span for span in spans if span.id not in known]
    if new:
        trace_spans.log_spans(hub, str(record.fields["experiment_id"]), new)
    return True


def read(hub: Hub, trace_id: str, path: str) -> bytes:
    """Returns what a file holds; raises `ProtocolError`."""
    found = trace_files.find(hub, trace_id, path)
    if found is None and path == SPANS_FILE:
        spans = trace_spans.stored_spans(hub, trace_id)
        found = json.dumps({"spans": [one.data for one in spans]}, ensure_ascii=False).encode() if spans else None
    if found is None:
        raise missing(f"No such artifact: '{path}'")
    return found
