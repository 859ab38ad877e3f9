"""Calls for assessments of traces: create, look up, change, override and delete them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gitruns.protocol.assessment import (
    EXPECTATION,
    FEEDBACK,
    KIND,
    SOURCE_RUN_KEY,
    Assessment,
    fields_of,
    read_assessment,
)
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.record_fields import Change, changes, erased, put
from gitruns.protocol.trace import find_record, need_record
from gitruns.repo import now_ms

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub


def changes_of(hub: Hub, one: Assessment, experiment_id: str) -> list[Change]:
    """Returns the changes that write an assessment; one without an id gets one here, and none takes another's."""
    known = hub.repo.records.get(KIND, one.id, deleted=True) if one.id else None
    if known is not None and known.fields.get("trace_id", one.trace_id) != one.trace_id:
        raise refused(f"Assessment with ID '{one.id}' is of another trace.")
    made = one if one.id else replace(one, id=f"a-{uuid4().hex}")
    return list(
        changes(hub.repo.records, KIND, made.id, {**fields_of(made), "experiment_id": experiment_id, "deleted": None})
    )


def of_trace(hub: Hub, trace_id: str) -> tuple[Assessment, ...]:
    """Returns the assessments of a trace, the first first."""
    found = (read_assessment(hub, record) for record in hub.repo.records.select(KIND, {"trace_id": trace_id}))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.create_ms, one.id)))


def of_experiments(hub: Hub, experiment_ids: Collection[str] | None) -> Iterator[Assessment]:
    """Yields all assessments of some experiments, None for all."""
    wanted: list[Mapping[str, Any]] = (
        [{}] if experiment_ids is None else [{"experiment_id": one} for one in experiment_ids]
    )
    for where in wanted:
        for record in hub.repo.records.select(KIND, where):
            found = read_assessment(hub, record)
            if found is not None:
                yield found


def create_assessment(hub: Hub, given: Assessment) -> Assessment:
    """Adds an assessment to a trace; one that it overrides is valid no more."""
    trace = need_record(hub, given.trace_id)
    now = now_ms()
    made = replace(
        given,
        id=given.id or f"a-{uuid4().hex}",
        create_ms=given.create_ms or now,
        update_ms=given.update_ms or now,
        run_id=given.run_id or (given.metadata or {}).get(SOURCE_RUN_KEY),
        valid=True,
    )
    if hub.repo.records.get(KIND, made.id) is not None:
        raise refused(f"Failed to create assessment for trace '{given.trace_id}' due to a constraint violation.")
    found: list[Change] = []
    if made.overrides:
        old = _find(hub, made.trace_id, made.overrides)
        if old is None:
            raise missing(f"Assessment with ID '{made.overrides}' not found for trace '{made.trace_id}'")
        found.append((KIND, old.id, {"valid": False}))
    found += changes_of(hub, made, str(trace.fields["experiment_id"]))
    hub.repo.records.put_many(found)
    return made


def get_assessment(hub: Hub, trace_id: str, assessment_id: str) -> Assessment:
    """Returns one assessment of a trace."""
    found = _find(hub, trace_id, assessment_id)
    if found is not None:
        return found
    if find_record(hub, trace_id) is None:
        raise missing(f"Trace with request_id '{trace_id}' not found")
    raise missing(f"Assessment with ID '{assessment_id}' not found for trace '{trace_id}'")


def update_assessment(
    hub: Hub,
    trace_id: str,
    assessment_id: str,
    *,
    name: str | None = None,
    expectation: tuple[Any] | None = None,
    feedback: tuple[Any, Mapping[str, str] | None] | None = None,
    rationale: str | None = None,
    metadata: Mapping[str, str] | None = None,
    valid: bool | None = None,
) -> Assessment:
    """Changes what is given; `expectation` is its value in a tuple, `feedback` value and error. Metadata are added."""
    old = get_assessment(hub, trace_id, assessment_id)
    if expectation is not None and feedback is not None:
        raise refused("Cannot specify both `expectation` and `feedback` parameters.")
    if expectation is not None and old.type != EXPECTATION:
        raise refused("Cannot update expectation value on a Feedback assessment.")
    if feedback is not None and old.type != FEEDBACK:
        raise refused("Cannot update feedback value on an Expectation assessment.")
    new = replace(
        old,
        name=old.name if name is None else name,
        rationale=old.rationale if rationale is None or old.type == EXPECTATION else rationale,
        metadata={**(old.metadata or {}), **(metadata or {})} or None,
        valid=old.valid if valid is None else valid,
        update_ms=now_ms(),
    )
    if expectation is not None:
        new = replace(new, value=expectation[0])
    if feedback is not None:
        new = replace(new, value=feedback[0], error=feedback[1])
    before, after = fields_of(old), fields_of(new)
    record = hub.repo.records.get(KIND, old.id)
    put(hub.repo.records, KIND, old.id, {key: one for key, one in after.items() if before[key] != one}, record)
    return new


def delete_assessment(hub: Hub, trace_id: str, assessment_id: str) -> None:
    """Deletes an assessment, and makes the one that it overrode valid again; one that is not there is fine."""
    found = _find(hub, trace_id, assessment_id)
    record = hub.repo.records.get(KIND, assessment_id)
    if found is None or record is None:
        return
    gone: list[Change] = [(KIND, assessment_id, erased(record))]
    if found.overrides and _find(hub, trace_id, found.overrides) is not None:
        gone.append((KIND, found.overrides, {"valid": True}))
    hub.repo.records.put_many(gone)


def _find(hub: Hub, trace_id: str, assessment_id: str) -> Assessment | None:
    record = hub.repo.records.get(KIND, assessment_id)
    found = None if record is None else read_assessment(hub, record)
    return found if found is not None and found.trace_id == trace_id else None
