"""Registered models and their versions: what one can do with them, by MLflow's rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.model import (
    ModelId,
    ModelVersion,
    RegisteredModel,
    Stage,
    VersionId,
    in_order,
    new_version_id,
)
from gitruns.entities.status import Lifecycle
from gitruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from gitruns.gitstore import ChainEntry
from gitruns.registry import names
from gitruns.registry.born import Born, born_of
from gitruns.repo import Repo
from gitruns.repo.models import Edit, model_not_found


class _Anything:
    """The default of `expected`: whatever an alias names now."""


ANYTHING: Final = _Anything()

Change = Callable[[RegisteredModel, int], Edit | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """One version, and the model that it is a version of."""

    model: RegisteredModel
    version: ModelVersion

    @property
    def aliases(self) -> list[str]:
        """The aliases that name it, sorted."""
        return self.model.aliases_of(self.version.id)

    @property
    def address(self) -> str:
        """How it is named wherever artifacts are: `models:/digits/3`."""
        return f"models:/{self.model.name}/{self.version.shown_number}"


class Registry:
    """The model registry of one repository. Every change is one commit with an author and, where given, a reason."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self._models = repo.models

    # Models

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
            raise _model_exists(name)
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
            raise _model_exists(name) from error

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
            raise _model_exists(new_name)

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

    # Versions

    def create_version(
        self,
        name: str,
        source: str | None = None,
        *,
        run_id: str | None = None,
        path: str | None = None,
        description: str = "",
        tags: Mapping[str, object] | None = None,
        aliases: Collection[str] = (),
        sign: bool | None = None,
        reason: str = "",
    ) -> RegisteredVersion:
        """Creates the next version of a model, from an address (`runs:/ID/model`) or from a run and a path in it.

        In a repository without a remote it has its number and git tag at once; with one, the number is claimed until
        `confirm_claims`. The version of a run that is live gets its git tag when the run ends. `sign` None: the git tag
        is signed when the user signs tags.
        """
        text = names.check_description(description)
        checked = dict(names.check_registry_tag(key, value) for key, value in (tags or {}).items())
        wanted = [names.check_alias(alias) for alias in aliases]
        model = self.get_model(name)
        born = born_of(self, source, run_id, path)
        decided_here = self._models.decider() is None
        version_id = new_version_id()
        objects: dict[int, ObjectId | None] = {}

        def change(old: RegisteredModel, time_ms: int) -> Edit:
            number = self._free_number(old)
            version = _new_version(version_id, born, time_ms, text, checked, self._models.identity().name)
            version = replace(version, number=number) if decided_here else replace(version, claim=number)
            if decided_here:
                if number not in objects:  # signing takes time, and this may be tried many times
                    objects[number] = self._models.tag_object(old, version, number, sign=sign)
                version = replace(version, git_tag=objects[number])
            named = dict.fromkeys(wanted, version_id)
            new = replace(
                old,
                versions=read_only({**old.versions, version_id: version}),
                aliases=read_only({**old.aliases, **named}),
            )
            told = f"add {version.label}" + "".join(f" @{alias}" for alias in wanted)
            return new, tuple(f"aliases/{alias}" for alias in wanted), told

        if born.run_id is not None and born.run_commit is None:
            self._models.remember_untagged()
        model = self._models.edit(model.id, change, reason=reason)
        self._models.settle_model(model.id) if not decided_here else self._put_tag(model, version_id)
        return self._registered(model.id, version_id)

    def _free_number(self, model: RegisteredModel) -> int:
        number = model.greatest_number() + 1
        tags = self.repo.store.version_tags
        while tags.at(model.id, number) is not None:  # somebody's git tag that came before the model's own ref
            number += 1
        return number

    def _put_tag(self, model: RegisteredModel, version_id: VersionId) -> None:
        version = model.versions[version_id]
        if version.number is None or version.git_tag is None:
            return
        tags = self.repo.store.version_tags
        if not tags.set(model.id, version.number, version.git_tag):
            held = tags.at(model.id, version.number)
            if held != version.git_tag:
                raise ConflictError(
                    f"git tag 'models/{model.id}/v{version.number}' was made by somebody else at the same time",
                    kind="version-taken",
                    hint="see what it says: git show models/" + f"{model.id}/v{version.number}",
                )
        self.repo.store.models.sync_tag(model.id, version.number)

    def get_version(self, name: str, version: int | str) -> RegisteredVersion:
        """Returns a version by its number; raises `NotFoundError` (kind `version-not-found`)."""
        number = names.number_in(version)
        if number is None:
            raise InvalidInputError(f"'{version}' is no number of a version", kind="bad-version")
        model = self.get_model(name)
        found = [one for one in model.active_versions() if one.shown_number == number]
        if not found:
            raise _version_not_found(name, f"v{number}")
        if len(found) > 1 and not found[0].confirmed:
            raise InvalidInputError(
                f"v{number} of '{name}' is claimed twice: {', '.join(one.id[:8] for one in found)}",
                kind="version-claimed-twice",
                hint="let the remote decide: git runs model confirm",
            )
        return RegisteredVersion(model=model, version=found[0])

    def find_version(self, text: str) -> RegisteredVersion:
        """Returns the version that `digits/3`, `digits@champion`, `digits/Production` or `digits/latest` names."""
        named = names.parse_named(text)
        if named.number is not None:
            return self.get_version(named.model, named.number)
        if named.alias is not None:
            return self.get_version_by_alias(named.model, named.alias)
        if named.stage is not None:
            return self._latest(named.model, [named.stage], f"in stage {named.stage}")
        return self._latest(named.model, list(Stage), "")

    def _latest(self, name: str, stages: list[Stage], where: str) -> RegisteredVersion:
        model = self.get_model(name)
        found = [one for one in model.active_versions() if one.stage in stages]
        if not found:
            raise _version_not_found(name, where or "at all")
        return RegisteredVersion(model=model, version=found[-1])

    def get_version_by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """Returns the version that an alias names; `latest` is the greatest number, as in MLflow.

        Raises `NotFoundError` (kind `alias-not-found`).
        """
        if alias.lower() == names.LATEST:
            return self._latest(name, list(Stage), "")
        model = self.get_model(name)
        version = model.versions.get(model.aliases.get(alias, VersionId("")))
        if version is None or version.lifecycle is Lifecycle.DELETED:
            raise NotFoundError(
                f"model '{name}' has no alias '{alias}'",
                kind="alias-not-found",
                hint=f"aliases: {', '.join(sorted(model.aliases))}" if model.aliases else None,
            )
        return RegisteredVersion(model=model, version=version)

    def list_versions(self, name: str, lifecycle: Lifecycle | None = Lifecycle.ACTIVE) -> list[RegisteredVersion]:
        """Returns the versions of a model, by number."""
        model = self.get_model(name)
        chosen = [one for one in model.versions.values() if lifecycle in (None, one.lifecycle)]
        return [RegisteredVersion(model=model, version=one) for one in in_order(chosen)]

    def latest_versions(self, name: str, stages: Iterable[str | Stage] | None = None) -> list[RegisteredVersion]:
        """Returns the version of the greatest number in each of some stages, by default in each."""
        model = self.get_model(name)
        wanted = list(Stage) if stages is None else [names.check_stage(stage) for stage in stages]
        newest = {one.stage: one for one in model.active_versions()}
        return [RegisteredVersion(model=model, version=newest[stage]) for stage in wanted if stage in newest]

    def describe_version(
        self, name: str, version: int | str, description: str | None, *, reason: str = ""
    ) -> RegisteredVersion:
        """Sets what is said of a version."""
        text = names.check_description(description)
        return self._edit_version(
            name, version, lambda old: (replace(old, description=text), ("description",), "describe"), reason
        )

    def tag_version(
        self,
        name: str,
        version: int | str,
        tags: Mapping[str, object],
        *,
        delete: Collection[str] = (),
        reason: str = "",
    ) -> RegisteredVersion:
        """Sets and deletes tags of a version in one commit."""
        checked = dict(names.check_registry_tag(key, value) for key, value in tags.items())

        def change(old: ModelVersion) -> _VersionEdit | None:
            new = {key: text for key, text in {**old.tags, **checked}.items() if key not in delete}
            touched = sorted({*checked, *(key for key in delete if key in old.tags)})
            if not touched:
                return None
            fields = tuple(f"tags/{key}" for key in touched)
            return replace(old, tags=read_only(new)), fields, f"edit tags {', '.join(touched)} of"

        return self._edit_version(name, version, change, reason)

    def transition_stage(
        self,
        name: str,
        version: int | str,
        stage: str | Stage,
        *,
        archive_existing_versions: bool = False,
        reason: str = "",
    ) -> RegisteredVersion:
        """Moves a version to a stage; with `archive_existing_versions` those that are there now become `Archived`.

        That can be asked for `Staging` and `Production` only. Raises `InvalidInputError` (kind `bad-stage`).
        """
        to = names.check_stage(stage)
        if archive_existing_versions and to not in (Stage.STAGING, Stage.PRODUCTION):
            raise InvalidInputError(
                f"cannot archive what is in stage '{to}': only Staging and Production are emptied so", kind="bad-stage"
            )
        target = self.get_version(name, version)

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            moved = {target.version.id: to}
            if archive_existing_versions:
                others = (one for one in old.active_versions() if one.stage is to and one.id != target.version.id)
                moved |= {one.id: Stage.ARCHIVED for one in others}
            moved = {one: new for one, new in moved.items() if old.versions[one].stage is not new}
            if not moved:
                return None
            versions = dict(old.versions)
            for one, new in moved.items():
                versions[one] = replace(versions[one], stage=new, last_update_time_ms=time_ms)
            label = old.versions[target.version.id].label
            told = f"move {label} to {to}" + (f", archive {len(moved) - 1} others" if len(moved) > 1 else "")
            return replace(old, versions=read_only(versions)), tuple(f"versions/{one}/stage" for one in moved), told

        self._models.edit(target.model.id, change, reason=reason)
        return self._registered(target.model.id, target.version.id)

    def delete_version(self, name: str, version: int | str, *, reason: str = "") -> RegisteredVersion:
        """Takes a version out of sight, and the aliases that name it away; its number is never given again."""
        target = self.get_version(name, version)

        def change(old: RegisteredModel, time_ms: int) -> Edit:
            gone = old.aliases_of(target.version.id)
            changed = replace(old.versions[target.version.id], lifecycle=Lifecycle.DELETED, last_update_time_ms=time_ms)
            new = replace(
                old,
                versions=read_only({**old.versions, changed.id: changed}),
                aliases=read_only({alias: one for alias, one in old.aliases.items() if alias not in gone}),
            )
            fields = (f"versions/{changed.id}/lifecycle", *(f"aliases/{alias}" for alias in gone))
            return new, fields, f"delete {changed.label}" + "".join(f" @{alias}" for alias in gone)

        self._models.edit(target.model.id, change, reason=reason)
        return self._registered(target.model.id, target.version.id)

    def restore_version(self, name: str, version: int | str, *, reason: str = "") -> RegisteredVersion:
        """Brings a deleted version back, without the aliases that it had."""
        number = names.number_in(version)
        model = self.get_model(name)
        found = [one for one in in_order(model.versions.values()) if one.shown_number == number]
        if not found:
            raise _version_not_found(name, f"v{version}")

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            before = old.versions[found[0].id]
            if before.lifecycle is Lifecycle.ACTIVE:
                return None
            after = replace(before, lifecycle=Lifecycle.ACTIVE, last_update_time_ms=time_ms)
            new = replace(old, versions=read_only({**old.versions, after.id: after}))
            return new, (f"versions/{after.id}/lifecycle",), f"restore {after.label}"

        self._models.edit(model.id, change, reason=reason)
        return self._registered(model.id, found[0].id)

    def has_source(self, found: RegisteredVersion) -> bool:
        """Returns whether the git tag of a version is at code, so that a checkout and CI find it there."""
        commit = found.version.run_commit
        return commit is not None and self.repo.store.version_tags.source_of(commit) is not None

    # Aliases

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | str,
        *,
        expected: int | str | _Anything | None = ANYTHING,
        reason: str = "",
    ) -> RegisteredVersion:
        """Makes an alias name a version.

        With `expected` only when it names that version now (None: none); else raises `ConflictError` (kind
        `alias-moved`) and changes nothing.
        """
        alias = names.check_alias(alias)
        target = self.get_version(name, version)

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            before = old.versions.get(old.aliases.get(alias, VersionId("")))
            _check_expected(old.name, alias, before, expected)
            if old.versions[target.version.id].lifecycle is Lifecycle.DELETED:
                raise _version_not_found(name, target.version.label)
            if before is not None and before.id == target.version.id:
                return None
            was = f", was {before.label}" if before is not None else ""
            label = old.versions[target.version.id].label
            new = replace(old, aliases=read_only({**old.aliases, alias: target.version.id}))
            return new, (f"aliases/{alias}",), f"@{alias} is {label}{was}"

        self._models.edit(target.model.id, change, reason=reason)
        return self._registered(target.model.id, target.version.id)

    def delete_alias(
        self, name: str, alias: str, *, expected: int | str | _Anything | None = ANYTHING, reason: str = ""
    ) -> bool:
        """Takes an alias away; returns whether there was one. `expected` as in `set_alias`."""
        model = self.get_model(name)
        was_there = alias in model.aliases

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            before = old.versions.get(old.aliases.get(alias, VersionId("")))
            _check_expected(old.name, alias, before, expected)
            if before is None:
                return None
            left = {key: one for key, one in old.aliases.items() if key != alias}
            return replace(old, aliases=read_only(left)), (f"aliases/{alias}",), f"@{alias} is gone, was {before.label}"

        self._models.edit(model.id, change, reason=reason)
        return was_there

    # Inside

    def _edit_version(
        self, name: str, version: int | str, change: Callable[[ModelVersion], _VersionEdit | None], reason: str
    ) -> RegisteredVersion:
        target = self.get_version(name, version)

        def change_model(old: RegisteredModel, time_ms: int) -> Edit | None:
            edit = change(old.versions[target.version.id])
            if edit is None:
                return None
            after, fields, told = edit
            after = replace(after, last_update_time_ms=time_ms)
            versions = read_only({**old.versions, after.id: after})
            named = tuple(f"versions/{after.id}/{field}" for field in fields)
            return replace(old, versions=versions), named, f"{told} {after.label}"

        self._models.edit(target.model.id, change_model, reason=reason)
        return self._registered(target.model.id, target.version.id)

    def _registered(self, model_id: ModelId, version_id: VersionId) -> RegisteredVersion:
        model = self._models.get(model_id)
        return RegisteredVersion(model=model, version=model.versions[version_id])


