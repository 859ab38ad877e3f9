"""Artifacts of runs and logged models as MLflow's artifact repository: content-addressed, kept with the run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path

from gitruns.errors import NotFoundError
from gitruns.integrations.mlflow_plugin.errors import missing, speaks_mlflow
from gitruns.protocol.addresses import find_artifacts
from gitruns.protocol.artifact_paths import Target
from gitruns.protocol.artifacts import remove
from gitruns.protocol.hub import hub_at


@speaks_mlflow
class GitRunsArtifactRepository(ArtifactRepository):  # type: ignore[misc]  # MLflow has no types
    """The artifacts below one path of a run or logged model. Paths that it takes and gives are relative to that."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        try:
            super().__init__(artifact_uri, tracking_uri, registry_uri)
        except TypeError:  # before MLflow 3
            super().__init__(artifact_uri)
        self._find(artifact_uri)

    def _find(self, artifact_uri: str) -> None:
        self._place = find_artifacts(artifact_uri)
        self._hub = hub_at(self._place.repo_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Keeps a file; the same path again replaces it."""
        verify_artifact_path(artifact_path)
        path = Path(local_file)
        if not path.exists():
            raise FileNotFoundError(f"No such file or directory: '{local_file}'")
        self._add(path, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Keeps all files of a folder."""
        verify_artifact_path(artifact_path)
        folder = Path(local_dir)
        if not folder.is_dir():
            raise FileNotFoundError(f"No such file or directory: '{local_dir}'")
        self._add(folder, artifact_path)

    def _add(self, path: Path, artifact_path: str | None) -> None:
        below = self._below(artifact_path)
        self._hub.logs.write(self._place.record_id, lambda log: log.add_path(path, below))

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """Returns files and folders directly below a path, by path; empty for a file and for nothing."""
        start = len(self._place.path) + 1 if self._place.path else 0
        listed = self._hub.repo.list_artifacts(self._place.record_id, self._below(path) or "")
        return [FileInfo(one.path[start:], one.is_dir, one.size_bytes) for one in listed]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        name = self._below(remote_file_path) or ""
        try:
            opened = self._hub.repo.open_artifact(self._place.record_id, name)
        except NotFoundError as error:
            if error.kind != "artifact-not-found":
                raise
            raise missing(f"No such artifact: '{remote_file_path}'") from error
        Path(local_path).parent.mkdir(parents=True, exist_ok=True)
        with opened as source, Path(local_path).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Takes artifacts away from the run; their bytes go when nothing names them any more."""
        remove(self._hub, Target(self._place.record_id, None, self._below(artifact_path) or ""))

    def _below(self, path: str | None) -> str | None:
        parts = [part.strip("/") for part in (self._place.path, path or "") if part and part.strip("/.")]
        return "/".join(parts) or None
