"""The client's calls for logged models: what `log_model` makes, a record of its own beside the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.views import logged_model_record
from gitruns.mlflow.exceptions import all_speak_mlflow, refused
from gitruns.protocol import artifacts, logged_models
from gitruns.protocol.hub import Hub
from gitruns.protocol.logged_model import model_named
from gitruns.tracking import contents
from gitruns.tracking.search import PagedList


@all_speak_mlflow
class LoggedModelCalls:
    """Logged models."""

    @property
    def hub(self) -> Hub:
        """The repository behind these calls."""
        raise NotImplementedError

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> records.LoggedModel:
        """Begins a logged model: it is pending until it is finalized."""
        made = logged_models.create_logged_model(
            self.hub,
            experiment_id,
            name=name,
            source_run_id=source_run_id,
            tags=_texts(tags),
            params=_texts(params),
            model_type=model_type,
        )
        return logged_model_record(made)

    def get_logged_model(self, model_id: str) -> records.LoggedModel:
        """Returns a logged model."""
        return logged_model_record(logged_models.get_logged_model(self.hub, model_id))

    def finalize_logged_model(self, model_id: str, status: str) -> records.LoggedModel:
        """Ends a logged model as `READY` or `FAILED`, which seals it into git."""
        word = str(getattr(status, "value", status))
        if word not in ("READY", "FAILED"):
            raise refused(f"Invalid model status: {status}. Expected statuses are READY and FAILED")
        return logged_model_record(logged_models.finalize_logged_model(self.hub, model_id, word))

    def delete_logged_model(self, model_id: str) -> None:
        """Deletes a logged model."""
        logged_models.delete_logged_model(self.hub, model_id)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Sets tags of a logged model."""
        logged_models.set_logged_model_tags(self.hub, model_id, _texts(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Takes a tag of a logged model away."""
        logged_models.delete_logged_model_tag(self.hub, model_id, key)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Logs params of a logged model."""
        logged_models.log_logged_model_params(self.hub, model_id, _texts(params))

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.LoggedModel]:
        """Returns one page of logged models."""
        found, token = logged_models.search_logged_models(
            self.hub,
            experiment_ids,
            filter=filter_string,
            datasets=list(datasets) if datasets else None,
            max_results=max_results,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([logged_model_record(one) for one in found], token or None)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[records.FileInfo]:
        """Returns files and folders directly below a path of a logged model, by path."""
        hub = self.hub
        listed = artifacts.list_model(hub, model_id, path)
        return [records.FileInfo(one.path, one.is_dir, one.size) for one in listed]

    def log_model_artifact(self, model_id: str, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Keeps a file as an artifact of a logged model."""
        self._log_of_model(model_id).add_path(Path(local_path), artifact_path)

    def log_model_artifacts(self, model_id: str, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Keeps all files of a folder as artifacts of a logged model."""
        contents.log_folder(self._log_of_model(model_id), Path(local_dir), artifact_path)

    def _log_of_model(self, model_id: str) -> Any:
        hub = self.hub
        return hub.logs.get(model_named(hub, model_id).info.id)


def _texts(pairs: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (pairs or {}).items()}