_VersionEdit = tuple[ModelVersion, tuple[str, ...], str]


def _new_version(
    version_id: VersionId, born: Born, time_ms: int, description: str, tags: Mapping[str, str], user: str
) -> ModelVersion:
    return ModelVersion(
        id=version_id,
        creation_time_ms=time_ms,
        last_update_time_ms=time_ms,
        source=born.source,
        run_id=born.run_id,
        run_commit=born.run_commit,
        path=born.path,
        digest=born.digest,
        size_bytes=born.size_bytes,
        user=user,
        description=description,
        tags=read_only(tags),
    )


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


def _check_expected(name: str, alias: str, before: ModelVersion | None, expected: int | str | _Anything | None) -> None:
    if isinstance(expected, _Anything):
        return
    wanted = None if expected is None else names.number_in(expected)
    found = None if before is None else before.shown_number
    if wanted != found:
        now = "nothing" if before is None else before.label
        then = "nothing" if wanted is None else f"v{wanted}"
        raise ConflictError(
            f"cannot move '{name}@{alias}': it names {now} now, not {then}",
            kind="alias-moved",
            hint=f"see who moved it: git runs model log {name}",
            found=found,
        )


def _model_exists(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"there is a registered model '{name}' already", kind="model-exists", hint=f"see it: git runs model show {name}"
    )


def _version_not_found(name: str, what: str) -> NotFoundError:
    return NotFoundError(
        f"model '{name}' has no version {what}",
        kind="version-not-found",
        hint=f"see what is there: git runs model versions {name}",
    )
