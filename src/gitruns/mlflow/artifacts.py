"""`mlflow.artifacts`, and how an address of artifacts becomes files on disk.

    runs:/ID/path                       of a run; a logged model of the run goes by its name
    models:/name/3, @alias, m-ID        of a registered version, of a logged model
    gitruns:/path/ID/artifacts/…        as `get_artifact_uri` says it
    a path, file:///…                   what is on disk already

What comes out of a repository is hashed before it gets its name.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError
from gitruns.mlflow.address import current_hub
from gitruns.mlflow.entities import records
from gitruns.mlflow.exceptions import MlflowException, refused, speaks_mlflow
from gitruns.protocol import artifacts as kept
from gitruns.protocol import runs
from gitruns.protocol.addresses import SCHEME, find_artifacts, model_record
from gitruns.protocol.artifact_paths import check_folder
from gitruns.protocol.hub import Hub, hub_at
from gitruns.protocol.logged_model import source_run_of
from gitruns.protocol.shown import output_models
from gitruns.registry import Registry, find_place, is_address
from gitruns.tracking.contents import new_download_folder

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text"]


@speaks_mlflow
def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Brings artifacts into a folder (a new one by default) and returns where they are."""
    from gitruns.mlflow.address import hub_named

    hub = hub_named(tracking_uri)
    if (artifact_uri is None) == (run_id is None):
        raise refused("Exactly one of `run_id` and `artifact_uri` must be specified")
    target = new_download_folder() if dst_path is None else Path(dst_path)
    if run_id is None:
        return str(_bring(hub, str(artifact_uri), target))
    found = runs.find_run(hub, run_id).info.id
    record, rest = _of_run_or_its_model(hub, found, (artifact_path or "").strip("/"))
    return str(_bring_alone(hub, record, rest, target))


@speaks_mlflow
def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[records.FileInfo]:
    """Returns files and folders directly below an address, or a path of a run, by path."""
    from gitruns.mlflow.address import hub_named

    hub = hub_named(tracking_uri)
    if (artifact_uri is None) == (run_id is None):
        raise refused("Exactly one of `run_id` and `artifact_uri` must be specified")
    if run_id is not None:
        return list_of_run(hub, run_id, artifact_path)
    there, record, path = _place(hub, str(artifact_uri))
    return [records.FileInfo(one.path, one.is_dir, one.size_bytes) for one in there.repo.list_artifacts(record, path)]


def load_text(artifact_uri: str) -> str:
    """Returns an artifact as text."""
    return local_copy(artifact_uri).read_text(encoding="utf-8")


def load_dict(artifact_uri: str) -> Any:
    """Returns an artifact of JSON as what it holds."""
    try:
        return json.loads(load_text(artifact_uri))
    except ValueError as error:
        raise MlflowException("Unable to form a JSON object from file content", "BAD_REQUEST") from error


@speaks_mlflow
def load_image(artifact_uri: str) -> Any:
    """Returns an artifact as a PIL image."""
    from gitruns.mlflow.image import pillow

    return pillow().open(local_copy(artifact_uri))


# Addresses


@speaks_mlflow
def local_copy(named: str | Path, target: str | Path | None = None) -> Path:
    """Returns what an address names as files on disk; what is brought for that goes when the process ends."""
    uri = str(named)
    if target is not None:
        return _bring(current_hub(), uri, Path(target))
    if not is_address(uri) and not uri.startswith(SCHEME):
        return _on_disk(uri)
    folder = new_download_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return _bring(current_hub(), uri, folder)


def _bring(hub: Hub, uri: str, target: Path) -> Path:
    if not is_address(uri) and not uri.startswith(SCHEME):
        return _copied(_on_disk(uri), target)
    return _bring_alone(*_place(hub, uri), target)


def _bring_alone(hub: Hub, record: RunId, path: str, target: Path) -> Path:
    """Brings a file or folder directly into `target`, without the folders above it."""
    if "/" not in path:
        return hub.repo.download_artifacts(record, path, target)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".gitruns-", dir=target) as scratch:
        return _copied(hub.repo.download_artifacts(record, path, Path(scratch)), target)


