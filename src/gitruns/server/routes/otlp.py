"""Spans over OTLP/HTTP: from MLflow's clients, and from any program with an OpenTelemetry exporter."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress

from gitruns.protocol import trace_spans, traces
from gitruns.protocol.errors import ProtocolError, refused, status_of
from gitruns.protocol.experiments import experiment_id_of
from gitruns.protocol.trace import find_record
from gitruns.server.calls import AT_ROOT, Answer, Context, Fields, StreamCall, Upload
from gitruns.server.otlp_spans import JSON, MAX_BYTES, PROTOBUF, spans_in, unpacked

_EXPERIMENT, _RUN = "x-mlflow-experiment-id", "x-mlflow-run-id"


def export(context: Context, fields: Fields, upload: Upload | None) -> Answer:
    """Keeps the spans of a request, all of them or none."""
    headers = {} if upload is None else upload.headers
    media_type = "" if upload is None else upload.content_type.split(";")[0].strip().lower()
    if upload is None or media_type not in (PROTOBUF, JSON):
        return _refused(f"Invalid Content-Type: {media_type}. Expected: {PROTOBUF} or {JSON}", 400)
    if not headers.get(_EXPERIMENT):
        return _refused(f"the header {_EXPERIMENT} is missing", 422)
    body = upload.stream.read()
    try:
        spans = spans_in(unpacked(body, headers.get("content-encoding", "").lower()), media_type)
    except ProtocolError as error:
        return _refused(error.message, status_of(error.code))
    home = str(experiment_id_of(headers[_EXPERIMENT]))
    _check_experiments(context, home, {span.trace_id for span in spans})
    trace_spans.log_spans(context.hub, home, spans)
    ended = sorted({span.trace_id for span in spans if span.parent_id is None})
    if headers.get(_RUN) and ended:
        with suppress(ProtocolError):  # the spans are kept, and that is what was asked for
            traces.link_traces_to_run(context.hub, ended, headers[_RUN])
    return Answer(b"", content_type=PROTOBUF)


def _refused(detail: str, status: int) -> Answer:
    return Answer(json.dumps({"detail": detail}).encode(), status)


def _check_experiments(context: Context, home: str, trace_ids: Collection[str]) -> None:
    """Refuses somebody who is limited to other experiments; the frame cannot, as the experiment is in a header."""
    if context.only is None:
        return
    known = (find_record(context.hub, one) for one in trace_ids)
    touched = {home, *(str(one.fields["experiment_id"]) for one in known if one is not None)}
    if not touched <= context.only:
        raise refused("you are limited to other experiments than this", "PERMISSION_DENIED")


def _checked_within(context: Context, fields: Fields) -> Collection[str]:
    return context.only or ()


CALLS = (
    StreamCall(
        "POST",
        "/v1/traces",
        "ExportTraces",
        export,
        experiment_of=_checked_within,
        limit_bytes=MAX_BYTES,
        below=AT_ROOT,
    ),
)
