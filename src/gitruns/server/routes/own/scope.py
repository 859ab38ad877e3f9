"""Which experiments requests are about, and how searches are narrowed for those who are limited to some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.server.calls import Context

_NOBODYS = "-"
"""No experiment has this id: what is asked of nothing is refused to those who are limited, and told to all others."""


def of_run(context: Context, request: Any) -> Collection[str]:
    """The experiment of `request.run_id`."""
    return of_runs(context, [request.run_id])


def of_runs(context: Context, run_ids: Iterable[str]) -> Collection[str]:
    """The experiments of some runs."""
    found = (context.hub.repo.find_run(RunId(run_id)) for run_id in run_ids)
    return {_NOBODYS if run is None else run.info.experiment_id for run in found} or {_NOBODYS}


def of_searched(context: Context, request: Any) -> Collection[str]:
    """The experiments that a search names; all that one may see where it names none."""
    return request.experiment_ids or context.only or {_NOBODYS}


def of_all_one_may_see(context: Context, request: Any) -> Collection[str]:
    """For what is narrowed by the function itself."""
    return context.only or {_NOBODYS}


def narrowed(context: Context, experiment_ids: Sequence[str] | None) -> list[ExperimentId] | None:
    """Returns the experiments to search in, None for all."""
    if experiment_ids is not None:
        return [ExperimentId(one) for one in experiment_ids]
    return None if context.only is None else [ExperimentId(one) for one in sorted(context.only)]


def hint_for(context: Context, error: GitRunsError) -> str | None:
    """Returns what to do about an error; what was likely meant may be a key that the limited are not to know of."""
    return None if context.only is not None and error.kind == "bad-query" else error.hint


def run_named(context: Context, run_id: str) -> Run:
    """Returns a run; raises `NotFoundError` (kind `run-not-found`), also for a record that is no run."""
    run = context.hub.repo.get_run(RunId(run_id))
    if run.info.kind is not None:
        raise NotFoundError(f"there is no run '{run_id}'", kind="run-not-found", run=run_id)
    return run
