"""Registered and logged models: MLflow's calls that need no client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.mlflow.active import current_run_id, experiment_id
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities import records
from gitruns.mlflow.exceptions import refused, speaks_mlflow
from gitruns.mlflow.finding import all_pages
from gitruns.mlflow.registry import register
from gitruns.tracking.search import PagedList

# Registered models


@speaks_mlflow
def register_model(
    model_uri: str | Path,
    name: str,
    await_registration_for: int | None = None,
    *,
    tags: Mapping[str, Any] | None = None,
    env_pack: Any = None,
) -> records.ModelVersion:
    """Makes a version of a registered model, created where there is none, from an address or a folder on disk."""
    return register(MlflowClient(), model_uri, name, tags)


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[records.RegisteredModel]:
    """Returns the registered models that match, by name unless `order_by` says otherwise."""
    client = MlflowClient()

    def page(size: int, token: str | None) -> PagedList[records.RegisteredModel]:
        return client.search_registered_models(filter_string, min(size, 1000), order_by, token)

    return all_pages(page, max_results)


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[records.ModelVersion]:
    """Returns the versions of all models that match, those changed last first unless `order_by` says otherwise."""
    client = MlflowClient()

    def page(size: int, token: str | None) -> PagedList[records.ModelVersion]:
        return client.search_model_versions(filter_string, size, order_by, token)

    return all_pages(page, max_results)


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Sets a tag of a version."""
    MlflowClient().set_model_version_tag(name, version, key, value)


# Logged models


@speaks_mlflow
def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> records.LoggedModel:
    """Begins a logged model, of the current run if there is one: it is pending until it is finalized."""
    from gitruns.mlflow import active

    client = MlflowClient()
    run = active.active_run() if source_run_id is None else None
    source = run.info.run_id if run is not None else source_run_id
    if source is not None and experiment_id is None:
        return begin_logged_model(client, source, name, tags, params, model_type)
    chosen = experiment_id or active.experiment_id()
    return _remembered(client.create_logged_model(chosen, name, source, tags, params, model_type))


def begin_logged_model(
    client: MlflowClient,
    run_id: str,
    name: str | None,
    tags: Mapping[str, Any] | None,
    params: Mapping[str, Any] | None,
    model_type: str | None,
) -> records.LoggedModel:
    """Begins a logged model of a run, in the run's experiment."""
    experiment = client.get_run(run_id).info.experiment_id
    return _remembered(client.create_logged_model(experiment, name, run_id, tags, params, model_type))


_last_model: records.LoggedModel | None = None


def _remembered(model: records.LoggedModel) -> records.LoggedModel:
    global _last_model
    _last_model = model
    return model


def finalize_logged_model(model_id: str, status: str) -> records.LoggedModel:
    """Ends a logged model as `READY` or `FAILED`, which seals it into git."""
    return MlflowClient().finalize_logged_model(model_id, status)


def get_logged_model(model_id: str) -> records.LoggedModel:
    """Returns a logged model."""
    return MlflowClient().get_logged_model(model_id)


def last_logged_model() -> records.LoggedModel | None:
    """Returns the logged model that was begun last in this process, or None."""
    return None if _last_model is None else MlflowClient().get_logged_model(_last_model.model_id)


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Sets tags of a logged model."""
    MlflowClient().set_logged_model_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Takes a tag of a logged model away."""
    MlflowClient().delete_logged_model_tag(model_id, key)


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Logs params of a logged model, by default of the last one."""
    chosen = model_id or (None if _last_model is None else _last_model.model_id)
    if chosen is None:
        raise refused("There is no logged model: give model_id=…")
    MlflowClient().log_model_params(chosen, params)


def log_outputs(models: Sequence[records.LoggedModelOutput] | None = None) -> None:
    """Logs that the current run made logged models."""
    MlflowClient().log_outputs(current_run_id(), list(models or ()))


@speaks_mlflow
def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, Any]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    output_format: str = "pandas",
) -> Any:
    """Returns the logged models that match, as a DataFrame, or as a list with `output_format="list"`."""
    client = MlflowClient()
    ids = [str(one) for one in experiment_ids] if experiment_ids else [experiment_id()]

    def page(size: int, token: str | None) -> PagedList[records.LoggedModel]:
        return client.search_logged_models(ids, filter_string, datasets, min(size, 1000), order_by, token)

    found = all_pages(page, max_results)
    if output_format == "list":
        return found
    if output_format != "pandas":
        raise refused(f"Unsupported output format: {output_format!r}. Expected 'list' or 'pandas'.")
    from gitruns.mlflow.frames import frame_of_models

    return frame_of_models(found)
