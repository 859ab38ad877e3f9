"""MLflow's calls for registered models, their versions, aliases and stages; prompts are models with a tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.protocol.errors import refused
from gitruns.protocol.registered import PROMPT_TAG
from gitruns.protocol.registered_models import MOST_MODELS
from gitruns.protocol.registry import MOST_VERSIONS, VERSIONS_PAGE, RegistryCalls
from gitruns.protocol.version_sources import check_source
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.fields import invalid_field
from gitruns.server.model_views import model_json, version_json
from gitruns.server.pairs import pairs_of, without_nothing

Body = Mapping[str, Any]
MODELS_PAGE = 100

_TEXT, _NEEDED, _NUMBER, _LIST, _TEXTS = (
    Field("string"),
    Field("string", required=True),
    Field("int"),
    Field("list"),
    Field("strings"),
)
_NAME = {"name": _NEEDED}
_VERSION = {**_NAME, "version": _NEEDED}
_PAGE = {"filter": _TEXT, "max_results": _NUMBER, "order_by": _TEXTS, "page_token": _TEXT}


def _calls(context: Context) -> RegistryCalls:
    return RegistryCalls(context.hub)


def _page_size(fields: Fields, default: int, most: int) -> int:
    wanted: int = fields.get("max_results", default)
    if not 1 <= wanted <= most:
        raise invalid_field("max_results", wanted)
    return wanted


# Models


def create_model(context: Context, fields: Fields) -> Body:
    """Creates a registered model, or a prompt."""
    made = _calls(context).create_model(fields["name"], pairs_of(fields, "tags"), fields.get("description"))
    return {"registered_model": model_json(made)}


def get_model(context: Context, fields: Fields) -> Body:
    """Answers with a registered model."""
    return {"registered_model": model_json(_calls(context).get_model(fields["name"]))}


def rename_model(context: Context, fields: Fields) -> Body:
    """Gives a model another name."""
    return {"registered_model": model_json(_calls(context).rename_model(fields["name"], fields["new_name"]))}


def update_model(context: Context, fields: Fields) -> Body:
    """Sets what is said of a model."""
    return {"registered_model": model_json(_calls(context).update_model(fields["name"], fields.get("description")))}


def delete_model(context: Context, fields: Fields) -> Body:
    """Deletes a model with its versions."""
    _calls(context).delete_model(fields["name"])
    return {}


def search_models(context: Context, fields: Fields) -> Body:
    """Answers with one page of models."""
    size = _page_size(fields, MODELS_PAGE, MOST_MODELS)
    found, token = _calls(context).search_models(
        fields.get("filter", ""), size, fields.get("order_by", ()), fields.get("page_token", "")
    )
    return without_nothing({"registered_models": [model_json(one) for one in found], "next_page_token": token or None})


def latest_versions(context: Context, fields: Fields) -> Body:
    """Answers with the latest version of each stage."""
    found = _calls(context).latest_versions(fields["name"], fields.get("stages", ()))
    return without_nothing({"model_versions": [version_json(one) for one in found]})


def set_model_tag(context: Context, fields: Fields) -> Body:
    """Sets a tag of a model."""
    _calls(context).set_model_tag(fields["name"], fields["key"], fields.get("value", ""))
    return {}


def delete_model_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of a model away."""
    _calls(context).delete_model_tag(fields["name"], fields["key"])
    return {}


# Aliases


def set_alias(context: Context, fields: Fields) -> Body:
    """Makes an alias name a version."""
    _calls(context).set_alias(fields["name"], fields["alias"], fields["version"])
    return {}


def delete_alias(context: Context, fields: Fields) -> Body:
    """Takes an alias away."""
    _calls(context).delete_alias(fields["name"], fields["alias"])
    return {}


def get_by_alias(context: Context, fields: Fields) -> Body:
    """Answers with the version that an alias names."""
    return {"model_version": version_json(_calls(context).get_by_alias(fields["name"], fields["alias"]))}


# Versions


def create_version(context: Context, fields: Fields) -> Body:
    """Creates the next version of a model; its source is in this repository."""
    calls = _calls(context)
    tags = pairs_of(fields, "tags")
    prompt = tags.get(PROMPT_TAG, "false").lower() == "true"
    given = check_source(
        calls, fields["source"], fields.get("run_id") or None, fields.get("model_id") or None, prompt=prompt
    )
    made = calls.create_version(
        fields["name"],
        given.source,
        run_id=given.run_id,
        tags=tags,
        run_link=fields.get("run_link") or None,
        description=fields.get("description"),
    )
    return {"model_version": version_json(made)}


def get_version(context: Context, fields: Fields) -> Body:
    """Answers with a version."""
    return {"model_version": version_json(_calls(context).get_version(fields["name"], fields["version"]))}


def update_version(context: Context, fields: Fields) -> Body:
    """Sets what is said of a version."""
    changed = _calls(context).update_version(fields["name"], fields["version"], fields.get("description"))
    return {"model_version": version_json(changed)}


def delete_version(context: Context, fields: Fields) -> Body:
    """Deletes a version with its aliases."""
    _calls(context).delete_version(fields["name"], fields["version"])
    return {}


