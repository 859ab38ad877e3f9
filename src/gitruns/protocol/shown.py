"""What clients of MLflow are shown of a record of ours.

Params are shown as Python's `str()` of what was logged, infinite metrics as the largest floats: so MLflow's SQL store
has them. What gitruns keeps as facts of a run (its name, its parent) MLflow keeps as tags, and finds there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gitruns.entities.experiment import Experiment
from gitruns.entities.run import MODEL_TAGS, Run
from gitruns.entities.status import Lifecycle

RUN_NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
CONTEXT_TAG = "mlflow.data.context"
COMMIT_TAG = "mlflow.source.git.commit"
LOCATION_TAG = "gitruns.artifact_location"
"""Tag of an experiment whose artifacts MLflow shall keep elsewhere."""

OUTPUT_TAGS = MODEL_TAGS + "output."
INPUT_TAGS = MODEL_TAGS + "input."

VIEWS: Final[Mapping[int, Lifecycle | None]] = {1: Lifecycle.ACTIVE, 2: Lifecycle.DELETED, 3: None}
"""What MLflow's numbers of views show; None is everything."""

_WHOLE = re.compile(r"-?[0-9]{1,19}\Z")
_GREATEST = 1.7976931348623157e308


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run, where its artifacts are, and whether it is deleted, itself or with its experiment."""

    run: Run
    artifact_uri: str
    lifecycle: Lifecycle


@dataclass(frozen=True, slots=True)
class ShownExperiment:
    """An experiment and where the artifacts of its runs are."""

    experiment: Experiment
    artifact_location: str


def lifecycle_of(view: int | None) -> Lifecycle | None:
    """Returns what a view shows, None for all; no view is that of what is active."""
    return VIEWS.get(1 if view is None else view, Lifecycle.ACTIVE)


def shown_value(value: float) -> float:
    """Returns a metric's value as MLflow's SQL store gives it back: no infinities."""
    return math.copysign(_GREATEST, value) if math.isinf(value) else value


def run_tags(run: Run) -> dict[str, str]:
    """Returns a run's tags with those in which MLflow keeps what is a fact of the run here."""
    tags = {**run.shown_tags, RUN_NAME_TAG: run.info.name}
    if run.info.parent_run_id is not None:
        tags.setdefault(PARENT_TAG, run.info.parent_run_id)
    if not any(key.startswith("mlflow.") for key in run.tags):  # logged without MLflow: its UI looks there
        found = {
            "mlflow.user": run.info.user,
            "mlflow.source.name": run.info.entry_point,
            COMMIT_TAG: run.info.source.base or run.info.source.commit,
        }
        tags |= {key: text for key, text in found.items() if text is not None}
    return tags


def user_of(run: Run) -> str:
    """Returns whose run it is, as far as that is known."""
    return run.tags.get("mlflow.user") or run.info.user or ""


def experiment_tags(experiment: Experiment) -> dict[str, str]:
    """Returns an experiment's tags without that of the place of artifacts."""
    return {key: text for key, text in experiment.tags.items() if key != LOCATION_TAG}


def input_models(run: Run) -> list[str]:
    """Returns the logged models that a run read."""
    return [key.removeprefix(INPUT_TAGS) for key in run.tags if key.startswith(INPUT_TAGS)]


def output_models(run: Run) -> list[tuple[str, int]]:
    """Returns the logged models that a run made, each with its step, by step."""
    found = [
        (int(text), key.removeprefix(OUTPUT_TAGS))
        for key, text in run.tags.items()
        if key.startswith(OUTPUT_TAGS) and _WHOLE.match(text)
    ]
    return [(model_id, step) for step, model_id in sorted(found)]
