"""MLflow's calls for registered models and their aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitruns.entities.model import RegisteredModel as StoredModel
from gitruns.errors import AlreadyExistsError, InvalidInputError, NotFoundError
from gitruns.protocol import registry_checks as checks
from gitruns.protocol.errors import ProtocolError, missing, refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.registered import PROMPT_TAG, Model, Version, model_view, version_view
from gitruns.query.dialects import Dialect
from gitruns.registry import Registry, search_models
from gitruns.registry.registered import RegisteredVersion

MOST_MODELS = 1000


class RegisteredModelCalls:
    """Creates, finds, changes and deletes registered models of one repository. Each change is a commit."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.registry = Registry(hub.repo)

    def create_model(self, name: str, tags: Mapping[str, str], description: str | None) -> Model:
        """Creates a registered model; it is a prompt when its tags say so."""
        checks.check_model_name(name)
        for key, text in tags.items():
            checks.check_tag(key, text)
        try:
            return self._view(self.registry.create_model(name, tags=tags, description=description or ""))
        except AlreadyExistsError as error:
            raise self._name_taken(name, prompt=PROMPT_TAG in tags) from error

    def _name_taken(self, name: str, *, prompt: bool) -> ProtocolError:
        words = {True: "Prompt", False: "Registered Model"}
        there = PROMPT_TAG in self.registry.get_model(name).tags
        if there is prompt:
            return refused(f"{words[prompt]} (name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")
        return refused(
            f"Tried to create a {words[prompt].lower()} with name {name!r}, but the name is already taken by a "
            f"{words[there].lower()}. MLflow does not allow creating a model and a prompt with the same name.",
            "RESOURCE_ALREADY_EXISTS",
        )

    def update_model(self, name: str, description: str | None) -> Model:
        """Sets what is said of a model."""
        self.stored(name)
        return self._view(self.registry.describe_model(name, description))

    def rename_model(self, name: str, new_name: str) -> Model:
        """Gives a model another name; versions, tags and aliases go with it."""
        checks.check_model_name(new_name, "new_name")
        self.stored(name)
        try:
            return self._view(self.registry.rename_model(name, new_name))
        except AlreadyExistsError as error:
            raise refused(f"Registered Model (name={new_name}) already exists.", "RESOURCE_ALREADY_EXISTS") from error

    def delete_model(self, name: str) -> None:
        """Deletes a model with its versions."""
        self.stored(name)
        self.registry.delete_model(name)

    def get_model(self, name: str) -> Model:
        """Returns a model."""
        return self._view(self.stored(name))

    def search_models(
        self, filter_string: str, max_results: int, order_by: Sequence[str], page_token: str
    ) -> tuple[list[Model], str]:
        """Returns one page of models, prompts only when the filter asks for them, and the token of the next page."""
        checks.check_page(max_results, MOST_MODELS)
        page = search_models(
            self.registry,
            filter_string,
            order_by=tuple(order_by),
            max_results=max_results,
            page_token=page_token,
            dialect=Dialect.MLFLOW,
        )
        return [self._view(one) for one in page.items], page.next_token

    def latest_versions(self, name: str, stages: Sequence[str]) -> list[Version]:
        """Returns the latest version in each of some stages, by default in all."""
        self.stored(name)
        wanted = [checks.canonical_stage(stage) for stage in stages] or None
        return [self.view_of(one) for one in self.registry.latest_versions(name, wanted)]

    def set_model_tag(self, name: str, key: str, text: str) -> None:
        """Sets a tag of a model."""
        checks.check_model_name(name)
        checks.check_tag(key, text)
        self.stored(name)
        self.registry.tag_model(name, {key: text})

    def delete_model_tag(self, name: str, key: str) -> None:
        """Takes a tag of a model away; one that is not there is fine."""
        checks.check_model_name(name)
        checks.check_tag_key(key)
        self.stored(name)
        self.registry.tag_model(name, {}, delete=[key])

    # Aliases

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Makes an alias name a version."""
        checks.check_model_name(name)
        checks.check_alias(alias)
        checks.check_alias_is_free(alias)
        self.registry.set_alias(name, alias, self.found(name, version).version.shown_number)

    def delete_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is fine."""
        checks.check_model_name(name)
        checks.check_alias(alias)
        self.stored(name)
        self.registry.delete_alias(name, alias)

    def get_by_alias(self, name: str, alias: str) -> Version:
        """Returns the version that an alias names."""
        checks.check_model_name(name)
        checks.check_alias(alias)
        self.stored(name)
        try:
            return self.view_of(self.registry.get_version_by_alias(name, alias))
        except NotFoundError as error:
            raise refused(f"Registered model alias {alias} not found.") from error

    # What the calls for versions need too

    def stored(self, name: str) -> StoredModel:
        """Returns a model as it is stored, or refuses in MLflow's words."""
        checks.check_model_name(name)
        try:
            return self.registry.get_model(name)
        except NotFoundError as error:
            raise missing(f"Registered Model with name={name} not found") from error

    def found(self, name: str, version: object) -> RegisteredVersion:
        """Returns a version as it is stored, or refuses in MLflow's words."""
        checks.check_model_name(name)
        number = checks.version_number(version)
        absent = missing(f"Model Version (name={name}, version={number}) not found")
        try:
            return self.registry.get_version(name, number)
        except NotFoundError as error:
            raise absent from error
        except InvalidInputError as error:
            if error.kind == "bad-version":
                raise absent from error
            raise

    def view_of(self, found: RegisteredVersion, *, aliases: bool = True) -> Version:
        """Returns a version as clients see it."""
        return version_view(self.registry, found, aliases=aliases)

    def _view(self, model: StoredModel) -> Model:
        return model_view(self.registry, model)
