"""Runs and experiments as user code sees them: MLflow's attribute names over our entities.

Code written for MLflow reads `run.info.run_id` and `run.data.metrics["acc"]`; it does so here too. What git adds
stands beside: `run.info.source_commit`, `run.metrics["acc"].min`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitruns.entities.dataset import DatasetInput
    from gitruns.entities.experiment import Experiment as StoredExperiment
    from gitruns.entities.run import Run as StoredRun
    from gitruns.entities.values import MetricSummary, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Facts about a run that are not its data. Times are milliseconds UTC; `end_time` is None while it runs."""

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    user_id: str | None
    lifecycle_stage: str
    artifact_uri: str
    source_commit: str | None
    source_branch: str | None
    source_dirty: bool
    parent_run_id: str | None
    host: str | None
    entry_point: str | None
    exit_code: int | None
    error: str | None
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """What went in and what came out: params with their types, the last value of each metric, tags."""

    params: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """The datasets a run read."""

    dataset_inputs: tuple[DatasetInput, ...] = ()


@dataclass(frozen=True)
class Run:
    """One run as it stands now. `metrics` holds the whole summary of each metric, `data.metrics` its last value."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    metrics: Mapping[str, MetricSummary]
    stored: StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment as it stands now. Times are milliseconds UTC."""

    experiment_id: str
    name: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: Mapping[str, str]
    artifact_location: str = "gitruns:"


def run_view(run: StoredRun) -> Run:
    """Returns the view of a stored run."""
    info = run.info
    return Run(
        info=RunInfo(
            run_id=info.id,
            run_name=info.name,
            experiment_id=info.experiment_id,
            status=info.status.value,
            start_time=info.start_time_ms,
            end_time=info.end_time_ms,
            user_id=info.user,
            lifecycle_stage=info.lifecycle.value,
            artifact_uri=f"runs:/{info.id}",
            source_commit=info.source.commit,
            source_branch=info.source.branch,
            source_dirty=info.source.dirty,
            parent_run_id=info.parent_run_id,
            host=info.host,
            entry_point=info.entry_point,
            exit_code=info.exit_code,
            error=info.error,
            commit=run.commit,
        ),
        data=RunData(
            params=run.params,
            metrics=MappingProxyType({key: summary.last for key, summary in run.metrics.items()}),
            tags=run.shown_tags,
        ),
        inputs=RunInputs(dataset_inputs=run.inputs),
        metrics=run.metrics,
        stored=run,
    )


def experiment_view(experiment: StoredExperiment) -> Experiment:
    """Returns the view of a stored experiment."""
    return Experiment(
        experiment_id=experiment.id,
        name=experiment.name,
        lifecycle_stage=experiment.lifecycle.value,
        creation_time=experiment.creation_time_ms,
        last_update_time=experiment.last_update_time_ms,
        tags=experiment.tags,
    )
