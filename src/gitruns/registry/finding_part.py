"""Finds versions: by number, alias, stage, or as the latest one."""

from __future__ import annotations

from collections.abc import Iterable

from gitruns.entities.model import ModelId, ModelVersion, Stage, VersionId, in_order
from gitruns.entities.run import MODEL_KIND
from gitruns.entities.status import Lifecycle
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.registry import names
from gitruns.registry.model_part import ModelPart
from gitruns.registry.registered import RegisteredVersion, version_not_found


class FindingPart(ModelPart):
    """What a registry finds."""

    def get_version(self, name: str, version: int | str) -> RegisteredVersion:
        """Returns a version by its number; raises `NotFoundError` (kind `version-not-found`)."""
        number = names.number_in(version)
        if number is None:
            raise InvalidInputError(f"'{version}' is no number of a version", kind="bad-version")
        model = self.get_model(name)
        found = [one for one in model.active_versions() if one.shown_number == number]
        if not found:
            raise version_not_found(name, f"v{number}")
        if len(found) > 1 and not found[0].confirmed:
            raise InvalidInputError(
                f"v{number} of '{name}' is claimed twice: {', '.join(one.id[:8] for one in found)}",
                kind="version-claimed-twice",
                hint="let the remote decide: git runs model confirm",
            )
        return RegisteredVersion(model=model, version=found[0])

    def made_by(self, version: ModelVersion) -> str | None:
        """Returns the run that made a version; of a logged model, the run that logged it."""
        if version.run_id is None or not version.source.startswith("models:/m-"):
            return version.run_id
        try:
            record = self.repo.get_run(version.run_id)
        except NotFoundError:
            return version.run_id
        return record.info.parent_run_id if record.info.kind == MODEL_KIND else version.run_id

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
            raise version_not_found(name, where or "at all")
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

    def has_source(self, found: RegisteredVersion) -> bool:
        """Returns whether the git tag of a version is at code, so that a checkout and CI find it there."""
        commit = found.version.run_commit
        return commit is not None and self.repo.store.version_tags.source_of(commit) is not None

    def _registered(self, model_id: ModelId, version_id: VersionId) -> RegisteredVersion:
        model = self._models.get(model_id)
        return RegisteredVersion(model=model, version=model.versions[version_id])
