"""What a script asks of the repository around it: experiments, runs that were, what they hold, registered models.

Each is a call of `Client` on the repository that is logged into now; see there for what it raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.tracking import search
from gitruns.tracking.client import Client
from gitruns.tracking.fluent import chosen_experiment, client_here, current_log, last_log
from gitruns.tracking.model_views import ModelVersion, RegisteredModel
from gitruns.tracking.search import PagedList, ViewType
from gitruns.tracking.views import Experiment, Run

if TYPE_CHECKING:
    from gitruns.entities.artifact import FileInfo
    from gitruns.entities.values import Point

# Experiments


def create_experiment(name: str, tags: Mapping[str, Any] | None = None) -> str:
    """Creates an experiment and returns its id; raises `AlreadyExistsError`."""
    return client_here().create_experiment(name, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """Returns the experiment of that id; raises `NotFoundError`."""
    return client_here().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Returns the experiment of that name, or None."""
    return client_here().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
    *,
    include_deleted: bool = False,
    dialect: str = "native",
) -> list[Experiment]:
    """Returns the experiments that match, those created last first unless `order_by` says otherwise.

    `include_deleted` is short for `view_type=ViewType.ALL`.
    """
    return client_here().search_experiments(
        view_type, max_results, filter_string, order_by, include_deleted=include_deleted, dialect=dialect
    )


def rename_experiment(experiment_id: str, new_name: str) -> None:
    """Gives an experiment another name; its id stays."""
    client_here().rename_experiment(experiment_id, new_name)


def delete_experiment(experiment_id: str) -> None:
    """Takes an experiment and its runs out of sight, reversibly."""
    client_here().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Brings a deleted experiment and its runs back."""
    client_here().restore_experiment(experiment_id)


# Runs


def get_run(run_id: str) -> Run:
    """Returns a run as it stands now; raises `NotFoundError` (kind `run-not-found`)."""
    return client_here().get_run(run_id)


def search_runs(
    experiment_ids: Sequence[str | int] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = search.DEFAULT_RESULTS,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    *,
    page_token: str | None = None,
    dialect: str = "native",
) -> Any:
    """Returns the runs that match as a `pandas.DataFrame`, or as `output_format` says: `list`, `arrow`, `polars`.

    Searched are the experiments named by ids or by names; without either the current one, or all of them with
    `search_all_experiments`. Filters, orders and what is raised: see `Client.search_runs`; `extra-missing` when the
    library of a format is not installed. A `list` has the `token` of the next page, if any, for `page_token`.
    """
    client = client_here()
    how = search.search_args(
        experiment_ids=_experiments_searched(client, experiment_ids, experiment_names, search_all_experiments),
        run_view_type=run_view_type,
        order_by=order_by,
        page_token=page_token,
        dialect=dialect,
    )
    limit = search.check_max_results(max_results)
    if output_format == "list":
        return search.all_runs(client.repo, filter_string, limit, how)
    from gitruns.tracking.frames import search_table  # only when a table is asked for: not at import

    return search_table(client.repo, filter_string, limit, how, output_format)


def _experiments_searched(
    client: Client, ids: Sequence[str | int] | None, names: Sequence[str] | None, everything: bool
) -> Sequence[str | int] | None:
    if ids and names:
        raise InvalidInputError("give either experiment_ids or experiment_names, not both", kind="bad-argument")
    if ids:
        return ids
    if names:
        return search.ids_of_names(client.repo, names)
    if everything:
        return None
    chosen = chosen_experiment()
    return [chosen.id] if chosen is not None else _configured_experiment(client)


def _configured_experiment(client: Client) -> list[str]:
    """Returns the experiment that a run started now would belong to; none when it does not exist yet."""
    name = client.repo.config.experiment
    return ["0"] if name is None else [one.id for one in (client.repo.find_experiment(name),) if one is not None]


def delete_run(run_id: str) -> None:
    """Takes a run out of sight, reversibly."""
    client_here().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Brings a deleted run back."""
    client_here().restore_run(run_id)


# What runs hold


def get_metric_history(run_id: str, key: str, max_points: int | None = None) -> list[Point]:
    """Returns all points of a metric in logged order, or so many of them as draw the same curve."""
    return client_here().get_metric_history(run_id, key, max_points)


def get_metric_history_bulk(run_ids: Sequence[str], key: str, max_points: int | None = None) -> dict[str, list[Point]]:
    """Returns the points of one metric of many runs, by run id."""
    return client_here().get_metric_history_bulk(run_ids, key, max_points)


def list_artifacts(run_id: str | None = None, path: str | None = None) -> list[FileInfo]:
    """Returns the files and folders directly below a path of a run (the current one by default)."""
    return client_here().list_artifacts(run_id or _current_id(), path)


def download_artifacts(run_id: str | None = None, path: str = "", dst_path: str | Path | None = None) -> str:
    """Brings artifacts of a run into a folder and returns where they are."""
    return client_here().download_artifacts(run_id or _current_id(), path, dst_path)


def _current_id() -> str:
    log = current_log() or last_log()
    if log is None:
        raise NotFoundError("there is no current run", kind="no-active-run", hint="give run_id=…")
    return log.run_id


# Registered models


def register_model(
    model_uri: str | Path,
    name: str,
    *,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    aliases: Sequence[str] = (),
) -> ModelVersion:
    """Makes a version of a registered model, created where there is none, from an address or from a path on disk."""
    return client_here().register_model(model_uri, name, tags=tags, description=description, aliases=aliases)


def search_registered_models(
    filter_string: str | None = None, max_results: int = 100, order_by: Sequence[str] | str | None = None
) -> PagedList[RegisteredModel]:
    """Returns the registered models that match, by name unless `order_by` says otherwise."""
    return client_here().search_registered_models(filter_string, max_results, order_by)


def search_model_versions(
    filter_string: str | None = None, max_results: int = 10_000, order_by: Sequence[str] | str | None = None
) -> PagedList[ModelVersion]:
    """Returns the versions of all models that match, those changed last first unless `order_by` says otherwise."""
    return client_here().search_model_versions(filter_string, max_results, order_by)
