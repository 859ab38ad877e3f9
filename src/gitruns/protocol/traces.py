"""Calls for traces: begin, end, look up, tag, link and delete them. Their spans: `trace_spans`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gitruns.protocol import assessments as calls
from gitruns.protocol import trace as facts
from gitruns.protocol.checks import check_tag
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.experiments import active_experiment
from gitruns.protocol.record_fields import changes, erased, put
from gitruns.protocol.trace import KIND, NAME_TAG, TraceInfo, find_record, need_record, read_info, time_of
from gitruns.protocol.trace_totals import tidied

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

MAX_LINKS = 100

OWN_KINDS = ("span", "assessment", "trace-artifact")
"""Records that belong to a trace, and go with it: each names it in the field `trace_id`."""


def start_trace(hub: Hub, given: TraceInfo) -> TraceInfo:
    """Takes a whole trace as its program tells it: when it has ended, perhaps after its spans; returns it."""
    trace_id = facts.check_trace_id(given.id)
    facts.check_name(given.tags.get(NAME_TAG))
    experiment = active_experiment(hub, given.experiment_id)
    if given.state not in facts.STATES:
        raise refused(f"'{given.state}' is no state of a trace. Valid states are {list(facts.STATES)}")
    with facts.changing([trace_id]):
        old = hub.repo.records.get(KIND, trace_id, deleted=True)
        fields = _fields(replace(given, experiment_id=str(experiment.id)), old)
        found = list(changes(hub.repo.records, KIND, trace_id, fields, old))
        for one in given.assessments:
            found += calls.changes_of(hub, replace(one, trace_id=trace_id), str(experiment.id))
        hub.repo.records.put_many(found)
    return get_trace_info(hub, trace_id)


def _fields(given: TraceInfo, old: Record | None) -> dict[str, Any]:
    known = (
        {} if old is None else {key[9:]: str(text) for key, text in old.fields.items() if key.startswith("metadata/")}
    )
    metadata = tidied(facts.check_texts("metadata", given.metadata), known)
    facts.check_session(metadata.get(facts.SESSION_KEY))
    fields: dict[str, Any] = {
        "experiment_id": given.experiment_id,
        "time_ms": given.time_ms,
        "duration_ms": given.duration_ms,
        "state": given.state,
        "client_request_id": given.client_request_id,
        f"metadata/{facts.FINISHED_KEY}": "true",
    }
    if old is not None and old.fields.get("deleted"):
        fields["deleted"] = None
    previews = {"request_preview": given.request_preview, "response_preview": given.response_preview}
    fields |= {name: text for name, text in previews.items() if text is not None}
    fields |= {f"metadata/{key}": text for key, text in metadata.items()}
    tags = facts.check_texts("tag", given.tags)
    return fields | {f"tags/{key}": text for key, text in tags.items() if key != facts.ARTIFACTS_TAG}


def get_trace_info(hub: Hub, trace_id: str) -> TraceInfo:
    """Returns the facts of a trace."""
    return read_info(hub, need_record(hub, trace_id), calls.of_trace(hub, trace_id))


def get_trace_infos(
    hub: Hub, trace_ids: Iterable[str], experiment_ids: Collection[str] | None = None
) -> list[TraceInfo]:
    """Returns the facts of those traces that are there, in the order in which they are asked for."""
    found = []
    for trace_id in dict.fromkeys(trace_ids):
        record = find_record(hub, trace_id)
        if record is not None and (experiment_ids is None or record.fields["experiment_id"] in experiment_ids):
            found.append(read_info(hub, record, calls.of_trace(hub, trace_id)))
    return found


# Tags


def set_trace_tag(hub: Hub, trace_id: str, key: str, value: str) -> None:
    """Sets a tag of a trace; a value that is too long is cut."""
    key, value = check_tag(key, value)
    if key == NAME_TAG:
        facts.check_name(value)
    record = need_record(hub, trace_id)
    put(hub.repo.records, KIND, trace_id, {f"tags/{key}": value}, record)


def delete_trace_tag(hub: Hub, trace_id: str, key: str) -> None:
    """Takes a tag of a trace away."""
    record = find_record(hub, trace_id)
    if record is None or key not in read_info(hub, record).tags or key == facts.ARTIFACTS_TAG:
        raise missing(f"No trace tag with key '{key}' for trace with ID '{trace_id}'")
    put(hub.repo.records, KIND, trace_id, {f"tags/{key}": None}, record)


def check_tag_is_free(key: str, verb: str) -> None:
    """Refuses a client's change of a tag that says where things are (`verb`: `set` or `deleted`)."""
    if key in (facts.SPANS_TAG, facts.ARTIFACTS_TAG, "mlflow.trace.archiveLocation"):
        raise refused(f"Tag '{key}' is immutable and cannot be {verb} on a trace.")


