"""MLflow's model registry on the registry of a git repository; prompts are models, by MLflow's own defaults.

What MLflow stores as places of files on this machine is kept as what it means, `runs:/ID/path` or `models:/m-ID`, so
that every clone can read it. A version whose source names nothing here is kept with its source as text, as MLflow does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils import validation

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.model import RegisteredModel as StoredModel
from gitruns.entities.run import MODEL_KIND, MODEL_TAGS
from gitruns.errors import AlreadyExistsError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.integrations.mlflow_plugin.errors import missing, refused, speaks_mlflow
from gitruns.protocol.addresses import MODEL_PREFIX, SCHEME, find_artifacts, model_record
from gitruns.protocol.hub import Hub, hub_at
from gitruns.query.dialects import Dialect
from gitruns.registry import Registry, search_models, search_versions
from gitruns.registry.registered import RegisteredVersion

RUN_TAG = MODEL_TAGS + "run"
LINK_TAG = MODEL_TAGS + "run_link"
MOST_MODELS, MOST_VERSIONS = 1000, 200_000


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
    def _registry(self) -> Registry:
        return Registry(self.hub.repo)

    # Models

    def create_registered_model(
        self,
        name: str,
        tags: Sequence[Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Creates a registered model."""
        validation._validate_model_name(name)
        for tag in tags or ():
            validation._validate_registered_model_tag(tag.key, tag.value)
        given = {tag.key: tag.value for tag in tags or ()}
        try:
            return self._model(self._registry.create_model(name, tags=given, description=description or ""))
        except AlreadyExistsError as error:
            raise self._name_taken(name, tags) from error

    def _name_taken(self, name: str, tags: Sequence[Any] | None) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag

        known = dict(self._registry.get_model(name).tags)
        try:
            handle_resource_already_exist_error(name, has_prompt_tag(known), has_prompt_tag(tags))
        except MlflowException as error:
            return error
        return refused(f"Registered Model (name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Sets what is said of a model."""
        self._stored(name)
        return self._model(self._registry.describe_model(name, description))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Gives a model another name; versions, tags and aliases go with it."""
        validation._validate_model_renaming(new_name)
        self._stored(name)
        try:
            return self._model(self._registry.rename_model(name, new_name))
        except AlreadyExistsError as error:
            raise refused(f"Registered Model (name={new_name}) already exists.", "RESOURCE_ALREADY_EXISTS") from error

    def delete_registered_model(self, name: str) -> None:
        """Deletes a model with its versions."""
        self._stored(name)
        self._registry.delete_model(name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Returns a model."""
        return self._model(self._stored(name))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of models, prompts only when the filter asks for them."""
        _check_page(max_results, MOST_MODELS)
        page = search_models(
            self._registry,
            filter_string or "",
            order_by=tuple(order_by or ()),
            max_results=max_results,
            page_token=page_token or "",
            dialect=Dialect.MLFLOW,
        )
        return PagedList([self._model(one) for one in page.items], page.next_token or None)

    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        """Returns the latest version in each of some stages, by default in all."""
        from mlflow.entities.model_registry.model_version_stages import get_canonical_stage

        self._stored(name)
        wanted = [get_canonical_stage(stage) for stage in stages] if stages else None
        return [self._version(one) for one in self._registry.latest_versions(name, wanted)]

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Sets a tag of a model."""
        validation._validate_model_name(name)
        validation._validate_registered_model_tag(tag.key, tag.value)
        self._stored(name)
        self._registry.tag_model(name, {tag.key: tag.value})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Takes a tag of a model away; one that is not there is fine."""
        validation._validate_model_name(name)
        validation._validate_tag_name(key)
        self._stored(name)
        self._registry.tag_model(name, {}, delete=[key])

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
        validation._validate_model_name(name)
        for tag in tags or ():
            validation._validate_model_version_tag(tag.key, tag.value)
        self._stored(name)
        known = {tag.key: str(tag.value) for tag in tags or ()}
        if run_link is not None:
            known[LINK_TAG] = run_link
        kept, stated = self._meant(source), None
        if kept is None and run_id is not None:
            if self._knows(run_id):
                stated = run_id
            else:
                known[RUN_TAG] = run_id
        made = self._registry.create_version(
            name, kept or source, run_id=stated, description=description or "", tags=known, must_exist=False
        )
        said = stated or known.get(RUN_TAG) or self._registry.made_by(made.version)
        if run_id is not None and said != run_id:
            made = self._registry.tag_version(name, made.version.shown_number, {RUN_TAG: run_id})
        return self._version(made)

    def _meant(self, source: str) -> str | None:
        """Returns a source as every clone can read it, None for one that is of none of ours."""
        if source.startswith(("runs:/", "models:/")):
            return source
        if not source.startswith(SCHEME):
            return None
        try:
            place = find_artifacts(source)
            if hub_at(place.repo_uri) is not self.hub:
                return None
            record = self.hub.repo.get_run(place.record_id)
        except GitRunsError:
            return None
        below = f"/{place.path}" if place.path else ""
        if record.info.kind == MODEL_KIND:
            return f"models:/{MODEL_PREFIX}{place.record_id}{below}"
        return f"runs:/{place.record_id}{below}"

    def _knows(self, run_id: str) -> bool:
        try:
            return is_run_id(run_id) and self.hub.repo.find_run(RunId(run_id)) is not None
        except GitRunsError:
            return False

    def update_model_version(self, name: str, version: str, description: str | None = None) -> ModelVersion:
        """Sets what is said of a version."""
        found = self._found(name, version)
        return self._version(self._registry.describe_version(name, found.version.shown_number, description))

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Moves a version to a stage, and those that are there away if that is wanted."""
        from mlflow.entities.model_registry.model_version_stages import (
            DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
            get_canonical_stage,
        )

        wanted = get_canonical_stage(stage)
        if archive_existing_versions and wanted not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise refused(
                "Model version transition cannot archive existing model versions "
                f"because '{stage}' is not an Active stage. Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}",
                "INTERNAL_ERROR",
            )
        found = self._found(name, version)
        return self._version(
            self._registry.transition_stage(
                name, found.version.shown_number, wanted, archive_existing_versions=bool(archive_existing_versions)
            )
        )

    def delete_model_version(self, name: str, version: str) -> None:
        """Deletes a version with its aliases; its number is not given again."""
        self._registry.delete_version(name, self._found(name, version).version.shown_number)

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Returns a version."""
        return self._version(self._found(name, version))

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Returns where a version's artifacts are."""
        found = self._found(name, version).version
        if found.run_id is None or found.path is None:
            return found.source
        below = f"/{found.path}" if found.path else ""
        record = self.hub.repo.get_run(found.run_id)
        if record.info.kind == MODEL_KIND:
            return f"{self.hub.uri}/models/{MODEL_PREFIX}{found.run_id}/artifacts{below}"
        return f"{self.hub.uri}/{found.run_id}/artifacts{below}"

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of versions, of prompts only when the filter asks for them."""
        from mlflow.store.model_registry import SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT as DEFAULT

        wanted = DEFAULT if max_results is None else max_results
        if not isinstance(wanted, int) or wanted < 1:
            raise refused(f"Invalid value for max_results. It must be a positive integer, but got {max_results}")
        _check_page(wanted, MOST_VERSIONS)
        page = search_versions(
            self._registry,
            filter_string or "",
            order_by=tuple(order_by or ()),
            max_results=wanted,
            page_token=page_token or "",
            dialect=Dialect.MLFLOW,
        )
        return PagedList([self._version(one, aliases=False) for one in page.items], page.next_token or None)

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Sets a tag of a version."""
        validation._validate_model_version_tag(tag.key, tag.value)
        self._registry.tag_version(name, self._found(name, version).version.shown_number, {tag.key: str(tag.value)})

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Takes a tag of a version away; one that is not there is fine."""
        validation._validate_tag_name(key)
        self._registry.tag_version(name, self._found(name, version).version.shown_number, {}, delete=[key])

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Makes an alias name a version."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        if hasattr(validation, "_validate_model_alias_name_reserved"):  # before MLflow 3 the check above does it
            validation._validate_model_alias_name_reserved(alias)
        self._registry.set_alias(name, alias, self._found(name, version).version.shown_number)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is fine."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        self._stored(name)
        self._registry.delete_alias(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Returns the version that an alias names."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        self._stored(name)
        try:
            return self._version(self._registry.get_version_by_alias(name, alias))
        except NotFoundError as error:
            raise refused(f"Registered model alias {alias} not found.") from error

    # Webhooks: there are none, which MLflow's server asks after every change

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList:
        """Returns no webhooks."""
        return PagedList([], None)

    def list_webhooks_by_event(
        self, event: Any, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        """Returns no webhooks."""
        return PagedList([], None)

    # Inside

    def _stored(self, name: str) -> StoredModel:
        validation._validate_model_name(name)
        try:
            return self._registry.get_model(name)
        except NotFoundError as error:
            raise missing(f"Registered Model with name={name} not found") from error

    def _found(self, name: str, version: str) -> RegisteredVersion:
        validation._validate_model_name(name)
        number = validation._validate_model_version(version)
        number = version if number is None else number
        absent = missing(f"Model Version (name={name}, version={number}) not found")
        try:
            return self._registry.get_version(name, number)
        except NotFoundError as error:
            raise absent from error
        except InvalidInputError as error:
            if error.kind == "bad-version":
                raise absent from error
            raise

    def _model(self, model: StoredModel) -> RegisteredModel:
        newest = {one.stage: one for one in model.active_versions()}
        return RegisteredModel(
            name=model.name,
            creation_timestamp=model.creation_time_ms,
            last_updated_timestamp=model.last_update_time_ms,
            description=model.description or None,
            latest_versions=[
                self._version(RegisteredVersion(model=model, version=one), aliases=False) for one in newest.values()
            ],
            tags=[RegisteredModelTag(key, text) for key, text in model.tags.items()],
            aliases=[
                RegisteredModelAlias(alias, model.versions[one].shown_number)
                for alias, one in sorted(model.aliases.items())
            ],
        )

    def _version(self, found: RegisteredVersion, *, aliases: bool = True) -> ModelVersion:
        version = found.version
        logged = version.source.removeprefix("models:/").partition("/")[0]
        newer = {"model_id": logged} if model_record(logged) is not None and _version_has_model_id() else {}
        return ModelVersion(
            name=found.model.name,
            version=version.shown_number,
            creation_timestamp=version.creation_time_ms,
            last_updated_timestamp=version.last_update_time_ms,
            description=version.description or None,
            user_id=version.user,
            current_stage=version.stage.value,
            source=version.source,
            run_id=version.tags.get(RUN_TAG) or self._registry.made_by(version),
            tags=[ModelVersionTag(key, text) for key, text in version.tags.items() if not key.startswith(MODEL_TAGS)],
            run_link=version.tags.get(LINK_TAG),
            aliases=found.aliases if aliases else [],
            **newer,
        )


def _version_has_model_id() -> bool:
    return hasattr(ModelVersion, "model_id")


def _check_page(max_results: int, most: int) -> None:
    if max_results > most:
        raise refused(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {max_results}"
        )
