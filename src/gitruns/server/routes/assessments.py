"""MLflow's calls for assessments of traces."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import assessments
from gitruns.protocol.assessment import EXPECTATION, FEEDBACK
from gitruns.protocol.trace import find_record
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.fields import invalid_field
from gitruns.server.routes.traces import of_trace
from gitruns.server.trace_views import assessment_json, assessment_of, texts_of, value_of

Body = Mapping[str, Any]

_CREATED = "assessment.trace_id"


def create(context: Context, fields: Fields) -> Body:
    """Adds an assessment to a trace."""
    given = assessment_of(fields["assessment"], fields[_CREATED])
    return {"assessment": assessment_json(assessments.create_assessment(context.hub, given))}


def get(context: Context, fields: Fields) -> Body:
    """Answers with an assessment."""
    found = assessments.get_assessment(context.hub, fields["trace_id"], fields["assessment_id"])
    return {"assessment": assessment_json(found)}


def update(context: Context, fields: Fields) -> Body:
    """Changes the parts of an assessment that a mask names."""
    given, named = fields["assessment"], _masked(fields["update_mask"])
    changes: dict[str, Any] = {}
    if "assessment_name" in named:
        changes["name"] = _text(given, "assessment_name")
    if EXPECTATION in named:
        changes["expectation"] = (value_of(EXPECTATION, given.get(EXPECTATION))[0],)
    if FEEDBACK in named:
        changes["feedback"] = value_of(FEEDBACK, given.get(FEEDBACK))
    if "rationale" in named:
        changes["rationale"] = _text(given, "rationale")
    if "metadata" in named:
        changes["metadata"] = texts_of(given.get("metadata"), "metadata")
    if "valid" in named:
        changes["valid"] = given.get("valid") is True
    found = assessments.update_assessment(context.hub, fields["trace_id"], fields["assessment_id"], **changes)
    return {"assessment": assessment_json(found)}


def _masked(mask: Any) -> set[str]:
    """Returns what a mask names: proto JSON writes it as one text, with names in camel case."""
    names = mask.get("paths") if isinstance(mask, dict) else mask.split(",") if isinstance(mask, str) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid_field("update_mask", mask)
    return {"assessment_name" if name == "assessmentName" else name for name in names}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise invalid_field(name, value)
    return value


def delete(context: Context, fields: Fields) -> Body:
    """Deletes an assessment."""
    assessments.delete_assessment(context.hub, fields["trace_id"], fields["assessment_id"])
    return {}


def _of_created(context: Context, fields: Fields) -> Collection[str]:
    record = find_record(context.hub, fields[_CREATED])
    return () if record is None else (str(record.fields["experiment_id"]),)


_PATH = "/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}"
_NEEDED = Field("string", required=True)
_IDS = {"trace_id": _NEEDED, "assessment_id": _NEEDED}
_GIVEN = {"assessment": Field("object", required=True)}

CALLS = (
    Call(
        "POST",
        f"/3.0/mlflow/traces/{{{_CREATED}}}/assessments",
        "CreateAssessment",
        create,
        {_CREATED: _NEEDED, **_GIVEN},
        experiment_of=_of_created,
    ),
    Call("GET", _PATH, "GetAssessmentRequest", get, _IDS, Role.READER, experiment_of=of_trace),
    Call(
        "PATCH",
        _PATH,
        "UpdateAssessment",
        update,
        {**_IDS, **_GIVEN, "update_mask": Field("any", required=True)},
        experiment_of=of_trace,
    ),
    Call("DELETE", _PATH, "DeleteAssessment", delete, _IDS, experiment_of=of_trace),
)
