"""MLflow's calls for logged models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import logged_models as models
from gitruns.protocol.errors import refused
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.fields import invalid_field
from gitruns.server.model_views import STATUS_NAMES, logged_model_json
from gitruns.server.owners import experiment_of_run, of_model, of_searched
from gitruns.server.pairs import pairs_of, without_nothing

Body = Mapping[str, Any]

_STATUSES: Mapping[object, str] = {
    **{name: word for word, name in STATUS_NAMES.items()},
    "LOGGED_MODEL_STATUS_UNSPECIFIED": "UNSPECIFIED",
    **dict(enumerate(("UNSPECIFIED", *STATUS_NAMES))),
}
"""MLflow's words for a status by its names on the wire and by its numbers."""


def create(context: Context, fields: Fields) -> Body:
    """Begins a logged model."""
    made = models.create_logged_model(
        context.hub,
        fields["experiment_id"],
        name=fields.get("name") or None,
        source_run_id=fields.get("source_run_id") or None,
        tags=pairs_of(fields, "tags"),
        params=pairs_of(fields, "params"),
        model_type=fields.get("model_type") or None,
    )
    return {"model": logged_model_json(made)}


def get(context: Context, fields: Fields) -> Body:
    """Answers with a logged model."""
    found = models.get_logged_model(context.hub, fields["model_id"], deleted=fields.get("allow_deleted", False))
    return {"model": logged_model_json(found)}


def finalize(context: Context, fields: Fields) -> Body:
    """Ends a logged model as ready or failed."""
    status = fields["status"]
    word = None
    if isinstance(status, (str, int)) and not isinstance(status, bool):
        word = _STATUSES.get(int(status) if str(status).isdecimal() else status)
    if word is None:
        raise invalid_field("status", status)
    return {"model": logged_model_json(models.finalize_logged_model(context.hub, fields["model_id"], word))}


def delete(context: Context, fields: Fields) -> Body:
    """Deletes a logged model."""
    models.delete_logged_model(context.hub, fields["model_id"])
    return {}


def set_tags(context: Context, fields: Fields) -> Body:
    """Sets tags of a logged model."""
    models.set_logged_model_tags(context.hub, fields["model_id"], pairs_of(fields, "tags"))
    return {}


def delete_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of a logged model away."""
    models.delete_logged_model_tag(context.hub, fields["model_id"], fields["tag_key"])
    return {}


def log_params(context: Context, fields: Fields) -> Body:
    """Logs params of a logged model."""
    models.log_logged_model_params(context.hub, fields["model_id"], pairs_of(fields, "params"))
    return {}


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of logged models."""
    found, token = models.search_logged_models(
        context.hub,
        fields["experiment_ids"],
        filter=fields.get("filter"),
        datasets=_objects(fields, "datasets") or None,
        max_results=fields.get("max_results"),
        order_by=_objects(fields, "order_by"),
        page_token=fields.get("page_token"),
    )
    return without_nothing({"models": [logged_model_json(one) for one in found], "next_page_token": token or None})


def _objects(fields: Fields, name: str) -> list[dict[str, Any]]:
    found = fields.get(name) or []
    for item in found:
        if not isinstance(item, dict):
            raise invalid_field(name, found)
        for key, value in item.items():
            if not isinstance(value, (bool, type(None)) if key == "ascending" else (str, type(None))):
                raise refused(f"Invalid value for '{key}' in parameter '{name}'.")
    return found


# Whose they are


def _of_new(context: Context, fields: Fields) -> Collection[str]:
    run_id = fields.get("source_run_id")
    return {fields["experiment_id"], *(experiment_of_run(context, run_id) if run_id else ())}


_PATH = "/2.0/mlflow/logged-models"
_MODEL = f"{_PATH}/{{model_id}}"
_TEXT, _NEEDED, _LIST = Field("string"), Field("string", required=True), Field("list")
_ID = {"model_id": _NEEDED}
_NEW = {
    "experiment_id": _NEEDED,
    "name": _TEXT,
    "model_type": _TEXT,
    "source_run_id": _TEXT,
    "params": _LIST,
    "tags": _LIST,
}
_SEARCH = {
    "experiment_ids": Field("strings", required=True),
    "filter": _TEXT,
    "datasets": _LIST,
    "max_results": Field("int"),
    "order_by": _LIST,
    "page_token": _TEXT,
}

CALLS = (
    Call("POST", _PATH, "CreateLoggedModel", create, _NEW, experiment_of=_of_new),
    Call("POST", f"{_PATH}/search", "SearchLoggedModels", search, _SEARCH, Role.READER, experiment_of=of_searched),
    Call(
        "GET",
        _MODEL,
        "GetLoggedModel",
        get,
        {**_ID, "allow_deleted": Field("bool")},
        Role.READER,
        experiment_of=of_model,
    ),
    Call(
        "PATCH",
        _MODEL,
        "FinalizeLoggedModel",
        finalize,
        {**_ID, "status": Field("any", required=True)},
        experiment_of=of_model,
    ),
    Call("DELETE", _MODEL, "DeleteLoggedModel", delete, _ID, experiment_of=of_model),
    Call("PATCH", f"{_MODEL}/tags", "SetLoggedModelTags", set_tags, {**_ID, "tags": _LIST}, experiment_of=of_model),
    Call(
        "DELETE",
        f"{_MODEL}/tags/{{tag_key}}",
        "DeleteLoggedModelTag",
        delete_tag,
        {**_ID, "tag_key": _NEEDED},
        experiment_of=of_model,
    ),
    Call(
        "POST",
        f"{_MODEL}/params",
        "LogLoggedModelParamsRequest",
        log_params,
        {**_ID, "params": _LIST},
        experiment_of=of_model,
    ),
)
