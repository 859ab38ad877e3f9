"""Artifacts of a trace as MLflow's artifact repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path

from gitruns.integrations.mlflow_plugin.errors import missing, speaks_mlflow
from gitruns.protocol import trace_artifacts
from gitruns.protocol.hub import hub_at

_ADDRESS = re.compile(r"(?P<repo>gitruns:.*)/traces/(?P<trace>[^/]+)/artifacts(?:/(?P<path>.*))?\Z", re.DOTALL)


def is_of_trace(artifact_uri: str) -> bool:
    """Returns whether an address is that of a trace's artifacts."""
    return _ADDRESS.match(artifact_uri) is not None


@speaks_mlflow
class GitRunsTraceRepository(ArtifactRepository):  # type: ignore[misc]  # MLflow has no types
    """The artifacts of one trace. Paths that it takes and gives are relative to its address."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        try:
            super().__init__(artifact_uri, tracking_uri, registry_uri)
        except TypeError:  # before MLflow 3
            super().__init__(artifact_uri)
        match = _ADDRESS.match(artifact_uri)
        if match is None:
            raise missing(f"'{artifact_uri}' is no address of a trace's artifacts")
        self._trace_id, self._path = match["trace"], (match["path"] or "").strip("/")
        self._hub = hub_at(match["repo"])

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Keeps a file; the same path again replaces it."""
        verify_artifact_path(artifact_path)
        path = Path(local_file)
        trace_artifacts.put(self._hub, self._trace_id, self._below(artifact_path, path.name), path.read_bytes())

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Keeps all files of a folder."""
        folder = Path(local_dir)
        for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
            below = path.relative_to(folder).parent.as_posix()
            self.log_artifact(str(path), "/".join(part for part in (artifact_path or "", below) if part.strip(".")))

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """Returns files and folders directly below a path, by path; empty for a file and for nothing."""
        start = len(self._path) + 1 if self._path else 0
        listed = trace_artifacts.list_files(self._hub, self._trace_id, self._below(path))
        return [FileInfo(one.path[start:], one.is_dir, one.size) for one in listed]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        data = trace_artifacts.read(self._hub, self._trace_id, self._below(remote_file_path))
        Path(local_path).parent.mkdir(parents=True, exist_ok=True)
        Path(local_path).write_bytes(data)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Takes files away."""
        trace_artifacts.delete(self._hub, self._trace_id, self._below(artifact_path))

    def _below(self, *parts: str | None) -> str:
        return "/".join(part.strip("/") for part in (self._path, *parts) if part and part.strip("/."))
