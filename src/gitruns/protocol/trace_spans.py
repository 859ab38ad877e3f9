"""Calls for the spans of traces: take them as they come, in any order, and give back whole traces.

Each span is a record of its own, so that programs that work on one trace from several machines add to it and overwrite
nothing of each other's. What is known of the trace itself is made anew from all its spans, until its program has said
it once and for all (`traces.start_trace`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitruns.protocol import assessments, trace_files
from gitruns.protocol import spans as keys
from gitruns.protocol import trace as facts
from gitruns.protocol.errors import ProtocolError, missing
from gitruns.protocol.experiments import active_experiment
from gitruns.protocol.record_fields import Change, changes, value_here
from gitruns.protocol.spans import Span, json_or_text, read_old_span, read_span, span_order
from gitruns.protocol.trace import IN_STORE, SPANS_FILE, SPANS_TAG, TraceInfo, find_record, read_info
from gitruns.protocol.trace_totals import (
    COST,
    TOKEN_USAGE,
    as_costs,
    as_counts,
    preview_of,
    root_of,
    span_times,
    state_of,
    total_cost,
    total_usage,
)

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "span"
MISSING = "gitruns.content_missing"
"""The attribute of a span whose content is not here."""
TAG_ATTRIBUTES = "mlflow.traceTag."
_SESSIONS = ("session.id", "gen_ai.conversation.id")
_USER = "user.id"
_NOT_TAGS = ("telemetry.sdk.", "mlflow.")
_MAX_TAG = 8000
_WAITS_S = (1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace and its spans, the root first."""

    info: TraceInfo
    spans: tuple[Span, ...]


def log_spans(hub: Hub, experiment_id: str, spans: Sequence[Span]) -> None:
    """Keeps spans; a trace that is not there yet begins in that experiment."""
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[facts.check_trace_id(span.trace_id)].append(span)
    with facts.changing(by_trace):
        found: list[Change] = []
        for trace_id in sorted(by_trace):
            found += _changes(hub, experiment_id, trace_id, by_trace[trace_id])
        hub.repo.records.put_many(found)


def _changes(hub: Hub, experiment_id: str, trace_id: str, new: list[Span]) -> list[Change]:
    records = hub.repo.records
    old = records.get(facts.KIND, trace_id, deleted=True)
    known = read_info(hub, old) if old is not None and facts.is_there(old) and not old.fields.get("deleted") else None
    home = known.experiment_id if known is not None else str(active_experiment(hub, experiment_id).id)
    found: list[Change] = []
    for span in new:
        fields = {
            "trace_id": trace_id,
            "name": span.name,
            "type": span.type,
            "status": span.status,
            "parent_id": span.parent_id,
            "start_ns": span.start_ns,
            "end_ns": span.end_ns,
            "content": span.content,
            "deleted": None,
        }
        found += changes(records, KIND, f"{trace_id}/{span.id}", fields)
    fields = _facts(known, _counted(hub, trace_id, new, is_new=known is None), new)
    if known is None:
        fields |= {"experiment_id": home, "deleted": None}
    there = {} if old is None else old.fields
    changed = {name: value for name, value in fields.items() if there.get(name) != value}
    found += changes(records, facts.KIND, trace_id, changed, old)
    return found


def _counted(hub: Hub, trace_id: str, new: list[Span], *, is_new: bool) -> list[Span]:
    """Returns the spans that tokens and costs are to be added up of: all, where new ones tell of any."""
    if is_new or not any(keys.USAGE in span.attributes or keys.COST in span.attributes for span in new):
        return new
    latest = {span.id for span in new}
    return [*new, *(span for span in stored_spans(hub, trace_id) if span.id not in latest)]


def _facts(known: TraceInfo | None, counted: Sequence[Span], new: Sequence[Span]) -> dict[str, Any]:
    """Returns fields of the trace as they are with new spans."""
    finished = known is not None and facts.FINISHED_KEY in known.metadata
    fields = _times(known, new, finished=finished)
    if known is None or known.state in facts.OPEN_STATES:
        fields["state"] = state_of(new) or "IN_PROGRESS"
    root = root_of(new)
    tags = {**_resource_tags(new), **(_own_tags(root) if root is not None else {})}
    fields |= {f"tags/{key}": text for key, text in tags.items()}
    fields[f"tags/{SPANS_TAG}"] = IN_STORE
    if root is not None:
        if known is None or known.request_preview is None:
            fields["request_preview"] = preview_of(root.attributes.get(keys.INPUTS), "user")
        if known is None or known.response_preview is None:
            fields["response_preview"] = preview_of(root.attributes.get(keys.OUTPUTS), "assistant")
    metadata = {} if known is None else known.metadata
    return fields | {f"metadata/{key}": text for key, text in _metadata(metadata, counted, finished=finished).items()}


def _times(known: TraceInfo | None, new: Sequence[Span], *, finished: bool) -> dict[str, Any]:
    start_ms, end_ms = span_times(new)
    if known is not None:
        if finished and known.duration_ms is not None:
            return {}
        start_ms = known.time_ms if finished else min(start_ms, known.time_ms)
        ends = [end_ms, None if known.duration_ms is None else known.time_ms + known.duration_ms]
        end_ms = max((one for one in ends if one is not None), default=None)
    return {"time_ms": start_ms, "duration_ms": None if end_ms is None else end_ms - start_ms}


