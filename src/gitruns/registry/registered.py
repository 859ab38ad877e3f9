"""What the parts of a registry share: a version with its model, and what they say when something is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gitruns.entities.model import ModelVersion, RegisteredModel
from gitruns.errors import AlreadyExistsError, NotFoundError
from gitruns.repo.models import Edit


class Anything:
    """The default of `expected`: whatever an alias names now."""


ANYTHING: Final = Anything()

Expected: TypeAlias = "int | str | Anything | None"
"""The version that an alias must name: a number, None for none, or whatever it names."""

Change = Callable[[RegisteredModel, int], "Edit | None"]


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


def model_exists(name: str) -> AlreadyExistsError:
    """Returns the error for the name of a model that is taken."""
    return AlreadyExistsError(
        f"there is a registered model '{name}' already", kind="model-exists", hint=f"see it: git runs model show {name}"
    )


def version_not_found(name: str, what: str) -> NotFoundError:
    """Returns the error for a version that is not there; `what` says which."""
    return NotFoundError(
        f"model '{name}' has no version {what}",
        kind="version-not-found",
        hint=f"see what is there: git runs model versions {name}",
    )
