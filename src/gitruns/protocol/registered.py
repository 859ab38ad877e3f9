"""Registered models and their versions as MLflow's clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitruns.entities.logged_model import VERSION_LINK_TAG, VERSION_RUN_TAG
from gitruns.entities.model import RegisteredModel as StoredModel
from gitruns.entities.run import MODEL_TAGS
from gitruns.protocol.addresses import model_record
from gitruns.registry import Registry
from gitruns.registry.registered import RegisteredVersion

PROMPT_TAG = "mlflow.prompt.is_prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a registered model. Times are milliseconds UTC; `stage` is MLflow's word.

    `model_id` is the logged model that it was made of, if it was one.
    """

    name: str
    number: int
    creation_time_ms: int
    update_time_ms: int
    description: str | None
    user: str | None
    stage: str
    source: str
    run_id: str | None
    run_link: str | None
    model_id: str | None
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model, with the newest version of each stage. `aliases` name versions by number."""

    name: str
    creation_time_ms: int
    update_time_ms: int
    description: str | None
    latest: tuple[Version, ...]
    tags: Mapping[str, str]
    aliases: Mapping[str, int]


def model_view(registry: Registry, model: StoredModel) -> Model:
    """Returns a model as clients see it."""
    newest = {one.stage: one for one in model.active_versions()}
    return Model(
        name=model.name,
        creation_time_ms=model.creation_time_ms,
        update_time_ms=model.last_update_time_ms,
        description=model.description or None,
        latest=tuple(
            version_view(registry, RegisteredVersion(model=model, version=one), aliases=False)
            for one in newest.values()
        ),
        tags=dict(model.tags),
        aliases={alias: model.versions[one].shown_number for alias, one in sorted(model.aliases.items())},
    )


def version_view(registry: Registry, found: RegisteredVersion, *, aliases: bool = True) -> Version:
    """Returns a version as clients see it; MLflow gives no aliases with versions that are listed."""
    version = found.version
    logged = version.source.removeprefix("models:/").partition("/")[0]
    return Version(
        name=found.model.name,
        number=version.shown_number,
        creation_time_ms=version.creation_time_ms,
        update_time_ms=version.last_update_time_ms,
        description=version.description or None,
        user=version.user,
        stage=version.stage.value,
        source=version.source,
        run_id=version.tags.get(VERSION_RUN_TAG) or registry.made_by(version),
        run_link=version.tags.get(VERSION_LINK_TAG),
        model_id=logged if model_record(logged) is not None else None,
        tags={key: text for key, text in version.tags.items() if not key.startswith(MODEL_TAGS)},
        aliases=tuple(found.aliases) if aliases else (),
    )


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Returns whether the tags of a model or version say that it is a prompt."""
    return tags.get(PROMPT_TAG, "false").lower() == "true"
