"""Records of ours as MLflow's entities.

Params are shown as Python's `str()` of what was logged, infinite metrics as the largest floats: so MLflow's SQL store
has them. What gitruns keeps as facts of a run (its name, its parent) MLflow keeps as tags, and finds there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from mlflow import entities

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.experiment import Experiment
from gitruns.entities.run import MODEL_TAGS, Run
from gitruns.entities.status import Lifecycle
from gitruns.entities.values import param_text

RUN_NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
CONTEXT_TAG = "mlflow.data.context"
LOCATION_TAG = "gitruns.artifact_location"
"""Tag of an experiment whose artifacts MLflow shall keep elsewhere."""

OUTPUT_TAGS = MODEL_TAGS + "output."
INPUT_TAGS = MODEL_TAGS + "input."

_GREATEST = 1.7976931348623157e308


def shown_value(value: float) -> float:
    """Returns a metric's value as MLflow's SQL store gives it back: no infinities."""
    return math.copysign(_GREATEST, value) if math.isinf(value) else value


def experiment_entity(experiment: Experiment, location: str) -> entities.Experiment:
    """Returns an experiment; `location` is where artifacts of runs are, unless it says otherwise."""
    return entities.Experiment(
        experiment_id=str(experiment.id),
        name=experiment.name,
        artifact_location=experiment.tags.get(LOCATION_TAG, location),
        lifecycle_stage=experiment.lifecycle.value,
        tags=[entities.ExperimentTag(key, text) for key, text in experiment.tags.items() if key != LOCATION_TAG],
        creation_time=experiment.creation_time_ms,
        last_update_time=experiment.last_update_time_ms,
    )


@cache
def _info_has_uuid() -> bool:
    return "run_uuid" in inspect.signature(entities.RunInfo.__init__).parameters


def info_entity(run: Run, artifact_uri: str, lifecycle: Lifecycle) -> entities.RunInfo:
    """Returns the facts of a run."""
    info = run.info
    older = {"run_uuid": info.id} if _info_has_uuid() else {}  # before MLflow 3
    return entities.RunInfo(
        **older,
        run_id=info.id,
        experiment_id=str(info.experiment_id),
        user_id=run.tags.get("mlflow.user") or info.user or "",
        status=info.status.value,
        start_time=info.start_time_ms,
        end_time=info.end_time_ms,
        lifecycle_stage=lifecycle.value,
        artifact_uri=artifact_uri,
        run_name=info.name,
    )


def run_tags(run: Run) -> dict[str, str]:
    """Returns a run's tags with those in which MLflow keeps what is a fact of the run here."""
    tags = {**run.shown_tags, RUN_NAME_TAG: run.info.name}
    if run.info.parent_run_id is not None:
        tags.setdefault(PARENT_TAG, run.info.parent_run_id)
    if not any(key.startswith("mlflow.") for key in run.tags):  # logged without MLflow: its UI looks there
        found = {
            "mlflow.user": run.info.user,
            "mlflow.source.name": run.info.entry_point,
            "mlflow.source.git.commit": run.info.source.base or run.info.source.commit,
        }
        tags |= {key: text for key, text in found.items() if text is not None}
    return tags


def run_entity(run: Run, artifact_uri: str, lifecycle: Lifecycle, inputs: Iterable[DatasetInput]) -> entities.Run:
    """Returns a run with its data, inputs and outputs."""
    data = entities.RunData(
        metrics=[
            entities.Metric(key, shown_value(one.last), one.time_ms, one.step) for key, one in run.metrics.items()
        ],
        params=[entities.Param(key, param_text(value)) for key, value in run.params.items()],
        tags=[entities.RunTag(key, text) for key, text in run_tags(run).items()],
    )
    return entities.Run(
        info_entity(run, artifact_uri, lifecycle),
        data,
        _inputs(run.tags, [dataset_entity(one) for one in inputs]),
        **_outputs(run.tags),
    )


def _inputs(tags: Mapping[str, str], datasets: list[Any]) -> entities.RunInputs:
    models = [key.removeprefix(INPUT_TAGS) for key in tags if key.startswith(INPUT_TAGS)]
    if not models:
        return entities.RunInputs(dataset_inputs=datasets)
    return entities.RunInputs(
        dataset_inputs=datasets, model_inputs=[entities.LoggedModelInput(model_id=one) for one in models]
    )


def _outputs(tags: Mapping[str, str]) -> dict[str, Any]:
    if not hasattr(entities, "RunOutputs"):  # before MLflow 3
        return {}
    found = [
        (int(text), key.removeprefix(OUTPUT_TAGS))
        for key, text in tags.items()
        if key.startswith(OUTPUT_TAGS) and text.lstrip("-").isdigit()
    ]
    models = [entities.LoggedModelOutput(model_id=model_id, step=step) for step, model_id in sorted(found)]
    return {"run_outputs": entities.RunOutputs(models)}


def dataset_entity(one: DatasetInput) -> entities.DatasetInput:
    """Returns a dataset that went into a run."""
    tags = [entities.InputTag(CONTEXT_TAG, one.context)] if one.context is not None else []
    return entities.DatasetInput(
        dataset=entities.Dataset(
            name=one.name,
            digest=one.digest,
            source_type=one.source_type,
            source=one.source,
            schema=one.schema,
            profile=one.profile,
        ),
        tags=[*tags, *(entities.InputTag(key, text) for key, text in one.tags)],
    )


def dataset_input(given: entities.DatasetInput) -> DatasetInput:
    """Returns a dataset that went into a run, as it is kept."""
    tags = {tag.key: tag.value for tag in given.tags or ()}
    dataset = given.dataset
    return DatasetInput(
        name=dataset.name,
        digest=dataset.digest,
        source=dataset.source,
        source_type=dataset.source_type,
        schema=dataset.schema,
        profile=dataset.profile,
        context=tags.pop(CONTEXT_TAG, None),
        tags=tuple(tags.items()),
    )
