"""What a run of an MLflow file store read and made: datasets and logged models, a file each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.logged_model import INPUT_TAGS, OUTPUT_TAGS
from gitruns.entities.run import Run
from gitruns.exchange.mlflow.names_there import is_model_id
from gitruns.exchange.mlflow.records import CONTEXT_TAG
from gitruns.exchange.mlflow.store_files import write_meta


def write_edges(run: Run, folder: Path, there: str) -> None:
    """Writes datasets beside the folder of a run, and into it what ties the run to them and to logged models."""
    for one in run.inputs:
        dataset = _md5(one.name + one.digest)
        place = folder.parent / "datasets" / dataset
        if not place.exists():
            write_meta(place, _dataset(one))
        tags = dict(one.tags) | ({} if one.context is None else {CONTEXT_TAG: one.context})
        _write_edge(folder / "inputs" / _md5(dataset + there), "DATASET", dataset, "RUN", tags=tags)
    for key, text in run.tags.items():
        model = key.removeprefix(INPUT_TAGS)
        if key.startswith(INPUT_TAGS) and is_model_id(model):
            _write_edge(folder / "inputs" / _md5(model + there), "MODEL", model, "RUN")
        model = key.removeprefix(OUTPUT_TAGS)
        if key.startswith(OUTPUT_TAGS) and is_model_id(model):
            step = int(text) if text.lstrip("-").isdigit() else 0
            _write_edge(folder / "outputs" / model, "RUN_OUTPUT", model, "MODEL_OUTPUT", step=step)


def _dataset(one: DatasetInput) -> dict[str, str | None]:
    return {
        "digest": one.digest,
        "name": one.name,
        "profile": one.profile,
        "schema": one.schema,
        "source": one.source,
        "source_type": one.source_type,
    }


def _md5(text: str) -> str:
    """Returns the name that MLflow gives such a folder."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _write_edge(
    folder: Path,
    source: str,
    what: str,
    destination: str,
    *,
    tags: Mapping[str, str] | None = None,
    step: int | None = None,
) -> None:
    """Writes what ties a run to a dataset or logged model; MLflow writes the same id as source and destination."""
    ends = {"destination_id": what, "destination_type": destination, "source_id": what, "source_type": source}
    write_meta(folder, {**ends, "tags": dict(tags or {}), **({} if step is None else {"step": step})})
