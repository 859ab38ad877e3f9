"""MLflow's calls for experiments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from gitruns.protocol import experiments
from gitruns.protocol.errors import ProtocolError, missing, refused
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.pairs import pairs_of, without_nothing
from gitruns.server.run_views import experiment_json
from gitruns.server.words import view_of

Body = Mapping[str, Any]

_REMOTE = frozenset("s3 gs gcs az wasb wasbs abfs abfss hdfs viewfs dbfs r2 b2 oss sftp ftp".split())
"""What an experiment's artifacts may be kept in by its clients: we never open it, nor is it on this machine."""

_MAX_LOCATION = 2048


def create(context: Context, fields: Fields) -> Body:
    """Creates an experiment."""
    tags = pairs_of(fields, "tags").items()
    location = _location(fields.get("artifact_location", ""))
    return {"experiment_id": experiments.create_experiment(context.hub, fields["name"], location, tags)}


def _location(given: str) -> str | None:
    """Returns where clients shall keep artifacts, None for with the runs, as our own addresses say too."""
    place = urlsplit(given)
    if not given or place.scheme == "mlflow-artifacts":
        return None
    if place.fragment:
        raise refused("'artifact_location' URL can't include fragments or params.")
    if len(given) > _MAX_LOCATION:
        raise refused(
            "Invalid artifact path length. The length of the artifact path cannot be greater than "
            f"{_MAX_LOCATION} characters."
        )
    if place.scheme not in _REMOTE or not place.netloc or ".." in place.path.split("/"):
        raise refused(
            f"Invalid artifact_location '{given[:200]}': this server keeps artifacts with their runs, and knows of "
            "other places only the remote stores of its clients."
        )
    return given


def get(context: Context, fields: Fields) -> Body:
    """Answers with an experiment."""
    return {"experiment": experiment_json(experiments.get_experiment(context.hub, fields["experiment_id"]))}


def get_by_name(context: Context, fields: Fields) -> Body:
    """Answers with the experiment of a name."""
    name = fields["experiment_name"]
    found = experiments.get_experiment_by_name(context.hub, name)
    if found is None:
        raise missing(f"Could not find experiment with name '{name}'")
    return {"experiment": experiment_json(found)}


def search(context: Context, fields: Fields) -> Body:
    """Answers with one page of experiments; who is limited to some sees of it only these."""
    found, token = experiments.search_experiments(
        context.hub,
        lifecycle=view_of(fields, "view_type"),
        max_results=fields.get("max_results", 1000),
        filter=fields.get("filter"),
        order_by=fields.get("order_by"),
        page_token=fields.get("page_token"),
    )
    shown = [one for one in found if context.only is None or str(one.experiment.id) in context.only]
    return without_nothing({"experiments": [experiment_json(one) for one in shown], "next_page_token": token or None})


def delete(context: Context, fields: Fields) -> Body:
    """Deletes an experiment and its runs."""
    experiments.delete_experiment(context.hub, fields["experiment_id"])
    return {}


def restore(context: Context, fields: Fields) -> Body:
    """Brings an experiment and its runs back."""
    experiments.restore_experiment(context.hub, fields["experiment_id"])
    return {}


def update(context: Context, fields: Fields) -> Body:
    """Gives an experiment another name."""
    experiments.rename_experiment(context.hub, fields["experiment_id"], fields["new_name"])
    return {}


def set_tag(context: Context, fields: Fields) -> Body:
    """Sets a tag of an experiment."""
    experiments.set_experiment_tag(context.hub, fields["experiment_id"], fields["key"], fields.get("value", ""))
    return {}


def delete_tag(context: Context, fields: Fields) -> Body:
    """Takes a tag of an experiment away."""
    experiments.delete_experiment_tag(context.hub, fields["experiment_id"], fields["key"])
    return {}


# Whose they are


def _by_id(context: Context, fields: Fields) -> Collection[str]:
    try:
        return (str(experiments.experiment_id_of(fields["experiment_id"])),)
    except ProtocolError:
        return ()


def _by_name(context: Context, fields: Fields) -> Collection[str]:
    found = context.hub.repo.find_experiment(fields["experiment_name"])
    return () if found is None else (str(found.id),)


def _those_allowed(context: Context, fields: Fields) -> Collection[str]:
    return context.only or ()


_PATH = "/2.0/mlflow/experiments"
_TEXT, _NEEDED, _ANY = Field("string"), Field("string", required=True), Field("any")
_ID = {"experiment_id": _NEEDED}
_SEARCH = {
    "view_type": _ANY,
    "max_results": Field("int"),
    "filter": _TEXT,
    "order_by": Field("strings"),
    "page_token": _TEXT,
}
_NEW = {"name": _NEEDED, "artifact_location": _TEXT, "tags": Field("list")}
_BY_NAME = {"experiment_name": _NEEDED}
_TAG = {**_ID, "key": _NEEDED, "value": _TEXT}
_KEY = {**_ID, "key": _NEEDED}

CALLS = (
    Call("POST", f"{_PATH}/create", "CreateExperiment", create, _NEW),
    Call("GET", f"{_PATH}/get", "GetExperiment", get, _ID, Role.READER, experiment_of=_by_id),
    Call("GET", f"{_PATH}/get-by-name", "GetExperimentByName", get_by_name, _BY_NAME, Role.READER, None, _by_name),
    Call("POST", f"{_PATH}/search", "SearchExperiments", search, _SEARCH, Role.READER, experiment_of=_those_allowed),
    Call("GET", f"{_PATH}/search", "SearchExperiments", search, _SEARCH, Role.READER, experiment_of=_those_allowed),
    Call("POST", f"{_PATH}/delete", "DeleteExperiment", delete, _ID, experiment_of=_by_id),
    Call("POST", f"{_PATH}/restore", "RestoreExperiment", restore, _ID, experiment_of=_by_id),
    Call("POST", f"{_PATH}/update", "UpdateExperiment", update, {**_ID, "new_name": _NEEDED}, experiment_of=_by_id),
    Call("POST", f"{_PATH}/set-experiment-tag", "SetExperimentTag", set_tag, _TAG, experiment_of=_by_id),
    Call("POST", f"{_PATH}/delete-experiment-tag", "DeleteExperimentTag", delete_tag, _KEY, experiment_of=_by_id),
)
