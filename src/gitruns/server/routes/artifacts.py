"""MLflow's calls for artifacts: proxied ones, listings, and the files that its pages ask for."""

from __future__ import annotations

import mimetypes
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitruns.protocol import artifacts, logged_models
from gitruns.protocol.artifacts import Entry, Found
from gitruns.protocol.errors import refused
from gitruns.protocol.experiments import run_artifacts_at
from gitruns.protocol.logged_model import model_named
from gitruns.protocol.registry import RegistryCalls
from gitruns.protocol.runs import find_run
from gitruns.server.calls import (
    AJAX_ONLY,
    AT_ROOT,
    Call,
    Context,
    Download,
    Field,
    Fields,
    Role,
    StreamCall,
    Upload,
)
from gitruns.server.owners import experiment_of_model, experiment_of_run, of_model, of_run
from gitruns.server.pairs import without_nothing

Body = Mapping[str, Any]

PAGE_UPLOAD_BYTES = 10 << 20
_AS_TEXT = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb "
    "MLmodel MLproject".split()
)


def content_type_of(name: str) -> str:
    """Returns what kind of file a name stands for, as MLflow guesses: what is text in any way is plain text."""
    plain = name.rpartition("/")[2]
    if plain.rpartition(".")[2] in _AS_TEXT:
        return "text/plain; charset=utf-8"
    return mimetypes.guess_type(plain)[0] or "application/octet-stream"


def _sent(found: Found) -> Download:
    name = found.path.rpartition("/")[2]
    return Download(found.open, found.size, name, content_type_of(name), found.digest)


def _entry_json(entry: Entry) -> Body:
    return without_nothing({"path": entry.path, "is_dir": entry.is_dir, "file_size": entry.size})


def _files_json(entries: list[Entry], root: str | None = None) -> Body:
    return without_nothing({"root_uri": root, "files": [_entry_json(one) for one in entries]})


# Proxied artifacts


def upload(context: Context, fields: Fields, body: Upload | None) -> Body:
    """Keeps the body of a request as an artifact; it is in the journal before it is answered."""
    if body is None:
        raise refused("Bad Request. The body is missing.", "BAD_REQUEST")
    target = artifacts.target_of(fields["artifact_path"])
    artifacts.put(context.hub, target, _pieces_of(context, body))
    return {}


def _pieces_of(context: Context, body: Upload) -> Iterator[bytes]:
    limit = context.settings.max_artifact_bytes
    if limit is not None and body.length is not None and body.length > limit:
        raise refused(f"Artifact size is too large. Max size is {limit} bytes.")
    return artifacts.no_larger_than(limit, artifacts.in_pieces(body.stream))


def download(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file."""
    return _sent(artifacts.find(context.hub, artifacts.target_of(fields["artifact_path"])))


def list_proxied(context: Context, fields: Fields) -> Body:
    """Answers with what lies directly below a path."""
    return _files_json(artifacts.list_address(context.hub, fields.get("path", "")))


def delete(context: Context, fields: Fields) -> Body:
    """Takes a file, or all below a folder, away."""
    artifacts.remove(context.hub, artifacts.target_of(fields["artifact_path"]))
    return {}


def presigned(context: Context, fields: Fields) -> Body:
    """Refuses: bytes go through this server."""
    artifacts.check_path(fields["artifact_path"])
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


def get_of_run(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a run."""
    run = find_run(context.hub, fields["run_id"])
    return _sent(artifacts.find_in(context.hub, run, artifacts.check_path(fields["path"])))


def get_of_model(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a logged model."""
    path = fields.get("artifact_file_path", "")
    if not path:
        raise refused('Request must include the "artifact_file_path" query parameter.', "BAD_REQUEST")
    record = model_named(context.hub, fields["model_id"])
    return _sent(artifacts.find_in(context.hub, record, artifacts.check_path(path)))


def get_of_version(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a version of a registered model."""
    path = artifacts.check_path(fields["path"])
    found = RegistryCalls(context.hub).found(fields["name"], fields["version"]).version
    if found.run_id is None or found.path is None:
        raise refused(f"No such artifact: '{path}'", "RESOURCE_DOES_NOT_EXIST")
    record = context.hub.repo.get_run(found.run_id)
    return _sent(artifacts.find_in(context.hub, record, f"{found.path}/{path}" if found.path else path))


def upload_of_page(context: Context, fields: Fields, body: Upload | None) -> Body:
    """Keeps what a page of MLflow's has made, as an artifact of a run."""
    for name in ("run_uuid", "path"):
        if not fields.get(name):
            raise refused(f"Request must specify {name}.")
    path = artifacts.check_path(fields["path"])
    data = body.stream.read() if body is not None else b""
    if not data:
        raise refused("Request must specify data.")
    run = find_run(context.hub, fields["run_uuid"])
    artifacts.put(context.hub, artifacts.Target(run.info.id, None, path), [data])
    return {}


def presigned_upload(context: Context, fields: Fields) -> Body:
    """Refuses: bytes go through this server."""
    if bool(fields.get("run_id")) == bool(fields.get("model_id")):
        raise refused("Exactly one of run_id and model_id must be provided.")
    artifacts.check_path(fields["path"])
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
    artifacts.check_path(fields["path"])
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


def _of_page(context: Context, fields: Fields) -> Collection[str]:
    return experiment_of_run(context, fields.get("run_uuid", ""))


def _of_either(context: Context, fields: Fields) -> Collection[str]:
    if fields.get("model_id"):
        return experiment_of_model(context, fields["model_id"])
    return experiment_of_run(context, fields.get("run_id", ""))


_ROOT = "/2.0/mlflow-artifacts"
_FILE = f"{_ROOT}/artifacts/{{artifact_path:path}}"
_MODEL = "/2.0/mlflow/logged-models/{model_id}"
_TEXT, _NEEDED = Field("string"), Field("string", required=True)
_ADDRESS = {"artifact_path": _NEEDED}
_MODEL_FILE = {"model_id": _NEEDED, "artifact_file_path": _TEXT}
_VERSION_FILE = {"name": _NEEDED, "version": _NEEDED, "path": _NEEDED}
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
    StreamCall(
        "GET", f"{_MODEL}/artifacts/files", "GetLoggedModelArtifact", get_of_model, _MODEL_FILE, _READ, of_model
    ),
    StreamCall(
        "GET",
        "/get-artifact",
        "GetArtifact",
        get_of_run,
        {"run_id": _NEEDED, "path": _NEEDED},
        _READ,
        of_run,
        below=AT_ROOT,
    ),
    StreamCall(
        "GET",
        "/model-versions/get-artifact",
        "GetModelVersionArtifact",
        get_of_version,
        _VERSION_FILE,
        _READ,
        below=AT_ROOT,
    ),
    StreamCall(
        "POST",
        "/2.0/mlflow/upload-artifact",
        "UploadArtifactOfPage",
        upload_of_page,
        {"run_uuid": _TEXT, "path": _TEXT},
        experiment_of=_of_page,
        limit_bytes=PAGE_UPLOAD_BYTES,
        below=AJAX_ONLY,
    ),
)
