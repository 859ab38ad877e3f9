"""Registered models of another tracker: versions with the numbers that they have there, times, aliases and stages.

In a repository that decides on numbers itself a version has its number and git tag at once; where a remote decides the
number is claimed, as of any version. A number that another version has here already is not given again: the version
then takes the next free one, which the report says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitruns.entities.environment import read_only
from gitruns.entities.logged_model import VERSION_RUN_TAG
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, Stage, VersionId
from gitruns.entities.status import Lifecycle
from gitruns.errors import ConflictError, GitRunsError
from gitruns.exchange.fitting import fitted_tags
from gitruns.exchange.foreign import Damage, ForeignModel, ForeignStore, ForeignVersion, run_id_of
from gitruns.registry import Registry, names
from gitruns.registry.born import Born, born_of

if TYPE_CHECKING:
    from gitruns.exchange.report import ImportReport
    from gitruns.repo import Repo
    from gitruns.repo.models import Edit

_MAX_SOURCE = 5000


def bring_models(repo: Repo, store: ForeignStore, report: ImportReport, *, dry_run: bool) -> None:
    """Registers the models and versions that are not here; a model that is here gets the versions that it lacks."""
    for given in store.models():
        if isinstance(given, Damage):
            report.problems.append(given)
            continue
        try:
            _Arriving(repo, store.namespace, given, report).bring(dry_run=dry_run)
        except GitRunsError as error:
            report.cannot(f"registered model '{given.name:.60}'", error)


@dataclass(frozen=True, slots=True)
class _Arriving:
    """One model on its way."""

    repo: Repo
    namespace: str
    given: ForeignModel
    report: ImportReport

    def bring(self, *, dry_run: bool) -> None:
        name = names.check_name(self.given.name)
        here = self.repo.models.find(name)
        fresh = [one for one in self.given.versions if here is None or self._version_id(one) not in here.versions]
        self.report.models += here is None
        self.report.versions += sum(not one.deleted for one in fresh)
        if dry_run:
            return
        made = [(one, self._born(one)) for one in sorted(fresh, key=lambda one: one.number)]
        if any(born.run_id is not None and born.run_commit is None for _, born in made):
            self.repo.models.remember_untagged()
        model_id = self._create(name, made) if here is None else self._add(here.id, made)
        self._settle(model_id)  # also what an import that died has left

    def _version_id(self, given: ForeignVersion) -> VersionId:
        """Returns the id of a version: the same one each time it is read, and another's is another."""
        text = f"{self.namespace}\0{self.given.name}\0{given.number}\0{given.created_ms}"
        return VersionId(hashlib.sha256(text.encode()).hexdigest()[:32])

    def _create(self, name: str, made: list[tuple[ForeignVersion, Born]]) -> ModelId:
        """Registers the model as it is there, with its versions, in one commit: so it keeps its times."""
        given = self.given
        tags = fitted_tags(given.tags, f"registered model '{name}'", self.report, limit=names.MAX_TAG_LENGTH)

        def make(model_id: ModelId, time_ms: int) -> RegisteredModel:
            created = given.created_ms if given.created_ms is not None else time_ms
            empty = RegisteredModel(
                id=model_id,
                name=name,
                creation_time_ms=created,
                last_update_time_ms=max(given.updated_ms or created, created),
                description=given.description[: names.MAX_DESCRIPTION_LENGTH],
                tags=read_only(tags),
            )
            return self._with_versions(empty, made)

        try:
            return self.repo.models.create(name, make, "import").id
        except ConflictError:  # another process was first
            return self._add(Registry(self.repo).get_model(name).id, made)

    def _add(self, model_id: ModelId, made: list[tuple[ForeignVersion, Born]]) -> ModelId:
        """Adds the versions that a model lacks, and aliases that name nothing yet."""
        if not made:
            return model_id

        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            new = self._with_versions(old, made)
            added = len(new.versions) - len(old.versions)
            fields = tuple(f"aliases/{alias}" for alias in new.aliases if alias not in old.aliases)
            return (new, fields, f"import {added} version{'' if added == 1 else 's'}") if added or fields else None

        self.repo.models.edit(model_id, change)
        return model_id

    # Versions

    def _with_versions(self, old: RegisteredModel, made: list[tuple[ForeignVersion, Born]]) -> RegisteredModel:
        decided_here = self.repo.models.decider() is None
        versions = dict(old.versions)
        for given, born in made:
            version_id = self._version_id(given)
            if version_id in versions:
                continue
            number = self._free_number(replace(old, versions=versions), given.number)
            if number != given.number:
                self.report.renumbered[f"{old.name} v{given.number}"] = number
            version = self._version(given, born, number if decided_here else None, number)
            if decided_here:
                version = replace(version, git_tag=self.repo.models.tag_object(old, version, number))
            versions[version_id] = version
        return replace(old, versions=read_only(versions), aliases=read_only(self._aliases(versions, old.aliases)))

    def _settle(self, model_id: ModelId) -> None:
        try:
            self.repo.models.settle_model(model_id)
        except GitRunsError as error:
            self.report.cannot(f"git tags of model '{self.given.name:.60}'", error)

    def _free_number(self, model: RegisteredModel, wanted: int) -> int:
        taken = {number for one in model.versions.values() for number in (one.number, one.claim) if number}
        if wanted in taken or self.repo.store.version_tags.at(model.id, wanted) is not None:
            return max(taken | set(self.repo.store.version_tags.of_model(model.id)) | {wanted}) + 1
        return wanted

    def _aliases(
        self, versions: Mapping[VersionId, ModelVersion], known: Mapping[str, VersionId]
    ) -> dict[str, VersionId]:
        found = dict(known)
        by_number = {one.number: self._version_id(one) for one in self.given.versions if not one.deleted}
        for alias, number in self.given.aliases.items():
            try:
                name = names.check_alias(alias)
            except GitRunsError as error:
                self.report.cannot(f"alias '{alias:.60}' of model '{self.given.name:.60}'", error)
                continue
            if name not in found and by_number.get(number) in versions:
                found[name] = by_number[number]
        return found

    def _version(self, given: ForeignVersion, born: Born, number: int | None, claim: int) -> ModelVersion:
        of = f"v{given.number} of model '{self.given.name:.60}'"
        created = given.created_ms or 0
        tags = fitted_tags(given.tags, of, self.report, limit=names.MAX_TAG_LENGTH)
        if given.run is not None and run_id_of(self.namespace, given.run) != self._said_run(born):
            tags[VERSION_RUN_TAG] = given.run
        return ModelVersion(
            id=self._version_id(given),
            number=number,
            claim=None if number is not None else claim,
            creation_time_ms=created,
            last_update_time_ms=max(given.updated_ms or created, created),
            source=born.source,
            run_id=born.run_id,
            run_commit=born.run_commit,
            path=born.path,
            digest=born.digest,
            size_bytes=born.size_bytes,
            user=given.user or None,
            stage=self._stage(given, of),
            lifecycle=Lifecycle.DELETED if given.deleted else Lifecycle.ACTIVE,
            description=given.description[: names.MAX_DESCRIPTION_LENGTH],
            tags=read_only(tags),
        )

    def _stage(self, given: ForeignVersion, of: str) -> Stage:
        try:
            return names.check_stage(given.stage)
        except GitRunsError as error:
            self.report.cannot(f"stage of {of}", error)
            return Stage.NONE

    def _said_run(self, born: Born) -> str | None:
        """Returns the run that is shown as the maker of a version: of a logged model, the run that logged it."""
        if born.run_id is None or not born.source.startswith("models:/m-"):
            return born.run_id
        record = self.repo.find_run(born.run_id)
        return None if record is None else record.info.parent_run_id

    def _born(self, given: ForeignVersion) -> Born:
        address = given.address[:_MAX_SOURCE] or "unknown"
        if given.deleted:
            return Born(source=address)
        stated = None
        if given.run is not None:
            run_id = run_id_of(self.namespace, given.run)
            stated = run_id if self.repo.find_run(run_id) is not None else None
        registry = Registry(self.repo)
        try:
            return born_of(registry, address, stated, None, must_exist=False)
        except GitRunsError:  # an address of another run than its own, or of none of ours
            return Born(source=address)
