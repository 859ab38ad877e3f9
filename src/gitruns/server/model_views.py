"""Logged models, registered models and their versions as MLflow's JSON."""

from __future__ import annotations

import math
from typing import Any

from gitruns.protocol.logged_model import FAILED, PENDING, READY, LoggedModel, ModelPoint
from gitruns.protocol.registered import Model, Version
from gitruns.protocol.shown import shown_value
from gitruns.server.pairs import as_pairs, without_nothing

STATUS_NAMES = {
    PENDING: "LOGGED_MODEL_PENDING",
    READY: "LOGGED_MODEL_READY",
    FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
"""A logged model's status on the wire."""


def logged_model_json(model: LoggedModel) -> dict[str, Any]:
    """Returns a logged model as `GetLoggedModel` answers it."""
    info = {
        "model_id": model.model_id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.creation_time_ms,
        "last_updated_timestamp_ms": model.update_time_ms,
        "artifact_uri": model.artifact_uri,
        "status": STATUS_NAMES[model.status],
        "model_type": model.model_type,
        "source_run_id": model.source_run_id,
        "status_message": model.status_message,
        "tags": as_pairs(model.tags),
    }
    data = {"params": as_pairs(model.params), "metrics": [_point_json(model.model_id, one) for one in model.points]}
    return {"info": without_nothing(info), "data": without_nothing(data)}


def _point_json(model_id: str, point: ModelPoint) -> dict[str, Any]:
    return without_nothing(
        {
            "key": point.key,
            "value": "NaN" if math.isnan(point.value) else shown_value(point.value),
            "timestamp": point.time_ms,
            "step": point.step,
            "dataset_name": point.dataset_name,
            "dataset_digest": point.dataset_digest,
            "model_id": model_id,
            "run_id": point.run_id,
        }
    )


def version_json(version: Version) -> dict[str, Any]:
    """Returns a version as `GetModelVersion` answers it."""
    return without_nothing(
        {
            "name": version.name,
            "version": str(version.number),
            "creation_timestamp": version.creation_time_ms,
            "last_updated_timestamp": version.update_time_ms,
            "user_id": version.user,
            "current_stage": version.stage,
            "description": version.description,
            "source": version.source,
            "run_id": version.run_id,
            "status": "READY",
            "run_link": version.run_link,
            "tags": as_pairs(version.tags),
            "aliases": list(version.aliases),
        }
    )


def model_json(model: Model) -> dict[str, Any]:
    """Returns a registered model as `GetRegisteredModel` answers it."""
    return without_nothing(
        {
            "name": model.name,
            "creation_timestamp": model.creation_time_ms,
            "last_updated_timestamp": model.update_time_ms,
            "description": model.description,
            "latest_versions": [version_json(one) for one in model.latest],
            "tags": as_pairs(model.tags),
            "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
        }
    )
