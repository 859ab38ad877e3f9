"""Registered models and versions as user code sees them: MLflow's attribute names over our entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitruns.entities.model import RegisteredModel as StoredModel
    from gitruns.registry.registered import RegisteredVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model. Times are milliseconds UTC; `version` is text, as in MLflow.

    What git adds: `confirmed` (the number stands in a git tag), `digest` and `path` of the artifacts, `git_tag`, and
    `version_id`, which stays when a number that was only claimed changes.
    """

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str
    user_id: str | None
    current_stage: str
    source: str
    run_id: str | None
    tags: Mapping[str, str]
    aliases: list[str]
    version_id: str
    confirmed: bool
    path: str | None
    digest: str | None
    git_tag: str | None
    status: str = "READY"
    status_message: str | None = None
    run_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """One registered model. `latest_versions` is the newest version of each stage, `aliases` version by alias."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    latest_versions: list[ModelVersion]


def version_view(found: RegisteredVersion) -> ModelVersion:
    """Returns the view of a stored version."""
    version = found.version
    return ModelVersion(
        name=found.model.name,
        version=str(version.shown_number),
        creation_timestamp=version.creation_time_ms,
        last_updated_timestamp=version.last_update_time_ms,
        description=version.description,
        user_id=version.user,
        current_stage=version.stage.value,
        source=version.source,
        run_id=version.run_id,
        tags=version.tags,
        aliases=found.aliases,
        version_id=version.id,
        confirmed=version.confirmed,
        path=version.path,
        digest=version.digest,
        git_tag=version.git_tag,
    )


def model_view(model: StoredModel, latest: list[RegisteredVersion]) -> RegisteredModel:
    """Returns the view of a stored model."""
    versions = model.versions
    return RegisteredModel(
        name=model.name,
        creation_timestamp=model.creation_time_ms,
        last_updated_timestamp=model.last_update_time_ms,
        description=model.description,
        tags=model.tags,
        aliases={alias: str(versions[one].shown_number) for alias, one in model.aliases.items()},
        latest_versions=[version_view(one) for one in latest],
    )
