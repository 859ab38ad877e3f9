"""The registry: models, versions, and the aliases that move between them, by MLflow's rules."""

from __future__ import annotations

from dataclasses import replace

from gitruns.entities.environment import read_only
from gitruns.entities.model import ModelVersion, RegisteredModel, VersionId
from gitruns.entities.status import Lifecycle
from gitruns.errors import ConflictError
from gitruns.registry import names
from gitruns.registry.registered import ANYTHING, Anything, Expected, RegisteredVersion, version_not_found
from gitruns.registry.version_part import VersionPart
from gitruns.repo.models import Edit


class Registry(VersionPart):
    """The model registry of one repository. Every change is one commit with an author and, where given, a reason."""

    # Aliases

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | str,
        *,
        expected: Expected = ANYTHING,
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
                raise version_not_found(name, target.version.label)
            if before is not None and before.id == target.version.id:
                return None
            was = f", was {before.label}" if before is not None else ""
            label = old.versions[target.version.id].label
            new = replace(old, aliases=read_only({**old.aliases, alias: target.version.id}))
            return new, (f"aliases/{alias}",), f"@{alias} is {label}{was}"

        self._models.edit(target.model.id, change, reason=reason)
        return self._registered(target.model.id, target.version.id)

    def delete_alias(self, name: str, alias: str, *, expected: Expected = ANYTHING, reason: str = "") -> bool:
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


def _check_expected(name: str, alias: str, before: ModelVersion | None, expected: Expected) -> None:
    if isinstance(expected, Anything):
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
