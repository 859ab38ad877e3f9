"""How things of ours are named in an MLflow store: the ids that they had there, where they came from one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId
from gitruns.entities.logged_model import MODEL_PREFIX
from gitruns.entities.run import MODEL_KIND, Run
from gitruns.exchange.foreign import IMPORTED_ID_TAG, run_id_of
from gitruns.exchange.mlflow.records import NAMESPACE

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}\Z")
_EXPERIMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_KEY = re.compile(r"[/\w.\- :]{1,250}\Z")
RESERVED_FOLDERS = frozenset({"models", "tags", "datasets", "traces"})


def id_of_run(run: Run) -> str:
    """Returns the id of a run or logged model there."""
    if run.info.kind == MODEL_KIND:
        return MODEL_PREFIX + run.info.id
    had = run.tags.get(IMPORTED_ID_TAG, "")
    if _RUN_ID.match(had) and had not in RESERVED_FOLDERS and run_id_of(NAMESPACE, had) == run.info.id:
        return had
    return run.info.id


def ids_of_experiments(experiments: Iterable[Experiment]) -> dict[ExperimentId, str]:
    """Returns the id of each experiment there: what it was, unless two would have the same."""
    found: dict[ExperimentId, str] = {}
    taken: set[str] = set()
    for one in sorted(experiments, key=lambda one: (one.id != "0", one.id)):
        had = one.tags.get(IMPORTED_ID_TAG, "")
        fits = _EXPERIMENT_ID.match(had) and had not in taken and had not in RESERVED_FOLDERS and had != "0"
        found[one.id] = had if fits else str(one.id)
        taken.add(found[one.id])
    return found


def is_model_id(text: str) -> bool:
    """Returns whether a text has the form of an id of a logged model."""
    return text.startswith(MODEL_PREFIX) and _RUN_ID.match(text) is not None


def is_key(key: str) -> bool:
    """Returns whether MLflow takes a name for a metric, param or tag: a plain relative path of few characters."""
    return _KEY.match(key) is not None and not any(part in ("", ".", "..") for part in key.split("/"))
