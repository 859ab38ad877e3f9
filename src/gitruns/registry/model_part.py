"""Registered models themselves: created, found, renamed, described, tagged, deleted and restored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from gitruns.entities.environment import read_only
from gitruns.entities.model import ModelId, RegisteredModel
from gitruns.entities.status import Lifecycle
from gitruns.errors import AlreadyExistsError, ConflictError
from gitruns.gitstore import ChainEntry
from gitruns.registry import names
from gitruns.registry.registered import Change, model_exists
from gitruns.repo import Repo
from gitruns.repo.models import Edit, model_not_found


class ModelPart:
    """What a registry does with models."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self._models = repo.models

    def create_model(
        self, name: str, *, tags: Mapping[str, object] | None = None, description: str = "", reason: str = ""
    ) -> RegisteredModel:
        """Creates a registered model; raises `AlreadyExistsError` (kind `model-exists`).

        The name of a deleted model can be used again. Numbers of versions then go on where they were: none is given
        twice.
        """
        name = names.check_name(name)
        checked = dict(names.check_registry_tag(key, value) for key, value in (tags or {}).items())
        text = names.check_description(description)
        found = self._models.find(name)
        if found is not None and found.lifecycle is Lifecycle.ACTIVE:
            raise model_exists(name)
        if found is not None:
            return self._models.edit(found.id, _begin_again(text, checked), reason=reason)

        def make(model_id: ModelId, time_ms: int) -> RegisteredModel:
            return RegisteredModel(
                id=model_id,
                name=name,
                creation_time_ms=time_ms,
                last_update_time_ms=time_ms,
                description=text,
                tags=read_only(checked),
            )

        try:
            return self._models.create(name, make, reason)
        except ConflictError as error:
            raise model_exists(name) from error

    def ensure_model(self, name: str) -> RegisteredModel:
        """Returns the model of that name, creating it when there is none."""
        found = self._models.find(names.check_name(name))
        if found is not None and found.lifecycle is Lifecycle.ACTIVE:
            return found
        try:
            return self.create_model(name)
        except AlreadyExistsError:
            return self.get_model(name)

    def get_model(self, name: str) -> RegisteredModel:
        """Returns the model of that name; raises `NotFoundError` (kind `model-not-found`), also for a deleted one."""
        found = self._models.find(name)
        if found is None or found.lifecycle is Lifecycle.DELETED:
            raise model_not_found(name)
        return found

    def list_models(self, lifecycle: Lifecycle | None = Lifecycle.ACTIVE) -> list[RegisteredModel]:
        """Returns the models, by name."""
        return [model for model in self._models.all() if lifecycle in (None, model.lifecycle)]

    def rename_model(self, name: str, new_name: str, *, reason: str = "") -> RegisteredModel:
        """Gives a model another name; versions, aliases and tags go with it, its ref and git tags stay as they are."""
        new_name = names.check_name(new_name)
        model = self.get_model(name)
        bearer = self._models.find(new_name)
        if bearer is not None and bearer.id != model.id and bearer.lifecycle is Lifecycle.ACTIVE:
            raise model_exists(new_name)

        def change(old: RegisteredModel, time_ms: int) -> Edit:
            return replace(old, name=new_name), ("model/name",), f"rename from {old.name}"

        return self._models.edit(model.id, change, reason=reason)

    def describe_model(self, name: str, description: str | None, *, reason: str = "") -> RegisteredModel:
        """Sets what is said of a model."""
        text = names.check_description(description)

        def change(old: RegisteredModel, time_ms: int) -> Edit:
            return replace(old, description=text), ("model/description",), "describe"

        return self._models.edit(self.get_model(name).id, change, reason=reason)

    def delete_model(self, name: str, *, reason: str = "") -> RegisteredModel:
        """Takes a model and its versions out of sight; `restore_model` brings them back."""

        def change(old: RegisteredModel, time_ms: int) -> Edit:
            return replace(old, lifecycle=Lifecycle.DELETED), ("model/lifecycle",), "delete"

        return self._models.edit(self.get_model(name).id, change, reason=reason)

    def restore_model(self, name: str, *, reason: str = "") -> RegisteredModel:
        """Brings a deleted model back with its versions, aliases and tags."""
        found = self._models.find(name)
        if found is None:
            raise model_not_found(name)

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            if old.lifecycle is Lifecycle.ACTIVE:
                return None
            return replace(old, lifecycle=Lifecycle.ACTIVE), ("model/lifecycle",), "restore"

        return self._models.edit(found.id, change, reason=reason)

    def tag_model(
        self, name: str, tags: Mapping[str, object], *, delete: Collection[str] = (), reason: str = ""
    ) -> RegisteredModel:
        """Sets and deletes tags of a model in one commit; a tag that is not there is deleted without a word."""
        checked = dict(names.check_registry_tag(key, value) for key, value in tags.items())

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            new = {key: text for key, text in {**old.tags, **checked}.items() if key not in delete}
            touched = sorted({*checked, *(key for key in delete if key in old.tags)})
            if not touched:
                return None
            fields = tuple(f"tags/{key}" for key in touched)
            return replace(old, tags=read_only(new)), fields, f"edit tags {', '.join(touched)}"

        return self._models.edit(self.get_model(name).id, change, reason=reason)

    def history(self, name: str) -> list[ChainEntry]:
        """Returns all that happened to a model, newest first: who, when, what, and the reason given."""
        found = self._models.find(name)
        if found is None:
            raise model_not_found(name)
        return self._models.history(found.id)


def _begin_again(description: str, tags: Mapping[str, str]) -> Change:
    """The name of a deleted model is used again: what it had is gone for good, but not its numbers."""

    def change(old: RegisteredModel, time_ms: int) -> Edit:
        versions = {one.id: replace(one, lifecycle=Lifecycle.DELETED) for one in old.versions.values()}
        fields = ["model/lifecycle", "model/description"]
        fields += [f"versions/{one}/lifecycle" for one in versions]
        fields += [f"aliases/{alias}" for alias in old.aliases] + [f"tags/{key}" for key in {**old.tags, **tags}]
        new = replace(
            old,
            lifecycle=Lifecycle.ACTIVE,
            description=description,
            tags=read_only(tags),
            aliases=read_only({}),
            versions=read_only(versions),
        )
        return new, tuple(fields), "register again"

    return change
