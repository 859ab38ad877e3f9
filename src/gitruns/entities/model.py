"""A registered model: a name under which versions of a model stand, each made by a run, with aliases and stages."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, NewType

from gitruns.entities.ids import Digest, ObjectId, RunId
from gitruns.entities.stamp import Stamp
from gitruns.entities.status import Lifecycle

_NOTHING: Mapping[Any, Any] = MappingProxyType({})

ModelId = NewType("ModelId", str)
"""The last part of a model's ref: made from its first name, and never changed."""

VersionId = NewType("VersionId", str)
"""32 lowercase hex digits, random: what a version is, whatever number it bears."""

_VERSION_ID = re.compile(r"[0-9a-f]{32}\Z")


def new_version_id() -> VersionId:
    """Returns a new random version id."""
    return VersionId(secrets.token_hex(16))


def is_version_id(text: str) -> bool:
    """Returns whether the text has the form of a version id."""
    return _VERSION_ID.match(text) is not None


class Stage(str, Enum):
    """Where a version stands on its way to users; the words are MLflow's."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model. Times are milliseconds UTC.

    `number` is the number that stands in a git tag; None while it is only claimed. `claim` is the number that the
    version was claimed as, where that was before the tag; it stays when the version got another number. `git_tag` is
    the git tag's object. `run_commit` is the run's commit when the version was made. `path` names the artifacts in
    the run (empty: all of them), `digest` and `size_bytes` their content. `source` is the address as MLflow shows it.
    """

    id: VersionId
    creation_time_ms: int
    last_update_time_ms: int
    source: str
    number: int | None = None
    claim: int | None = None
    git_tag: ObjectId | None = None
    run_id: RunId | None = None
    run_commit: ObjectId | None = None
    path: str | None = None
    digest: Digest | None = None
    size_bytes: int | None = None
    user: str | None = None
    stage: Stage = Stage.NONE
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def confirmed(self) -> bool:
        """Whether the number is given for good: it stands in a git tag."""
        return self.number is not None

    @property
    def shown_number(self) -> int:
        """The number that people call it by: the given one, else the claimed one."""
        return self.number or self.claim or 0

    @property
    def label(self) -> str:
        """The version as people see it: `v3`, or `v3 (unconfirmed)`."""
        return f"v{self.shown_number}" + ("" if self.confirmed else " (unconfirmed)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A registered model with all its versions, by id, deleted ones too. `aliases` name versions by id."""

    id: ModelId
    name: str
    creation_time_ms: int
    last_update_time_ms: int
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    aliases: Mapping[str, VersionId] = field(default_factory=lambda: _NOTHING)
    versions: Mapping[VersionId, ModelVersion] = field(default_factory=lambda: _NOTHING)
    stamps: Mapping[str, Stamp] = field(default_factory=lambda: _NOTHING)
    commit: ObjectId | None = None
    format_version: int = 1
    unknown: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)

    def active_versions(self) -> list[ModelVersion]:
        """Returns the versions that are not deleted, by number, then age."""
        return in_order(one for one in self.versions.values() if one.lifecycle is Lifecycle.ACTIVE)

    def aliases_of(self, version: VersionId) -> list[str]:
        """Returns the aliases of a version, sorted."""
        return sorted(alias for alias, named in self.aliases.items() if named == version)

    def greatest_number(self) -> int:
        """Returns the greatest number that any version has, had or claims, deleted ones too; 0 without any."""
        return max(
            (number for one in self.versions.values() for number in (one.number, one.claim) if number), default=0
        )


def in_order(versions: Iterable[ModelVersion]) -> list[ModelVersion]:
    """Returns versions by number, given ones before claimed ones, then by age and id."""
    return sorted(versions, key=lambda one: (one.shown_number, not one.confirmed, one.creation_time_ms, one.id))