# Links


def link_traces_to_run(hub: Hub, trace_ids: Sequence[str], run_id: str) -> None:
    """Says that a run made some traces; those may arrive later."""
    if len(trace_ids) > MAX_LINKS:
        raise refused(
            f"Cannot link more than {MAX_LINKS} traces to a run in a single request. Provided {len(trace_ids)} traces."
        )
    facts.check_texts("run", {run_id: ""})
    hub.repo.records.put_many([(KIND, facts.check_trace_id(one), {f"runs/{run_id}": True}) for one in trace_ids])


def unlink_traces_from_run(hub: Hub, trace_ids: Sequence[str], run_id: str) -> None:
    """Takes such links away."""
    hub.repo.records.put_many([(KIND, one, {f"runs/{run_id}": None}) for one in trace_ids if find_record(hub, one)])


def link_prompts(hub: Hub, trace_id: str, prompts: Iterable[tuple[str, int]]) -> None:
    """Says which versions of prompts a trace has used."""
    listed = [f"{name}/{version}" for name, version in prompts]
    if listed:
        need_record(hub, trace_id)
        put(hub.repo.records, KIND, trace_id, {f"prompts/{one}": True for one in listed})


# Deleting


def delete_traces(
    hub: Hub,
    experiment_id: str,
    max_time_ms: int | None = None,
    max_traces: int | None = None,
    trace_ids: Collection[str] | None = None,
) -> int:
    """Deletes traces of an experiment, by their ids or those that are old, the oldest first; returns how many."""
    if max_time_ms is None and not trace_ids:
        raise refused("Either `max_timestamp_millis` or `trace_ids` must be specified.")
    if max_time_ms is not None and trace_ids:
        raise refused("Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
    if trace_ids and max_traces is not None:
        raise refused("`max_traces` can't be specified if `trace_ids` is specified.")
    if max_traces is not None and max_traces <= 0:
        raise refused(f"`max_traces` must be a positive integer, received {max_traces}.")
    found = _to_delete(hub, str(experiment_id), max_time_ms, trace_ids)[:max_traces]
    records = hub.repo.records
    for record in found:
        gone = [(KIND, record.id, erased(record))]
        for kind in OWN_KINDS:
            gone += [(kind, one.id, erased(one)) for one in records.select(kind, {"trace_id": record.id})]
        records.put_many(gone)
    return len(found)


def _to_delete(
    hub: Hub, experiment_id: str, max_time_ms: int | None, trace_ids: Collection[str] | None
) -> list[Record]:
    records = hub.repo.records
    if trace_ids:
        known = (find_record(hub, trace_id) for trace_id in dict.fromkeys(trace_ids))
        found = [one for one in known if one is not None and one.fields["experiment_id"] == experiment_id]
    else:
        chosen = records.select(KIND, {"experiment_id": experiment_id})
        found = [one for one in chosen if time_of(one) <= (max_time_ms or 0)]
    return sorted(found, key=lambda one: (time_of(one), one.id))


# The protocol of MLflow 2


def start_trace_v2(
    hub: Hub, experiment_id: str, time_ms: int, metadata: Mapping[str, str], tags: Mapping[str, str]
) -> TraceInfo:
    """Begins a trace, which gets its id here."""
    experiment = active_experiment(hub, experiment_id)
    facts.check_name(tags.get(NAME_TAG))
    trace_id = uuid4().hex
    given = TraceInfo(
        id=trace_id,
        experiment_id=str(experiment.id),
        time_ms=time_ms,
        state="IN_PROGRESS",
        metadata=metadata,
        tags=tags,
    )
    fields = _fields(given, None)
    del fields[f"metadata/{facts.FINISHED_KEY}"]
    put(hub.repo.records, KIND, trace_id, fields)
    return get_trace_info(hub, trace_id)


def end_trace_v2(
    hub: Hub, trace_id: str, time_ms: int, state: str, metadata: Mapping[str, str], tags: Mapping[str, str]
) -> TraceInfo:
    """Ends a trace; metadata and tags are laid over what it has."""
    record = need_record(hub, trace_id)
    known = read_info(hub, record)
    facts.check_name(tags.get(NAME_TAG))
    fields: dict[str, Any] = {"duration_ms": time_ms - known.time_ms, "state": state}
    tidy = tidied(facts.check_texts("metadata", metadata), known.metadata)
    fields |= {f"metadata/{key}": text for key, text in tidy.items()}
    given = facts.check_texts("tag", tags)
    fields |= {f"tags/{key}": text for key, text in given.items() if key != facts.ARTIFACTS_TAG}
    put(hub.repo.records, KIND, trace_id, fields, record)
    return get_trace_info(hub, trace_id)
