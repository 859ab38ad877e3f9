"""MLflow's model registry on the registry of a git repository; prompts are models, by MLflow's own defaults.

What a call means is said in `protocol.registry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.registry_views import model_entity, version_entity
from gitruns.protocol.hub import Hub, hub_at
from gitruns.protocol.registry import RegistryCalls


@speaks_mlflow
class GitRunsRegistryStore(AbstractStore):  # type: ignore[misc]  # MLflow has no types
    """Registered models and their versions, each change a commit."""

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)
        self.store_uri = store_uri
        self.hub: Hub = self._open(store_uri)

    def _open(self, store_uri: str) -> Hub:
        return hub_at(store_uri)

    @property
    def _calls(self) -> RegistryCalls:
        return RegistryCalls(self.hub)

    # Models

    def create_registered_model(
        self,
        name: str,
        tags: Sequence[Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Creates a registered model."""
        return model_entity(self._calls.create_model(name, _texts(tags), description))

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Sets what is said of a model."""
        return model_entity(self._calls.update_model(name, description))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Gives a model another name; versions, tags and aliases go with it."""
        return model_entity(self._calls.rename_model(name, new_name))

    def delete_registered_model(self, name: str) -> None:
        """Deletes a model with its versions."""
        self._calls.delete_model(name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Returns a model."""
        return model_entity(self._calls.get_model(name))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of models, prompts only when the filter asks for them."""
        found, token = self._calls.search_models(filter_string or "", max_results, order_by or (), page_token or "")
        return PagedList([model_entity(one) for one in found], token or None)

    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        """Returns the latest version in each of some stages, by default in all."""
        return [version_entity(one) for one in self._calls.latest_versions(name, list(stages or ()))]

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Sets a tag of a model."""
        self._calls.set_model_tag(name, tag.key, str(tag.value))

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Takes a tag of a model away; one that is not there is fine."""
        self._calls.delete_model_tag(name, key)

    # Versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Creates the next version of a model. Its git tag is made when its run is sealed, and so is its digest."""
        made = self._calls.create_version(
            name, source, run_id=run_id, tags=_texts(tags), run_link=run_link, description=description
        )
        return version_entity(made)

    def update_model_version(self, name: str, version: str, description: str | None = None) -> ModelVersion:
        """Sets what is said of a version."""
        return version_entity(self._calls.update_version(name, version, description))

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Moves a version to a stage, and those that are there away if that is wanted."""
        return version_entity(
            self._calls.transition_stage(name, version, stage, archive=bool(archive_existing_versions))
        )

    def delete_model_version(self, name: str, version: str) -> None:
        """Deletes a version with its aliases; its number is not given again."""
        self._calls.delete_version(name, version)

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Returns a version."""
        return version_entity(self._calls.get_version(name, version))

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Returns where a version's artifacts are."""
        return self._calls.download_uri(name, version)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of versions, of prompts only when the filter asks for them."""
        found, token = self._calls.search_versions(filter_string or "", max_results, order_by or (), page_token or "")
        return PagedList([version_entity(one) for one in found], token or None)

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Sets a tag of a version."""
        self._calls.set_version_tag(name, version, tag.key, tag.value)

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Takes a tag of a version away; one that is not there is fine."""
        self._calls.delete_version_tag(name, version, key)

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Makes an alias name a version."""
        self._calls.set_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is fine."""
        self._calls.delete_alias(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Returns the version that an alias names."""
        return version_entity(self._calls.get_by_alias(name, alias))

    # Webhooks: there are none, which MLflow's server asks after every change

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList:
        """Returns no webhooks."""
        return PagedList([], None)

    def list_webhooks_by_event(
        self, event: Any, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        """Returns no webhooks."""
        return PagedList([], None)


def _texts(given: Iterable[Any] | None) -> dict[str, Any]:
    return {one.key: None if one.value is None else str(one.value) for one in given or ()}
