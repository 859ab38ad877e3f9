"""Versions: created, described, tagged, moved between stages, deleted and restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.model import ModelVersion, RegisteredModel, Stage, VersionId, in_order, new_version_id
from gitruns.entities.status import Lifecycle
from gitruns.errors import ConflictError, InvalidInputError
from gitruns.registry import names
from gitruns.registry.born import Born, born_of
from gitruns.registry.finding_part import FindingPart
from gitruns.registry.registered import RegisteredVersion, version_not_found
from gitruns.repo.models import Edit

_VersionEdit = tuple[ModelVersion, tuple[str, ...], str]


class VersionPart(FindingPart):
    """What a registry does with versions."""

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
        must_exist: bool = True,
    ) -> RegisteredVersion:
        """Creates the next version of a model, from an address (`runs:/ID/model`) or from a run and a path in it.

        In a repository without a remote it has its number and git tag at once; with one, the number is claimed until
        `confirm_claims`. The version of a run that is live gets its git tag when the run ends. `sign` None: the git tag
        is signed when the user signs tags. Unless the artifacts `must_exist` an address of nothing is kept as text.
        """
        text = names.check_description(description)
        checked = dict(names.check_registry_tag(key, value) for key, value in (tags or {}).items())
        wanted = [names.check_alias(alias) for alias in aliases]
        model = self.get_model(name)
        born = born_of(self, source, run_id, path, must_exist=must_exist)
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
            raise version_not_found(name, f"v{version}")

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            before = old.versions[found[0].id]
            if before.lifecycle is Lifecycle.ACTIVE:
                return None
            after = replace(before, lifecycle=Lifecycle.ACTIVE, last_update_time_ms=time_ms)
            new = replace(old, versions=read_only({**old.versions, after.id: after}))
            return new, (f"versions/{after.id}/lifecycle",), f"restore {after.label}"

        self._models.edit(model.id, change, reason=reason)
        return self._registered(model.id, found[0].id)

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
