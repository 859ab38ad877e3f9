"""Runs, experiments and models found, deleted and restored: MLflow's calls that need no client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gitruns.mlflow.active import current_run_id, experiment_id
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.words import ViewType
from gitruns.mlflow.exceptions import refused, speaks_mlflow
from gitruns.mlflow.registry import register
from gitruns.mlflow.warn import warn
from gitruns.tracking.search import PagedList

T = TypeVar("T")

_LARGEST_PAGE = 50_000
MOST_RUNS = 100_000

# Experiments


def create_experiment(
    name: str,
    artifact_location: str | None = None,
    tags: Mapping[str, Any] | None = None,
    trace_location: Any = None,
) -> str:
    """Creates an experiment and returns its id."""
    if trace_location is not None:
        from gitruns.mlflow.absent import refuse

        refuse("create_experiment(trace_location=…)")
    return MlflowClient().create_experiment(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> records.Experiment:
    """Returns an experiment, deleted or not."""
    return MlflowClient().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> records.Experiment | None:
    """Returns the experiment of a name, or None."""
    return MlflowClient().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[records.Experiment]:
    """Returns the experiments that match, those created last first unless `order_by` says otherwise."""
    client = MlflowClient()

    def page(size: int, token: str | None) -> PagedList[records.Experiment]:
        return client.search_experiments(view_type, size, filter_string, order_by, token)

    return _all(page, max_results)


def delete_experiment(experiment_id: str) -> None:
    """Deletes an experiment and with it its runs, until it is restored."""
    MlflowClient().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Brings an experiment and its runs back."""
    MlflowClient().restore_experiment(experiment_id)


# Runs


def get_run(run_id: str) -> records.Run:
    """Returns a run as it stands now."""
    return MlflowClient().get_run(run_id)


def get_parent_run(run_id: str) -> records.Run | None:
    """Returns the run that a run is nested in, or None."""
    return MlflowClient().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Deletes a run until it is restored."""
    MlflowClient().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Brings a run back."""
    MlflowClient().restore_run(run_id)


@speaks_mlflow
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = MOST_RUNS,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """Returns the runs that match, as a DataFrame, or as a list with `output_format="list"`.

    Searched are the experiments named by ids or by names; without either the current one, or all of them with
    `search_all_experiments`.
    """
    if output_format not in ("pandas", "list"):
        raise refused(f"Unsupported output format: {output_format}. Supported string values are 'pandas' or 'list'")
    client = MlflowClient()
    ids = _searched(client, experiment_ids, experiment_names, search_all_experiments)

    def page(size: int, token: str | None) -> PagedList[records.Run]:
        return client.search_runs(ids, filter_string, run_view_type, size, order_by, token)

    found = _all(page, max_results) if ids else []
    if output_format == "list":
        return found
    from gitruns.mlflow.frames import frame_of_runs

    return frame_of_runs(found)


def _searched(
    client: MlflowClient, ids: Sequence[str] | None, names: Sequence[str] | None, everything: bool
) -> list[str]:
    if ids and names:
        raise refused("Only experiment_ids or experiment_names can be used, but not both")
    if names:
        found = {name: client.get_experiment_by_name(name) for name in names}
        for name in (name for name, one in found.items() if one is None):
            warn(f"there is no experiment '{name}'", stacklevel=5)
        return [one.experiment_id for one in found.values() if one is not None]
    if ids:
        return [str(one) for one in ids]
    if everything:
        return [one.experiment_id for one in search_experiments()]
    return [experiment_id()]


def _all(page: Callable[[int, str | None], PagedList[T]], most: int | None) -> list[T]:
    """Returns the items of all pages, up to `most`."""
    found: list[T] = []
    token: str | None = None
    while most is None or len(found) < most:
        part = page(_LARGEST_PAGE if most is None else min(_LARGEST_PAGE, most - len(found)), token)
        found.extend(part)
        token = part.token
        if not token:
            break
    return found


# Models


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

    return _all(page, max_results)


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[records.ModelVersion]:
    """Returns the versions of all models that match, those changed last first unless `order_by` says otherwise."""
    client = MlflowClient()

    def page(size: int, token: str | None) -> PagedList[records.ModelVersion]:
        return client.search_model_versions(filter_string, size, order_by, token)

    return _all(page, max_results)


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

    found = _all(page, max_results)
    if output_format == "list":
        return found
    if output_format != "pandas":
        raise refused(f"Unsupported output format: {output_format!r}. Expected 'list' or 'pandas'.")
    from gitruns.mlflow.frames import frame_of_models

    return frame_of_models(found)