def _on_disk(uri: str) -> Path:
    if uri.startswith("file:"):
        path = Path(unquote(urlsplit(uri).path))
    elif _URI.match(uri):
        raise InvalidInputError(
            f"cannot read '{uri}': it is no address of artifacts in a repository",
            kind="bad-address",
            hint="as in runs:/ID/path, models:/name/3 or a path",
        )
    else:
        path = Path(uri).expanduser()
    if not path.exists():
        raise MlflowException(f"No such artifact: '{uri}'", "RESOURCE_DOES_NOT_EXIST", kind="artifact-not-found")
    return path


def _copied(source: Path, target: Path) -> Path:
    place = target / source.name
    if source.is_dir():
        return Path(shutil.copytree(source, place, dirs_exist_ok=True))
    target.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(source, place))


def _place(hub: Hub, uri: str) -> tuple[Hub, RunId, str]:
    """Returns the repository, the record and the path in it that an address names."""
    if uri.startswith(SCHEME):
        found = find_artifacts(uri)
        return hub_at(found.repo_uri), found.record_id, found.path
    place = find_place(Registry(hub.repo), uri)
    return hub, *_of_run_or_its_model(hub, place.run_id, place.path)


def _of_run_or_its_model(hub: Hub, run_id: RunId, path: str) -> tuple[RunId, str]:
    """Returns record and path: a path that the run has not may be of a logged model that the run made."""
    run = hub.repo.get_run(run_id)
    known = {one.path for one in hub.repo.artifacts_of(run)}
    if path and path not in known and not any(one.startswith(f"{path}/") for one in known):
        found = logged_model_at(hub, run_id, path)
        if found is not None:
            return found
    return run_id, path


def logged_model_at(hub: Hub, run_id: RunId, path: str) -> tuple[RunId, str] | None:
    """Returns the newest logged model of a run whose name a path begins with, as record and path in it."""
    name, _, rest = path.partition("/")
    for model_id, _ in reversed(output_models(hub.repo.get_run(run_id))):
        record = model_record(model_id)
        if record is not None and hub.repo.get_run(record).info.name == name:
            return record, rest
    return None


def run_and_source(hub: Hub, uri: str) -> tuple[str | None, str]:
    """Returns the run that made what an address names, and the address as a version of a model keeps it."""
    if uri.startswith("runs:/"):
        run, _, path = uri.removeprefix("runs:/").lstrip("/").partition("/")
        run_id = hub.repo.resolve_run(run)
        record, rest = _of_run_or_its_model(hub, run_id, path.strip("/"))
        if record == run_id:
            return run_id, uri
        return run_id, "/".join(part for part in (f"models:/m-{record}", rest) if part)
    if uri.startswith("models:/"):
        record = find_place(Registry(hub.repo), uri).run_id
        found = hub.repo.get_run(record)
        return source_run_of(found) if found.info.kind is not None else record, uri
    return None, uri


# Of a run


def list_of_run(hub: Hub, run_id: str, path: str | None) -> list[records.FileInfo]:
    """Returns files and folders directly below a path of a run; a logged model of it is listed by its name."""
    listed = [records.FileInfo(one.path, one.is_dir, one.size) for one in kept.list_run(hub, run_id, path)]
    if listed or not path or not path.strip("/"):
        return listed
    found = logged_model_at(hub, RunId(run_id), check_folder(path))
    if found is None:
        return []
    name = path.strip("/").partition("/")[0]
    return [
        records.FileInfo(f"{name}/{one.path}", one.is_dir, one.size_bytes) for one in hub.repo.list_artifacts(*found)
    ]


def download_of_run(hub: Hub, run_id: str, path: str, target: str | Path | None) -> Path:
    """Brings artifacts of a run, or of a logged model of it, into a folder."""
    record, rest = _of_run_or_its_model(hub, runs.find_run(hub, run_id).info.id, path.strip("/"))
    return hub.repo.download_artifacts(record, rest, new_download_folder() if target is None else Path(target))
