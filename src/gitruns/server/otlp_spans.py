"""Spans as OpenTelemetry sends them, over HTTP as protobuf or JSON: the body of a request to spans of ours.

`opentelemetry-proto` is part of the extra `server`. Bodies may be packed with gzip or deflate; what comes out of them
is limited as what comes in is.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from gitruns.protocol.errors import refused
from gitruns.protocol.otel_words import in_mlflow_words
from gitruns.protocol.spans import REQUEST_ID, Span, read_span

MAX_BYTES = 64 << 20
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_IDS = ("traceId", "spanId", "parentSpanId")
_CODES = {0: "STATUS_CODE_UNSET", 1: "STATUS_CODE_OK", 2: "STATUS_CODE_ERROR"}
_MAX_DEPTH = 32


def unpacked(body: bytes, encoding: str) -> bytes:
    """Returns a body as it was before it was packed; raises `ProtocolError`."""
    if not encoding or encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise refused(f"Unsupported Content-Encoding: {encoding}", "BAD_REQUEST")
    for bits in (zlib.MAX_WBITS | 16,) if encoding == "gzip" else (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        packer = zlib.decompressobj(bits)
        try:
            found = packer.decompress(body, MAX_BYTES)
        except zlib.error:
            continue
        if packer.unconsumed_tail:
            raise refused(f"the payload takes more than {MAX_BYTES} bytes", "BAD_REQUEST")
        if packer.eof:
            return found
    raise refused(f"Failed to decompress {encoding} payload", "BAD_REQUEST")


def spans_in(body: bytes, media_type: str) -> list[Span]:
    """Returns the spans of a request; raises `ProtocolError`."""
    request = _parsed(body, media_type)
    if not request.resource_spans:
        raise refused("Invalid OpenTelemetry format - no spans found", "BAD_REQUEST")
    return list(_spans(request))


def _parsed(body: bytes, media_type: str) -> Any:
    from google.protobuf.json_format import Error, ParseDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        if media_type == JSON:
            ParseDict(_with_base64(json.loads(body)), request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise refused("Invalid OpenTelemetry format", "BAD_REQUEST") from error
    return request


def _with_base64(data: Any) -> Any:
    """Returns the JSON of a request with its ids in base64, as protobuf reads them: OTLP has them in hex digits."""
    for resource in data.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for one in (span, *span.get("links", [])):
                    for name in _IDS:
                        if one.get(name):
                            one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return data


def _spans(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        told = _plain(resource.resource.attributes)
        for scope in resource.scope_spans:
            for one in scope.spans:
                yield _span(one, told)


def _span(given: Any, resource: dict[str, Any]) -> Span:
    if not given.trace_id or not given.span_id or max(len(given.trace_id), 2 * len(given.span_id)) > 16:
        raise refused("Cannot convert OpenTelemetry span to MLflow span", "BAD_REQUEST")
    trace_id = given.trace_id.rjust(16, b"\0")
    attributes = {key: json.dumps(value, ensure_ascii=False) for key, value in _plain(given.attributes).items()}
    mlflow_id = f"tr-{trace_id.hex()}"
    data = {
        "trace_id": _base64(trace_id),
        "span_id": _base64(given.span_id.rjust(8, b"\0")),
        "parent_span_id": _base64(given.parent_span_id.rjust(8, b"\0")) if given.parent_span_id else None,
        "name": given.name,
        "start_time_unix_nano": given.start_time_unix_nano,
        "end_time_unix_nano": given.end_time_unix_nano or None,
        "events": [
            {"name": one.name, "time_unix_nano": one.time_unix_nano, "attributes": _plain(one.attributes)}
            for one in given.events
        ],
        "status": {"code": _CODES.get(given.status.code, _CODES[0]), "message": given.status.message or ""},
        "attributes": {**in_mlflow_words(attributes), REQUEST_ID: json.dumps(mlflow_id)},
        "links": [
            {
                "trace_id": f"tr-{one.trace_id.hex().rjust(32, '0')}",
                "span_id": one.span_id.hex().rjust(16, "0"),
                "attributes": _plain(one.attributes) or None,
            }
            for one in given.links
        ],
    }
    return Span(mlflow_id, read_span(data).data, resource)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _plain(attributes: Iterable[Any]) -> dict[str, Any]:
    return {one.key: _value(one.value, 0) for one in attributes}


def _value(given: Any, depth: int) -> Any:
    kind = given.WhichOneof("value")
    if kind is None or depth > _MAX_DEPTH:
        return None
    if kind == "array_value":
        return [_value(one, depth + 1) for one in given.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _value(one.value, depth + 1) for one in given.kvlist_value.values}
    value = getattr(given, kind)
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    return value if not isinstance(value, float) or value - value == 0 else str(value)
