"""MLflow's calls for artifacts: proxied ones, and listings of runs and logged models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitruns.protocol import artifacts, logged_models
from gitruns.protocol.artifact_paths import check_path, target_of
from gitruns.protocol.artifacts import Entry
from gitruns.protocol.errors import refused
from gitruns.protocol.experiments import run_artifacts_at
from gitruns.protocol.runs import find_run
from gitruns.server.artifact_files import sent_file
from gitruns.server.calls import Call, Context, Download, Field, Fields, Role, StreamCall, Upload
from gitruns.server.owners import experiment_of_model, experiment_of_run, of_model, of_run
from gitruns.server.pairs import without_nothing

Body = Mapping[str, Any]


def _entry_json(entry: Entry) -> Body:
    return without_nothing({"path": entry.path, "is_dir": entry.is_dir, "file_size": entry.size})


def _files_json(entries: list[Entry], root: str | None = None) -> Body:
    return without_nothing({"root_uri": root, "files": [_entry_json(one) for one in entries]})


# Proxied artifacts


def upload(context: Context, fields: Fields, body: Upload | None) -> Body:
    """Keeps the body of a request as an artifact; it is in the journal before it is answered."""
    if body is None:
        raise refused("Bad Request. The body is missing.", "BAD_REQUEST")
    target = target_of(fields["artifact_path"])
    artifacts.put(context.hub, target, _pieces_of(context, body))
    return {}


def _pieces_of(context: Context, body: Upload) -> Iterator[bytes]:
    limit = context.settings.max_artifact_bytes
    if limit is not None and body.length is not None and body.length > limit:
        raise refused(f"Artifact size is too large. Max size is {limit} bytes.")
    return artifacts.no_larger_than(limit, artifacts.in_pieces(body.stream))


def download(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file."""
    return sent_file(artifacts.find(context.hub, target_of(fields["artifact_path"])))


def list_proxied(context: Context, fields: Fields) -> Body:
    """Answers with what lies directly below a path."""
    return _files_json(artifacts.list_address(context.hub, fields.get("path", "")))


def delete(context: Context, fields: Fields) -> Body:
    """Takes a file, or all below a folder, away."""
    artifacts.remove(context.hub, target_of(fields["artifact_path"]))
    return {}


def presigned(context: Context, fields: Fields) -> Body:
    """Refuses: bytes go through this server."""
    check_path(fields["artifact_path"])
    raise refused("Multipart download is not supported for the current artifact repository", "NOT_IMPLEMENTED")


# Of runs, logged models and versions


def list_run(context: Context, fields: Fields) -> Body:
    """Answers with what lies directly below a path of a run."""
    run = find_run(context.hub, fields["run_id"])
    root = run_artifacts_at(context.hub, run.info.experiment_id, run.info.id)
    return _files_json(artifacts.list_run(context.hub, run.info.id, fields.get("path")), root)


def list_model(context: Context, fields: Fields) -> Body:
    """Answers with what lies directly below a path of a logged model."""
    model = logged_models.get_logged_model(context.hub, fields["model_id"])
    found = artifacts.list_model(context.hub, model.model_id, fields.get("artifact_directory_path"))
    return _files_json(found, model.artifact_uri)


def presigned_upload(context: Context, fields: Fields) -> Body:
    """Refuses: bytes go through this server."""
    if bool(fields.get("run_id")) == bool(fields.get("model_id")):
        raise refused("Exactly one of run_id and model_id must be provided.")
    check_path(fields["path"])
    if fields.get("run_id"):
        find_run(context.hub, fields["run_id"])
    else:
        logged_models.get_logged_model(context.hub, fields["model_id"])
    raise refused(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). "
        "This endpoint requires a direct cloud storage artifact URI."
    )


def presigned_download(context: Context, fields: Fields) -> Body:
    """Refuses: bytes go through this server."""
    check_path(fields["path"])
    expiration = fields.get("expiration", 900)
    if not 1 <= expiration <= 604_800:
        raise refused(f"expiration must be between 1 and 604800 seconds (got {expiration}).")
    find_run(context.hub, fields["run_id"])
    raise refused(
        "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: "
        "mlflow-artifacts). This endpoint requires a run with a direct cloud storage artifact URI."
    )


# Whose they are


def of_address(context: Context, fields: Fields) -> Collection[str]:
    """Returns the experiment of what a proxied address names."""
    found = artifacts.experiment_of(context.hub, fields.get("artifact_path") or fields.get("path", ""))
    return () if found is None else (str(found),)


def _of_either(context: Context, fields: Fields) -> Collection[str]:
    if fields.get("model_id"):
        return experiment_of_model(context, fields["model_id"])
    return experiment_of_run(context, fields.get("run_id", ""))


_ROOT = "/2.0/mlflow-artifacts"
_FILE = f"{_ROOT}/artifacts/{{artifact_path:path}}"
_MODEL = "/2.0/mlflow/logged-models/{model_id}"
_TEXT, _NEEDED = Field("string"), Field("string", required=True)
_ADDRESS = {"artifact_path": _NEEDED}
_READ = Role.READER

CALLS = (
    StreamCall("PUT", _FILE, "UploadArtifact", upload, _ADDRESS, experiment_of=of_address),
    StreamCall("GET", _FILE, "DownloadArtifact", download, _ADDRESS, _READ, of_address),
    Call("DELETE", _FILE, "DeleteArtifact", delete, _ADDRESS, experiment_of=of_address),
    Call(
        "GET",
        f"{_ROOT}/artifacts",
        "ListProxiedArtifacts",
        list_proxied,
        {"path": _TEXT},
        _READ,
        experiment_of=of_address,
    ),
    Call(
        "GET",
        f"{_ROOT}/presigned/{{artifact_path:path}}",
        "GetPresignedDownloadUrl",
        presigned,
        _ADDRESS,
        _READ,
        experiment_of=of_address,
    ),
    Call(
        "GET",
        "/2.0/mlflow/artifacts/list",
        "ListArtifacts",
        list_run,
        {"run_id": _NEEDED, "path": _TEXT, "page_token": _TEXT},
        _READ,
        experiment_of=of_run,
    ),
    Call(
        "POST",
        "/2.0/mlflow/artifacts/presigned-upload-url",
        "CreatePresignedUploadUrl",
        presigned_upload,
        {"run_id": _TEXT, "model_id": _TEXT, "path": _NEEDED, "expiration": Field("int")},
        experiment_of=_of_either,
    ),
    Call(
        "POST",
        "/2.0/mlflow/artifacts/presigned-download-url",
        "CreatePresignedDownloadUrl",
        presigned_download,
        {"run_id": _NEEDED, "path": _NEEDED, "expiration": Field("int")},
        _READ,
        experiment_of=of_run,
    ),
    Call(
        "GET",
        f"{_MODEL}/artifacts/directories",
        "ListLoggedModelArtifacts",
        list_model,
        {"model_id": _NEEDED, "artifact_directory_path": _TEXT, "page_token": _TEXT},
        _READ,
        experiment_of=of_model,
    ),
)
