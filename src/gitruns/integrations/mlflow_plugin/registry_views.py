"""Registered models and their versions as MLflow's entities."""

from __future__ import annotations

from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

from gitruns.protocol.registered import Model, Version


def model_entity(model: Model) -> RegisteredModel:
    """Returns a registered model."""
    return RegisteredModel(
        name=model.name,
        creation_timestamp=model.creation_time_ms,
        last_updated_timestamp=model.update_time_ms,
        description=model.description,
        latest_versions=[version_entity(one) for one in model.latest],
        tags=[RegisteredModelTag(key, text) for key, text in model.tags.items()],
        aliases=[RegisteredModelAlias(alias, number) for alias, number in model.aliases.items()],
    )


def version_entity(version: Version) -> ModelVersion:
    """Returns a version."""
    newer: dict[str, Any] = {}
    if version.model_id is not None and hasattr(ModelVersion, "model_id"):  # from MLflow 3 on
        newer = {"model_id": version.model_id}
    return ModelVersion(
        name=version.name,
        version=version.number,
        creation_timestamp=version.creation_time_ms,
        last_updated_timestamp=version.update_time_ms,
        description=version.description,
        user_id=version.user,
        current_stage=version.stage,
        source=version.source,
        run_id=version.run_id,
        tags=[ModelVersionTag(key, text) for key, text in version.tags.items()],
        run_link=version.run_link,
        aliases=list(version.aliases),
        **newer,
    )
