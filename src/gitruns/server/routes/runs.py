"""MLflow's calls for runs: begun, found, changed, deleted, restored, searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.protocol import runs
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.owners import of_run, of_searched
from gitruns.server.pairs import pairs_of, without_nothing
from gitruns.server.run_texts import RunTexts
from gitruns.server.run_views import info_json, run_json
from gitruns.server.words import run_status_of, view_of

Body = Mapping[str, Any]

_texts = RunTexts()


def create(context: Context, fields: Fields) -> Body:
    """Begins a run."""
    begun = runs.create_run(
        context.hub,
        fields.get("experiment_id", ""),
        user=fields.get("user_id") or None,
        start_time_ms=fields.get("start_time"),
        tags=pairs_of(fields, "tags").items(),
        run_name=fields.get("run_name") or None,
    )
    return {"run": run_json(begun)}


def get(context: Context, fields: Fields) -> Body:
    """Answers with a run."""
    return {"run": run_json(runs.get_run(context.hub, fields["run_id"]))}


def update(context: Context, fields: Fields) -> Body:
    """Changes status, end and name of a run."""
    changed = runs.update_run(
        context.hub,
        fields["run_id"],
        status=run_status_of(fields, "status"),
        end_time_ms=fields.get("end_time"),
        name=fields.get("run_name"),
    )
    return {"run_info": info_json(changed)}


def delete(context: Context, fields: Fields) -> Body:
    """Deletes a run."""
    runs.delete_run(context.hub, fields["run_id"])
    return {}


def restore(context: Context, fields: Fields) -> Body:
    """Brings a run back."""
    runs.restore_run(context.hub, fields["run_id"])
    return {}


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of runs."""
    search = runs.RunSearch(
        experiment_ids=fields.get("experiment_ids", ()),
        filter=fields.get("filter"),
        lifecycle=view_of(fields, "run_view_type"),
        max_results=fields.get("max_results", 1000),
        order_by=fields.get("order_by"),
        page_token=fields.get("page_token"),
    )
    states, token = context.hub.repo.index.list_states(search.on(context.hub))
    found = _texts.of(context.hub, states)
    return without_nothing({"runs": found, "next_page_token": token or None})


def _of_new(context: Context, fields: Fields) -> tuple[str, ...]:
    return (fields.get("experiment_id") or "0",)


_PATH = "/2.0/mlflow/runs"
_TEXT, _NEEDED, _INT = Field("string"), Field("string", required=True), Field("int")
_ID = {"run_id": _NEEDED}
_NEW = {"experiment_id": _TEXT, "user_id": _TEXT, "run_name": _TEXT, "start_time": _INT, "tags": Field("list")}
_CHANGE = {**_ID, "status": Field("any"), "end_time": _INT, "run_name": _TEXT}
_SEARCH = {
    "experiment_ids": Field("strings"),
    "filter": _TEXT,
    "run_view_type": Field("any"),
    "max_results": _INT,
    "order_by": Field("strings"),
    "page_token": _TEXT,
}

CALLS = (
    Call("POST", f"{_PATH}/create", "CreateRun", create, _NEW, experiment_of=_of_new),
    Call("GET", f"{_PATH}/get", "GetRun", get, _ID, Role.READER, experiment_of=of_run),
    Call("POST", f"{_PATH}/update", "UpdateRun", update, _CHANGE, experiment_of=of_run),
    Call("POST", f"{_PATH}/delete", "DeleteRun", delete, _ID, experiment_of=of_run),
    Call("POST", f"{_PATH}/restore", "RestoreRun", restore, _ID, experiment_of=of_run),
    Call("POST", f"{_PATH}/search", "SearchRuns", search, _SEARCH, Role.READER, experiment_of=of_searched),
)