def _metadata(known: Any, spans: Sequence[Span], *, finished: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, total, tidy in ((TOKEN_USAGE, total_usage, as_counts), (COST, total_cost, as_costs)):
        if finished and key in known:
            continue
        counted = tidy(total(spans))
        if counted:
            found[key] = json.dumps(counted)
    session = next((text for span in spans for name in _SESSIONS if (text := span.attribute(name))), None)
    if session is not None and facts.SESSION_KEY not in known:
        facts.check_session(str(session))
        found[facts.SESSION_KEY] = str(session)
    user = next((text for span in spans if (text := span.attribute(_USER))), None)
    if user is not None and facts.USER_KEY not in known:
        found[facts.USER_KEY] = str(user)
    return {key: text for key, text in found.items() if known.get(key) != text}


def _resource_tags(spans: Iterable[Span]) -> dict[str, str]:
    """Returns what the first span that says so comes from, as tags; only texts that can be tags."""
    resource = next((span.resource for span in spans if span.resource), {})
    return {
        key: text
        for key, value in resource.items()
        if not key.startswith(_NOT_TAGS) and key and len(key) <= 250
        if len(text := value if isinstance(value, str) else json.dumps(value)) <= _MAX_TAG
    }


def _own_tags(root: Span) -> dict[str, str]:
    found = {}
    for name, value in root.attributes.items():
        key = name.removeprefix(TAG_ATTRIBUTES)
        if key and key != name and len(key) <= 250 and key != facts.ARTIFACTS_TAG:
            said = json_or_text(value)
            found[key] = (said if isinstance(said, str) else str(value))[:_MAX_TAG]
    return found


# Reading


def stored_spans(hub: Hub, trace_id: str) -> list[Span]:
    """Returns the spans of a trace that are kept as such, in the order of `span_order`."""
    records = hub.repo.records
    found = [_read(hub, record) for record in records.select(KIND, {"trace_id": trace_id})]
    return sorted((span for span in found if span is not None), key=span_order)


def _read(hub: Hub, record: Record) -> Span | None:
    content = value_here(hub.repo.records, record, "content")
    try:
        if content is None:
            return _outline(record)
        return replace(read_span(json.loads(content)), trace_id=str(record.fields["trace_id"]))
    except (TypeError, ValueError, KeyError, ProtocolError):
        return None


def _outline(record: Record) -> Span:
    """Returns what is known of a span whose content is not on this machine: it was large, and no store has it."""
    fields = record.fields
    trace_id, span_id = str(fields["trace_id"]), record.id.rpartition("/")[2]
    said = {keys.REQUEST_ID: trace_id, keys.SPAN_TYPE: fields.get("type"), MISSING: True}
    data = {
        "trace_id": hashlib.sha256(trace_id.encode()).hexdigest()[:32],  # OpenTelemetry's, which is in the content
        "span_id": span_id,
        "parent_span_id": fields.get("parent_id"),
        "name": fields.get("name"),
        "start_time_unix_nano": fields["start_ns"],
        "end_time_unix_nano": fields.get("end_ns"),
        "status": {"code": f"STATUS_CODE_{fields.get('status') or 'UNSET'}", "message": ""},
        "attributes": {key: json.dumps(value) for key, value in said.items()},
        "events": [],
        "links": [],
    }
    ids = ("trace_id", "span_id", "parent_span_id")
    data |= {name: base64.b64encode(bytes.fromhex(data[name])).decode() for name in ids if data[name]}
    return read_span(data)


def spans_of(hub: Hub, info: TraceInfo) -> tuple[Span, ...] | None:
    """Returns all spans of a trace; None when some are yet to come.

    A program that knows nothing of spans in the store has put them into a file beside the trace.
    """
    if info.tags.get(SPANS_TAG) != IN_STORE:
        return _spans_in_file(hub, info.id)
    found = tuple(stored_spans(hub, info.id))
    sizes = json_or_text(info.metadata.get(facts.SIZES_KEY))
    expected = sizes.get("num_spans", 0) if isinstance(sizes, dict) else 0
    return None if isinstance(expected, int) and len(found) < expected else found


def _spans_in_file(hub: Hub, trace_id: str) -> tuple[Span, ...] | None:
    data = trace_files.find(hub, trace_id, SPANS_FILE)
    if data is None:
        return None
    listed = json_or_text(data)
    spans = listed.get("spans") if isinstance(listed, dict) else None
    return tuple(sorted((_read_any(one) for one in spans or ()), key=span_order))


def _read_any(data: Any) -> Span:
    return read_old_span(data) if isinstance(data, dict) and "context" in data else read_span(data)


def get_trace(hub: Hub, trace_id: str, *, allow_partial: bool = False, wait: bool = False) -> Trace:
    """Returns a trace and its spans.

    `allow_partial`: those that are there. `wait`: for those that are on their way, up to three seconds.
    """
    for wait_s in (*(_WAITS_S if wait and not allow_partial else ()), 0.0):
        record = find_record(hub, trace_id)
        if record is None:
            raise missing(f"Trace with ID {trace_id} is not found.")
        info = read_info(hub, record, assessments.of_trace(hub, trace_id))
        found = spans_of(hub, info)
        if found is None and allow_partial:
            found = tuple(stored_spans(hub, trace_id))
        if found is not None:
            return Trace(info, found)
        time.sleep(wait_s)
    raise missing(f"Trace with ID {trace_id} is not fully exported yet, please try again later.")


def get_traces(hub: Hub, trace_ids: Iterable[str], experiment_ids: Collection[str] | None = None) -> list[Trace]:
    """Returns those traces that are there whole, in the order in which they are asked for."""
    from gitruns.protocol.traces import get_trace_infos

    found = []
    for info in get_trace_infos(hub, trace_ids, experiment_ids):
        spans = spans_of(hub, info)
        if spans:
            found.append(Trace(info, spans))
    return found
