"""Searching in MLflow's words: views of what is deleted, pages, experiments by id or name.

Filters are in our own language, which takes every filter of MLflow's and finds the same runs (docs/mlflow-filters.md).
With `dialect="mlflow"` it is exactly MLflow's: what that refuses is refused, and params are ordered as text.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from gitruns.entities.ids import ExperimentId
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsWarning, InvalidInputError
from gitruns.tracking.views import Experiment, Run, experiment_view, run_view

if TYPE_CHECKING:
    from gitruns.entities.values import Point
    from gitruns.query.dialects import Dialect
    from gitruns.repo import Repo

T = TypeVar("T")

DEFAULT_PAGE = 1000
DEFAULT_RESULTS = 100_000
LARGEST_PAGE = 50_000


class ViewType(IntEnum):
    """Which runs or experiments are looked at, by whether they were deleted."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3


class PagedList(list[T]):
    """A page; `token` asks for the next one, and is None on the last."""

    def __init__(self, items: Iterable[T], token: str | None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """Returns the page as a plain list."""
        return list(self)


def search_args(
    *,
    experiment_ids: Sequence[str | int] | None,
    run_view_type: int,
    order_by: Sequence[str] | str | None,
    page_token: str | None,
    dialect: str,
) -> dict[str, Any]:
    """Returns what `Repo.search` takes, the filter and the size of the page aside."""
    ids = None if experiment_ids is None else [ExperimentId(str(one)) for one in experiment_ids]
    return {
        "experiment_ids": ids,
        "lifecycle": lifecycle_of(run_view_type),
        "order_by": [order_by] if isinstance(order_by, str) else tuple(order_by or ()),
        "page_token": page_token or "",
        "dialect": dialect_of(dialect),
        "now": local_time(),
    }


def local_time() -> datetime:
    """Returns the time now in this machine's zone, which is that of dates without one."""
    return datetime.now(timezone.utc).astimezone()


def search_runs(repo: Repo, filter_string: str | None, max_results: int, how: dict[str, Any]) -> PagedList[Run]:
    """Returns one page of runs; `how` comes from `search_args`."""
    found = repo.search_runs(filter_string or "", max_results=max_results, **how)
    return PagedList([run_view(run) for run in found.runs], found.next_token or None)


def all_runs(repo: Repo, filter_string: str | None, max_results: int, how: dict[str, Any]) -> PagedList[Run]:
    """Returns up to `max_results` runs, also when that takes several pages."""
    found: PagedList[Run] = PagedList([], how["page_token"] or None)
    while len(found) < max_results:
        size = min(max_results - len(found), LARGEST_PAGE)
        page = search_runs(repo, filter_string, size, {**how, "page_token": found.token or ""})
        found.extend(page)
        found.token = page.token
        if page.token is None:
            break
    return found


def search_experiments(
    repo: Repo,
    view_type: int,
    max_results: int | None,
    filter_string: str | None,
    order_by: Sequence[str] | str | None,
    page_token: str | None,
    dialect: str,
) -> PagedList[Experiment]:
    """Returns one page of experiments, those created last first unless `order_by` says otherwise."""
    found = repo.search_experiments(
        filter_string or "",
        lifecycle=lifecycle_of(view_type),
        max_results=max_results,
        order_by=[order_by] if isinstance(order_by, str) else tuple(order_by or ()),
        page_token=page_token or "",
        dialect=dialect_of(dialect),
        now=local_time(),
    )
    return PagedList([experiment_view(one) for one in found.experiments], found.next_token or None)


def ids_of_names(repo: Repo, names: Iterable[str]) -> list[str]:
    """Returns the ids of experiments; a name that there is none of is warned of and left out, as MLflow does."""
    found = []
    for name in names:
        experiment = repo.find_experiment(name)
        if experiment is None:
            warnings.warn(f"gitruns: there is no experiment '{name}'", GitRunsWarning, stacklevel=4)
        else:
            found.append(experiment.id)
    return [str(one) for one in found]


def lifecycle_of(view_type: int) -> Lifecycle | None:
    """Returns what a view shows; raises `InvalidInputError` for a number that is no view."""
    try:
        view = ViewType(view_type)
    except ValueError:
        raise InvalidInputError(
            f"view type {view_type!r} is none of ACTIVE_ONLY (1), DELETED_ONLY (2), ALL (3)", kind="bad-argument"
        ) from None
    return {ViewType.ACTIVE_ONLY: Lifecycle.ACTIVE, ViewType.DELETED_ONLY: Lifecycle.DELETED}.get(view)


def dialect_of(word: str) -> Dialect:
    """Returns the language that a word names; raises `InvalidInputError`."""
    from gitruns.query.dialects import Dialect  # the parsers come with it: not at import

    try:
        return Dialect(word)
    except ValueError:
        raise InvalidInputError(f"dialect '{word}' is neither 'native' nor 'mlflow'", kind="bad-argument") from None


def check_max_results(max_results: int) -> int:
    """Returns how many runs are wanted; raises `InvalidInputError` (kind `bad-max-results`) for no number of runs."""
    if type(max_results) is not int or max_results < 1:
        raise InvalidInputError(
            f"max_results must be a whole number of at least 1, not {str(max_results)[:40]}", kind="bad-max-results"
        )
    return max_results


def thinned(points: Sequence[Point], max_points: int) -> list[Point]:
    """Returns one metric's points by step and time, no more than `max_points`, least and greatest values kept.

    Raises `InvalidInputError` (kind `bad-argument`) for less than 4.
    """
    from gitruns.entities.history import downsample

    if max_points < 4:
        raise InvalidInputError(f"max_points must be 4 or more, not {max_points}", kind="bad-argument")
    ordered = sorted(points, key=lambda point: (point.step, point.time_ms))
    return ordered if len(ordered) <= max_points else downsample(ordered, (max_points - 2) // 2)
