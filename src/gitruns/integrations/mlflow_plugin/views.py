"""Records of ours as MLflow's entities; what of them is shown, and how, is said by `protocol.shown`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any

from mlflow import entities

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.run import Run
from gitruns.entities.values import param_text
from gitruns.protocol.datasets import dataset_tags
from gitruns.protocol.logged_model import LoggedModel
from gitruns.protocol.shown import (
    ShownExperiment,
    ShownRun,
    experiment_tags,
    input_models,
    output_models,
    run_tags,
    shown_value,
    user_of,
)


def experiment_entity(shown: ShownExperiment) -> entities.Experiment:
    """Returns an experiment."""
    experiment = shown.experiment
    return entities.Experiment(
        experiment_id=str(experiment.id),
        name=experiment.name,
        artifact_location=shown.artifact_location,
        lifecycle_stage=experiment.lifecycle.value,
        tags=[entities.ExperimentTag(key, text) for key, text in experiment_tags(experiment).items()],
        creation_time=experiment.creation_time_ms,
        last_update_time=experiment.last_update_time_ms,
    )


@cache
def _info_has_uuid() -> bool:
    return "run_uuid" in inspect.signature(entities.RunInfo.__init__).parameters


def info_entity(shown: ShownRun) -> entities.RunInfo:
    """Returns the facts of a run."""
    info = shown.run.info
    older = {"run_uuid": info.id} if _info_has_uuid() else {}  # before MLflow 3
    return entities.RunInfo(
        **older,
        run_id=info.id,
        experiment_id=str(info.experiment_id),
        user_id=user_of(shown.run),
        status=info.status.value,
        start_time=info.start_time_ms,
        end_time=info.end_time_ms,
        lifecycle_stage=shown.lifecycle.value,
        artifact_uri=shown.artifact_uri,
        run_name=info.name,
    )


def run_entity(shown: ShownRun) -> entities.Run:
    """Returns a run with its data, inputs and outputs."""
    run = shown.run
    data = entities.RunData(
        metrics=[
            entities.Metric(key, shown_value(one.last), one.time_ms, one.step) for key, one in run.metrics.items()
        ],
        params=[entities.Param(key, param_text(value)) for key, value in run.params.items()],
        tags=[entities.RunTag(key, text) for key, text in run_tags(run).items()],
    )
    return entities.Run(info_entity(shown), data, _inputs(run, run.inputs), **_outputs(run))


def _inputs(run: Run, datasets: Iterable[DatasetInput]) -> entities.RunInputs:
    shown = [dataset_entity(one) for one in datasets]
    models = input_models(run)
    if not models:
        return entities.RunInputs(dataset_inputs=shown)
    return entities.RunInputs(
        dataset_inputs=shown, model_inputs=[entities.LoggedModelInput(model_id=one) for one in models]
    )


def _outputs(run: Run) -> dict[str, Any]:
    if not hasattr(entities, "RunOutputs"):  # before MLflow 3
        return {}
    models = [entities.LoggedModelOutput(model_id=model_id, step=step) for model_id, step in output_models(run)]
    return {"run_outputs": entities.RunOutputs(models)}


def dataset_entity(one: DatasetInput) -> entities.DatasetInput:
    """Returns a dataset that went into a run."""
    return entities.DatasetInput(
        dataset=entities.Dataset(
            name=one.name,
            digest=one.digest,
            source_type=one.source_type,
            source=one.source,
            schema=one.schema,
            profile=one.profile,
        ),
        tags=[entities.InputTag(key, text) for key, text in dataset_tags(one)],
    )


def logged_model_entity(model: LoggedModel) -> Any:
    """Returns a logged model with what was measured on it."""
    metrics = [
        entities.Metric(
            key=one.key,
            value=shown_value(one.value),
            timestamp=one.time_ms,
            step=one.step,
            model_id=model.model_id,
            dataset_name=one.dataset_name,
            dataset_digest=one.dataset_digest,
            run_id=one.run_id,
        )
        for one in model.points
    ]
    return entities.LoggedModel(
        model_id=model.model_id,
        experiment_id=model.experiment_id,
        name=model.name,
        artifact_location=model.artifact_uri,
        creation_timestamp=model.creation_time_ms,
        last_updated_timestamp=model.update_time_ms,
        model_type=model.model_type,
        source_run_id=model.source_run_id,
        status=entities.LoggedModelStatus(model.status),
        status_message=model.status_message,
        tags=dict(model.tags) or None,
        params=dict(model.params) or None,
        metrics=metrics or None,
    )
