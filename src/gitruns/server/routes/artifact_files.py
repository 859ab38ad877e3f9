"""Files that MLflow's pages ask for, and those that they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gitruns.protocol import artifacts
from gitruns.protocol.artifact_paths import Target, check_path
from gitruns.protocol.errors import refused
from gitruns.protocol.logged_model import model_named
from gitruns.protocol.registry import RegistryCalls
from gitruns.protocol.runs import find_run
from gitruns.server.artifact_files import sent_file
from gitruns.server.calls import AJAX_ONLY, AT_ROOT, Context, Download, Field, Fields, Role, StreamCall, Upload
from gitruns.server.owners import experiment_of_run, of_model, of_run

Body = Mapping[str, Any]

PAGE_UPLOAD_BYTES = 10 << 20


def get_of_run(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a run."""
    run = find_run(context.hub, fields["run_id"])
    return sent_file(artifacts.find_in(context.hub, run, check_path(fields["path"])))


def get_of_model(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a logged model."""
    path = fields.get("artifact_file_path", "")
    if not path:
        raise refused('Request must include the "artifact_file_path" query parameter.', "BAD_REQUEST")
    record = model_named(context.hub, fields["model_id"])
    return sent_file(artifacts.find_in(context.hub, record, check_path(path)))


def get_of_version(context: Context, fields: Fields, body: Upload | None) -> Download:
    """Answers with a file of a version of a registered model."""
    path = check_path(fields["path"])
    found = RegistryCalls(context.hub).found(fields["name"], fields["version"]).version
    if found.run_id is None or found.path is None:
        raise refused(f"No such artifact: '{path}'", "RESOURCE_DOES_NOT_EXIST")
    record = context.hub.repo.get_run(found.run_id)
    return sent_file(artifacts.find_in(context.hub, record, f"{found.path}/{path}" if found.path else path))


def upload_of_page(context: Context, fields: Fields, body: Upload | None) -> Body:
    """Keeps what a page of MLflow's has made, as an artifact of a run."""
    for name in ("run_uuid", "path"):
        if not fields.get(name):
            raise refused(f"Request must specify {name}.")
    path = check_path(fields["path"])
    data = body.stream.read() if body is not None else b""
    if not data:
        raise refused("Request must specify data.")
    run = find_run(context.hub, fields["run_uuid"])
    artifacts.put(context.hub, Target(run.info.id, None, path), [data])
    return {}


def _of_page(context: Context, fields: Fields) -> Collection[str]:
    return experiment_of_run(context, fields.get("run_uuid", ""))


_TEXT, _NEEDED = Field("string"), Field("string", required=True)
_MODEL_FILE = {"model_id": _NEEDED, "artifact_file_path": _TEXT}
_VERSION_FILE = {"name": _NEEDED, "version": _NEEDED, "path": _NEEDED}
_MODEL = "/2.0/mlflow/logged-models/{model_id}"
_READ = Role.READER

CALLS = (
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
