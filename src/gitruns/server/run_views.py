"""Experiments, runs, points and datasets as MLflow's JSON: proto2's, with the names of its fields.

What has no value is left out, so are lists with nothing in them. Integers of 64 bits are numbers; NaN is text, as JSON
has no number for it. A run carries its id under the old name too.
"""

from __future__ import annotations

import math
from typing import Any

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.run import Run
from gitruns.entities.values import Point, param_text
from gitruns.protocol.datasets import dataset_tags
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
from gitruns.server.pairs import as_pairs, without_nothing

Json = dict[str, Any]


def experiment_json(shown: ShownExperiment) -> Json:
    """Returns an experiment."""
    experiment = shown.experiment
    view: Json = {
        "experiment_id": str(experiment.id),
        "name": experiment.name,
        "artifact_location": shown.artifact_location,
        "lifecycle_stage": experiment.lifecycle.value,
        "last_update_time": experiment.last_update_time_ms,
        "creation_time": experiment.creation_time_ms,
    }
    return without_nothing({**view, "tags": as_pairs(experiment_tags(experiment))})


def info_json(shown: ShownRun) -> Json:
    """Returns the facts of a run."""
    info = shown.run.info
    view: Json = {
        "run_id": info.id,
        "run_uuid": info.id,
        "run_name": info.name,
        "experiment_id": str(info.experiment_id),
        "user_id": user_of(shown.run),
        "status": info.status.value,
        "start_time": info.start_time_ms,
        "artifact_uri": shown.artifact_uri,
        "lifecycle_stage": shown.lifecycle.value,
    }
    if info.end_time_ms:
        view["end_time"] = info.end_time_ms
    return view


def run_json(shown: ShownRun) -> Json:
    """Returns a run with its data, inputs and outputs."""
    run = shown.run
    metrics = [
        {"key": key, "value": number_json(shown_value(one.last)), "timestamp": one.time_ms, "step": one.step}
        for key, one in run.metrics.items()
    ]
    params = [{"key": key, "value": param_text(value)} for key, value in run.params.items()]
    data = without_nothing({"metrics": metrics, "params": params, "tags": as_pairs(run_tags(run))})
    return {"info": info_json(shown), "data": data, "inputs": _inputs_json(run), "outputs": _outputs_json(run)}


def _inputs_json(run: Run) -> Json:
    return without_nothing(
        {
            "dataset_inputs": [dataset_json(one) for one in run.inputs],
            "model_inputs": [{"model_id": model_id} for model_id in input_models(run)],
        }
    )


def _outputs_json(run: Run) -> Json:
    models = [{"model_id": model_id, "step": step} for model_id, step in output_models(run)]
    return without_nothing({"model_outputs": models})


def dataset_json(dataset: DatasetInput) -> Json:
    """Returns a dataset that went into a run."""
    view: Json = {
        "name": dataset.name,
        "digest": dataset.digest,
        "source_type": dataset.source_type,
        "source": dataset.source,
    }
    view |= {name: text for name in ("schema", "profile") if (text := getattr(dataset, name))}
    return without_nothing({"tags": as_pairs(dict(dataset_tags(dataset))), "dataset": view})


def point_json(point: Point, run_id: str | None = None) -> Json:
    """Returns a point of a metric, with the run that it is of where points of several are listed."""
    view: Json = {
        "key": point.metric,
        "value": number_json(point.value),
        "timestamp": point.time_ms,
        "step": point.step,
    }
    if run_id is not None:
        view["run_id"] = run_id
    return view


def number_json(value: float) -> float | str:
    """Returns a number as JSON has it, or the text that proto JSON has for it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