def transition_stage(context: Context, fields: Fields) -> Body:
    """Moves a version to a stage."""
    moved = _calls(context).transition_stage(
        fields["name"], fields["version"], fields["stage"], archive=fields.get("archive_existing_versions", False)
    )
    return {"model_version": version_json(moved)}


def download_uri(context: Context, fields: Fields) -> Body:
    """Answers with the address of a version's artifacts."""
    return {"artifact_uri": _calls(context).download_uri(fields.get("name", ""), fields.get("version", ""))}


def search_versions(context: Context, fields: Fields) -> Body:
    """Answers with one page of versions."""
    size = fields.get("max_results", VERSIONS_PAGE)
    if size > MOST_VERSIONS:
        raise invalid_field("max_results", size)
    if size < 1:
        raise refused(f"Invalid value for max_results. It must be a positive integer, but got {size}")
    found, token = _calls(context).search_versions(
        fields.get("filter", ""), size, fields.get("order_by", ()), fields.get("page_token", "")
    )
    return without_nothing({"model_versions": [version_json(one) for one in found], "next_page_token": token or None})


def set_version_tag(context: Context, fields: Fields) -> Body:
    """Sets a tag of a version."""
    _calls(context).set_version_tag(fields["name"], fields["version"], fields["key"], fields.get("value", ""))
    return {}


def delete_version_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of a version away."""
    _calls(context).delete_version_tag(fields["name"], fields["version"], fields["key"])
    return {}


_MODELS = "/2.0/mlflow/registered-models"
_VERSIONS = "/2.0/mlflow/model-versions"
_KEY = {"key": _NEEDED}
_SOURCE = {
    **_NAME,
    "source": _NEEDED,
    "run_id": _TEXT,
    "tags": _LIST,
    "run_link": _TEXT,
    "description": _TEXT,
    "model_id": _TEXT,
}
_STAGE = {**_VERSION, "stage": _NEEDED, "archive_existing_versions": Field("bool")}
_STAGES = {**_NAME, "stages": _TEXTS}
_ALIAS = {**_NAME, "alias": _NEEDED}
_READ = Role.READER

CALLS = (
    Call(
        "POST",
        f"{_MODELS}/create",
        "CreateRegisteredModel",
        create_model,
        {**_NAME, "tags": _LIST, "description": _TEXT},
    ),
    Call("GET", f"{_MODELS}/get", "GetRegisteredModel", get_model, _NAME, _READ),
    Call("POST", f"{_MODELS}/rename", "RenameRegisteredModel", rename_model, {**_NAME, "new_name": _NEEDED}),
    Call("PATCH", f"{_MODELS}/update", "UpdateRegisteredModel", update_model, {**_NAME, "description": _TEXT}),
    Call("DELETE", f"{_MODELS}/delete", "DeleteRegisteredModel", delete_model, _NAME),
    Call("GET", f"{_MODELS}/search", "SearchRegisteredModels", search_models, _PAGE, _READ),
    Call("POST", f"{_MODELS}/get-latest-versions", "GetLatestVersions", latest_versions, _STAGES, _READ),
    Call("GET", f"{_MODELS}/get-latest-versions", "GetLatestVersions", latest_versions, _STAGES, _READ),
    Call("POST", f"{_MODELS}/set-tag", "SetRegisteredModelTag", set_model_tag, {**_NAME, **_KEY, "value": _TEXT}),
    Call("DELETE", f"{_MODELS}/delete-tag", "DeleteRegisteredModelTag", delete_model_tag, {**_NAME, **_KEY}),
    Call("POST", f"{_MODELS}/alias", "SetRegisteredModelAlias", set_alias, {**_ALIAS, "version": _NEEDED}),
    Call("DELETE", f"{_MODELS}/alias", "DeleteRegisteredModelAlias", delete_alias, _ALIAS),
    Call("GET", f"{_MODELS}/alias", "GetModelVersionByAlias", get_by_alias, _ALIAS, _READ),
    Call("POST", f"{_VERSIONS}/create", "CreateModelVersion", create_version, _SOURCE),
    Call("GET", f"{_VERSIONS}/get", "GetModelVersion", get_version, _VERSION, _READ),
    Call("PATCH", f"{_VERSIONS}/update", "UpdateModelVersion", update_version, {**_VERSION, "description": _TEXT}),
    Call("DELETE", f"{_VERSIONS}/delete", "DeleteModelVersion", delete_version, _VERSION),
    Call("POST", f"{_VERSIONS}/transition-stage", "TransitionModelVersionStage", transition_stage, _STAGE),
    Call(
        "GET",
        f"{_VERSIONS}/get-download-uri",
        "GetModelVersionDownloadUri",
        download_uri,
        {"name": _TEXT, "version": _TEXT},
        _READ,
    ),
    Call("GET", f"{_VERSIONS}/search", "SearchModelVersions", search_versions, _PAGE, _READ),
    Call("POST", f"{_VERSIONS}/set-tag", "SetModelVersionTag", set_version_tag, {**_VERSION, **_KEY, "value": _TEXT}),
    Call("DELETE", f"{_VERSIONS}/delete-tag", "DeleteModelVersionTag", delete_version_tag, {**_VERSION, **_KEY}),
)
