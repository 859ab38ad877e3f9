"""MLflow's calls for issues."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import issues
from gitruns.protocol.errors import ProtocolError
from gitruns.protocol.issues import Issue
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.pairs import without_nothing

Body = Mapping[str, Any]


def create(context: Context, fields: Fields) -> Body:
    """Writes an issue down."""
    made = issues.create_issue(
        context.hub,
        fields["experiment_id"],
        fields["name"],
        fields["description"],
        status=fields.get("status") or "pending",
        severity=fields.get("severity"),
        root_causes=fields.get("root_causes") or (),
        categories=fields.get("categories") or (),
        source_run_id=fields.get("source_run_id") or None,
        created_by=fields.get("created_by") or None,
    )
    return {"issue": _json(made)}


def get(context: Context, fields: Fields) -> Body:
    """Answers with an issue."""
    return {"issue": _json(issues.get_issue(context.hub, fields["issue_id"]))}


def update(context: Context, fields: Fields) -> Body:
    """Changes an issue."""
    found = issues.update_issue(
        context.hub,
        fields["issue_id"],
        status=fields.get("status"),
        name=fields.get("name") or None,
        description=fields.get("description") or None,
        severity=fields.get("severity"),
    )
    return {"issue": _json(found)}


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of issues."""
    found, token = issues.search_issues(
        context.hub,
        fields.get("experiment_id") or None,
        fields.get("filter_string") or None,
        fields.get("max_results"),
        fields.get("page_token"),
        count_traces=fields.get("include_trace_count", False),
    )
    return without_nothing({"issues": [_json(one) for one in found], "next_page_token": token or None})


def _json(one: Issue) -> Body:
    return without_nothing(
        {
            "issue_id": one.id,
            "experiment_id": one.experiment_id,
            "name": one.name,
            "description": one.description,
            "status": one.status,
            "severity": one.severity,
            "root_causes": list(one.root_causes),
            "source_run_id": one.source_run_id,
            "categories": list(one.categories),
            "created_by": one.created_by,
            "created_timestamp": one.created_ms,
            "last_updated_timestamp": one.updated_ms,
            "trace_count": one.traces,
        }
    )


def _of_new(context: Context, fields: Fields) -> Collection[str]:
    return (fields.get("experiment_id", ""),)


def _of(context: Context, fields: Fields) -> Collection[str]:
    try:
        return (issues.get_issue(context.hub, fields["issue_id"]).experiment_id,)
    except ProtocolError:
        return ()


_PATH = "/3.0/mlflow/issues"
_ONE = f"{_PATH}/{{issue_id}}"
_TEXT, _NEEDED, _TEXTS = Field("string"), Field("string", required=True), Field("strings")
_ID = {"issue_id": _NEEDED}
_SAID = {"status": _TEXT, "severity": _TEXT}
_NEW = {
    "experiment_id": _NEEDED,
    "name": _NEEDED,
    "description": _NEEDED,
    **_SAID,
    "root_causes": _TEXTS,
    "categories": _TEXTS,
    "source_run_id": _TEXT,
    "created_by": _TEXT,
}
_ASKED = {
    "experiment_id": _TEXT,
    "filter_string": _TEXT,
    "max_results": Field("int"),
    "page_token": _TEXT,
    "include_trace_count": Field("bool"),
}

CALLS = (
    Call("POST", _PATH, "CreateIssue", create, _NEW, experiment_of=_of_new),
    Call("POST", f"{_PATH}/search", "SearchIssues", search, _ASKED, Role.READER, experiment_of=_of_new),
    Call("GET", _ONE, "GetIssue", get, _ID, Role.READER, experiment_of=_of),
    Call(
        "PATCH", _ONE, "UpdateIssue", update, {**_ID, **_SAID, "name": _TEXT, "description": _TEXT}, experiment_of=_of
    ),
)
