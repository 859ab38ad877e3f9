"""The client's calls for registered models, over those that all doors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.views import model_record, version_record
from gitruns.mlflow.exceptions import all_speak_mlflow, refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.registry import RegistryCalls as Calls
from gitruns.tracking.search import PagedList

STAGES = ["None", "Staging", "Production", "Archived"]


@all_speak_mlflow
class RegistryCalls:
    """Registered models and their versions."""

    @property
    def hub(self) -> Hub:
        """The repository behind these calls."""
        raise NotImplementedError

    @property
    def _calls(self) -> Calls:
        return Calls(self.hub)

    # Models

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> records.RegisteredModel:
        """Creates a registered model."""
        return model_record(self._calls.create_model(name, _texts(tags), description))

    def get_registered_model(self, name: str) -> records.RegisteredModel:
        """Returns a model."""
        return model_record(self._calls.get_model(name))

    def rename_registered_model(self, name: str, new_name: str) -> records.RegisteredModel:
        """Gives a model another name; versions, tags and aliases go with it."""
        return model_record(self._calls.rename_model(name, new_name))

    def update_registered_model(
        self, name: str, description: str | None = None, deployment_job_id: str | None = None
    ) -> records.RegisteredModel:
        """Sets what is said of a model."""
        return model_record(self._calls.update_model(name, description))

    def delete_registered_model(self, name: str) -> None:
        """Deletes a model with its versions."""
        self._calls.delete_model(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.RegisteredModel]:
        """Returns one page of models, by name unless `order_by` says otherwise."""
        found, token = self._calls.search_models(
            filter_string or "", max_results, tuple(order_by or ()), page_token or ""
        )
        return PagedList([model_record(one) for one in found], token or None)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Sets a tag of a model."""
        self._calls.set_model_tag(name, key, str(value))

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Takes a tag of a model away; one that is not there is fine."""
        self._calls.delete_model_tag(name, key)

    # Versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = None,
        model_id: str | None = None,
    ) -> records.ModelVersion:
        """Creates the next version of a model. `await_creation_for` is MLflow's: it is there when the call returns."""
        made = self._calls.create_version(
            name, str(source), run_id=run_id, tags=_texts(tags), run_link=run_link, description=description
        )
        return version_record(made)

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> records.ModelVersion:
        """Makes a version of another model, created where there is none, from `models:/…`; no bytes are copied."""
        calls = self._calls
        found = calls.view_of(calls.registry.find_version(src_model_uri.removeprefix("models:/").strip("/")))
        calls.registry.ensure_model(dst_name)
        source = f"models:/{found.name}/{found.number}"
        return version_record(
            calls.create_version(dst_name, source, run_id=found.run_id, tags=found.tags, description=found.description)
        )

    def get_model_version(self, name: str, version: str | int) -> records.ModelVersion:
        """Returns a version."""
        return version_record(self._calls.get_version(name, str(version)))

    def update_model_version(
        self, name: str, version: str | int, description: str | None = None
    ) -> records.ModelVersion:
        """Sets what is said of a version."""
        return version_record(self._calls.update_version(name, str(version), description))

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Deletes a version with its aliases; its number is not given again."""
        self._calls.delete_version(name, str(version))

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> records.ModelVersion:
        """Moves a version to a stage, and those that are there away if that is wanted."""
        return version_record(
            self._calls.transition_stage(name, str(version), stage, archive=bool(archive_existing_versions))
        )

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """Returns the stages there are."""
        return list(STAGES)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[records.ModelVersion]:
        """Returns the newest version in each of some stages, by default in all."""
        return [version_record(one) for one in self._calls.latest_versions(name, list(stages or ()))]

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Returns where a version's artifacts are."""
        return self._calls.download_uri(name, str(version))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.ModelVersion]:
        """Returns one page of versions, those changed last first unless `order_by` says otherwise."""
        found, token = self._calls.search_versions(
            filter_string or "", max_results, tuple(order_by or ()), page_token or ""
        )
        return PagedList([version_record(one) for one in found], token or None)

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Sets a tag of a version, or of the latest one in a stage."""
        self._calls.set_version_tag(name, self._number(name, version, stage), _key(key), str(value))

    def delete_model_version_tag(
        self, name: str, version: str | int | None = None, key: str | None = None, stage: str | None = None
    ) -> None:
        """Takes a tag of a version away; one that is not there is fine."""
        self._calls.delete_version_tag(name, self._number(name, version, stage), _key(key))

    def _number(self, name: str, version: str | int | None, stage: str | None) -> str:
        if version is not None:
            return str(version)
        found = self._calls.latest_versions(name, [stage] if stage else [])
        if not found:
            raise refused(f"Could not find any model version for {stage} stage")
        return str(found[-1].number)

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Makes an alias name a version."""
        self._calls.set_alias(name, alias, str(version))

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is fine."""
        self._calls.delete_alias(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> records.ModelVersion:
        """Returns the version that an alias names."""
        return version_record(self._calls.get_by_alias(name, alias))


def register(
    client: Any, model_uri: str | Path, name: str, tags: Mapping[str, Any] | None = None
) -> records.ModelVersion:
    """Makes a version of a model, created where there is none, from an address or a folder on disk."""
    from gitruns.mlflow.artifacts import run_and_source
    from gitruns.tracking.registering import log_as_run

    hub: Hub = client.hub
    uri = str(model_uri)
    if Path(uri).exists() and ":/" not in uri:
        uri = log_as_run(hub.session, Path(uri), name)
    calls = Calls(hub)
    run_id, source = run_and_source(hub, uri)
    calls.registry.ensure_model(name)
    return version_record(calls.create_version(name, source, run_id=run_id, tags=_texts(tags)))


def _texts(tags: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (tags or {}).items()}


def _key(key: str | None) -> str:
    if key is None:
        raise refused("A tag needs a key")
    return key
