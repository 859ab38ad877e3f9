"""Runs and experiments found, deleted and restored: MLflow's calls that need no client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from gitruns.mlflow.active import experiment_id
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.words import ViewType
from gitruns.mlflow.exceptions import refused, speaks_mlflow
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

    return all_pages(page, max_results)


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

    found = all_pages(page, max_results) if ids else []
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


def all_pages(page: Callable[[int, str | None], PagedList[T]], most: int | None) -> list[T]:
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
