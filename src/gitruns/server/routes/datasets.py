"""MLflow's calls for the datasets that runs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.entities.dataset import DatasetInput
from gitruns.protocol import datasets
from gitruns.protocol.errors import refused
from gitruns.server.calls import Call, Context, Field, Fields, Role
from gitruns.server.fields import Checker, invalid_field
from gitruns.server.given import models_of
from gitruns.server.owners import of_run, of_searched
from gitruns.server.pairs import pairs_of, without_nothing

Body = Mapping[str, Any]

_MOST_EXPERIMENTS = 20
_TEXT, _NEEDED = Field("string"), Field("string", required=True)
_DATASET = Checker(dict.fromkeys(("name", "digest", "source_type", "source", "schema", "profile"), _TEXT))


def log_inputs(context: Context, fields: Fields) -> Body:
    """Logs datasets and logged models that a run reads."""
    given = [_dataset(item) for item in fields.get("datasets") or ()]
    models = [model_id for model_id, _ in models_of(fields, "models")]
    datasets.log_inputs(context.hub, fields["run_id"], given, models)
    return {}


def _dataset(item: Any) -> DatasetInput:
    dataset = item.get("dataset") if isinstance(item, dict) else None
    if not isinstance(dataset, dict) or not isinstance(item.get("tags") or [], list):
        raise invalid_field("datasets", item)
    given = _DATASET.check(dataset)
    if not given.get("name") or not given.get("digest"):
        raise refused("Dataset input must have a dataset with a name and a digest associated with it.")
    return datasets.dataset_input(
        name=given["name"],
        digest=given["digest"],
        source=given.get("source", ""),
        source_type=given.get("source_type", ""),
        schema=given.get("schema"),
        profile=given.get("profile"),
        tags=pairs_of(item, "tags").items(),
    )


def search(context: Context, fields: Fields) -> Body:
    """Answers with the datasets of some experiments."""
    experiment_ids = fields.get("experiment_ids") or []
    if not experiment_ids:
        raise refused("SearchDatasets request must specify at least one experiment_id.")
    if len(experiment_ids) > _MOST_EXPERIMENTS:
        raise refused(
            f"SearchDatasets request cannot specify more than {_MOST_EXPERIMENTS} experiment_ids. Received "
            f"{len(experiment_ids)} experiment_ids."
        )
    found = [
        without_nothing(
            {"experiment_id": one.experiment_id, "name": one.name, "digest": one.digest, "context": one.context}
        )
        for one in datasets.search_datasets(context.hub, experiment_ids)
    ]
    return without_nothing({"dataset_summaries": found})


_INPUTS = {"run_id": _NEEDED, "datasets": Field("list"), "models": Field("list")}
_EXPERIMENTS = {"experiment_ids": Field("strings")}
_MIB = 1 << 20

CALLS = (
    Call(
        "POST",
        "/2.0/mlflow/runs/log-inputs",
        "LogInputs",
        log_inputs,
        _INPUTS,
        experiment_of=of_run,
        limit_bytes=32 * _MIB,
    ),
    *(
        Call("POST", path, "SearchDatasets", search, _EXPERIMENTS, Role.READER, experiment_of=of_searched)
        # The slash is missing where MLflow declares it, and there where its pages ask for it.
        for path in ("/2.0/mlflow/experiments/search-datasets", "/2.0mlflow/experiments/search-datasets")
    ),
)
