"""An MLflow database, read table by table; the columns that a version of MLflow does not have are left out.

Experiments, runs, histories, datasets, logged models and the registry. Runs are read many at once: a question a table,
not a question a run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.exchange.folders import real_folder
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun
from gitruns.exchange.mlflow.database_registry import DEFAULT_WORKSPACE, read_models
from gitruns.exchange.mlflow.places import ArtifactFolders
from gitruns.exchange.mlflow.records import (
    COMMIT_TAG,
    NAMESPACE,
    ModelPoint,
    ModelRecord,
    RunRecord,
    dataset_of,
    foreign_model,
    foreign_run,
    time_of,
)
from gitruns.exchange.mlflow.sql_tables import Row, Tables, pieces

_RUN = (
    *("run_uuid", "name", "source_name", "user_id", "status", "start_time", "end_time", "source_version"),
    *("lifecycle_stage", "artifact_uri", "experiment_id"),
)
_MODEL = (
    *("model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms", "last_updated_timestamp_ms"),
    *("status", "lifecycle_stage", "model_type", "source_run_id", "status_message"),
)
_NEVER_CARRIED = {
    "trace_info": "traces",
    "assessments": "assessments",
    "evaluation_datasets": "evaluation datasets",
    "scorers": "scorers",
    "webhooks": "webhooks",
    "issues": "issues",
}


class MlflowDatabase:
    """Reads one database. Artifacts are taken from `roots` and below, wherever the database says that they are."""

    namespace = NAMESPACE

    def __init__(self, tables: Tables, roots: Sequence[Path]) -> None:
        self._tables = tables
        self._places = ArtifactFolders([real_folder(root) for root in roots])
        if not tables.columns("runs") or not tables.columns("experiments"):
            tables.close()
            raise CorruptDataError("this is no database of MLflow: it has no runs and experiments", kind="bad-source")

    def close(self) -> None:
        """Ends the connection."""
        self._tables.close()

    # Experiments

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields the experiments; of a workspace that is not the default one with its name before theirs."""
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._tables.select("experiment_tags", ("experiment_id", "key", "value"), {}):
            tags[str(row["experiment_id"])][row["key"]] = row["value"] or ""
        wanted = ("experiment_id", "name", "lifecycle_stage", "creation_time", "last_update_time", "workspace")
        for row in self._tables.select("experiments", wanted, {}, ["experiment_id"]):
            experiment_id = str(row["experiment_id"])
            try:
                yield _experiment(row, experiment_id, tags.get(experiment_id, {}))
            except GitRunsError as error:
                yield Damage(f"experiment {experiment_id:.60}", str(error))

    # Runs and logged models

    def run_ids(self) -> list[str]:
        """Returns the ids of all runs, in the order in which they began, then those of logged models."""
        runs = [row["run_uuid"] for row in self._tables.select("runs", ("run_uuid",), {}, ["start_time", "run_uuid"])]
        models = self._tables.select("logged_models", ("model_id",), {}, ["creation_timestamp_ms", "model_id"])
        return [*runs, *(row["model_id"] for row in models)]

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs and logged models, or why one cannot be read."""
        for some in pieces(ids):
            yield from self._runs(some)
            yield from self._models(some)

    def _runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        rows = list(self._tables.select("runs", _RUN, {"run_uuid": ids}, ["start_time", "run_uuid"]))
        if not rows:
            return
        found = [row["run_uuid"] for row in rows]
        params = self._texts("params", "run_uuid", "key", "value", found)
        tags = self._texts("tags", "run_uuid", "key", "value", found)
        inputs = self._inputs(found)
        read = self._models_of("RUN_INPUT", found)
        made = self._models_of("RUN_OUTPUT", found)
        for row in rows:
            run_id = row["run_uuid"]
            try:
                yield self._run(
                    row, params[run_id], tags[run_id], inputs[run_id], [one for one, _ in read[run_id]], made[run_id]
                )
            except (GitRunsError, TypeError, ValueError) as error:
                yield Damage(f"run {run_id!s:.60}", str(error))

    def _run(
        self,
        row: Row,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        inputs: Sequence[DatasetInput],
        read: Sequence[str],
        made: Sequence[tuple[str, int]],
    ) -> ForeignRun:
        run_id = row["run_uuid"]
        return foreign_run(
            RunRecord(
                info={**row, "run_id": run_id},
                params=params,
                tags=tags,
                inputs=tuple(inputs),
                input_models=read,
                output_models=made,
                points=lambda: self._points(run_id),
                artifacts=lambda: self._places.files(
                    row["artifact_uri"] or "", None, f"{row['experiment_id']}/{run_id}/artifacts", f"run {run_id}"
                ),
            )
        )

    def _points(self, run_id: str) -> Iterator[Point]:
        wanted = ("key", "value", "timestamp", "step", "is_nan")
        for row in self._tables.select(
            "metrics", wanted, {"run_uuid": [run_id]}, ["key", "timestamp", "step", "value"]
        ):
            yield Point(row["key"], int(row["step"] or 0), int(row["timestamp"] or 0), _value(row))

    def _texts(
        self, table: str, owner: str, key: str, value: str, ids: Sequence[str]
    ) -> defaultdict[str, dict[str, str]]:
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for row in self._tables.select(table, (owner, key, value), {owner: ids}, [owner, key]):
            found[row[owner]][row[key]] = "" if row[value] is None else str(row[value])
        return found

    def _inputs(self, ids: Sequence[str]) -> defaultdict[str, list[DatasetInput]]:
        edges = ("input_uuid", "source_type", "source_id", "destination_type", "destination_id")
        where = {"source_type": ["DATASET"], "destination_type": ["RUN"], "destination_id": ids}
        links = list(self._tables.select("inputs", edges, where))
        named = list({link["source_id"] for link in links})
        datasets: dict[str, Row] = {}
        columns = (
            *("dataset_uuid", "name", "digest", "dataset_source_type", "dataset_source"),
            *("dataset_schema", "dataset_profile"),
        )
        for some in pieces(named):
            datasets |= {
                row["dataset_uuid"]: row for row in self._tables.select("datasets", columns, {"dataset_uuid": some})
            }
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for some in pieces([link["input_uuid"] for link in links]):
            for row in self._tables.select("input_tags", ("input_uuid", "name", "value"), {"input_uuid": some}):
                tags[row["input_uuid"]][row["name"]] = row["value"]
        found: defaultdict[str, list[DatasetInput]] = defaultdict(list)
        for link in links:
            given = datasets.get(link["source_id"])
            if given is not None:
                plain = {key.removeprefix("dataset_"): value for key, value in given.items()}
                found[link["destination_id"]].append(dataset_of(plain, tags.get(link["input_uuid"], {})))
        return found

    def _models_of(self, kind: str, ids: Sequence[str]) -> defaultdict[str, list[tuple[str, int]]]:
        """Returns the logged models that runs read (`RUN_INPUT`) or made (`RUN_OUTPUT`), each with its step."""
        columns = ("source_id", "destination_id", "step")
        found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for row in self._tables.select("inputs", columns, {"source_type": [kind], "source_id": ids}):
            found[row["source_id"]].append((row["destination_id"], int(row["step"] or 0)))
        return found

    def _models(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        rows = list(
            self._tables.select("logged_models", _MODEL, {"model_id": ids}, ["creation_timestamp_ms", "model_id"])
        )
        if not rows:
            return
        found = [row["model_id"] for row in rows]
        params = self._texts("logged_model_params", "model_id", "param_key", "param_value", found)
        tags = self._texts("logged_model_tags", "model_id", "tag_key", "tag_value", found)
        points = self._model_points(found)
        makers = self._commits([row["source_run_id"] for row in rows if row["source_run_id"]])
        for row in rows:
            model_id = row["model_id"]
            try:
                yield foreign_model(
                    ModelRecord(
                        info={key.removesuffix("_ms"): value for key, value in row.items()},
                        params=params[model_id],
                        tags=tags[model_id],
                        points=points[model_id],
                        artifacts=self._artifacts_of_model(row),
                        deleted=row["lifecycle_stage"] == "deleted",
                    ),
                    makers,
                )
            except (GitRunsError, TypeError, ValueError) as error:
                yield Damage(f"model {model_id!s:.60}", str(error))

    def _artifacts_of_model(self, row: Row) -> Any:
        usual = f"{row['experiment_id']}/models/{row['model_id']}/artifacts"
        return lambda: self._places.files(row["artifact_location"] or "", None, usual, f"model {row['model_id']}")

    def _model_points(self, ids: Sequence[str]) -> defaultdict[str, list[ModelPoint]]:
        columns = (
            *("model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value"),
            *("run_id", "dataset_name", "dataset_digest"),
        )
        found: defaultdict[str, list[ModelPoint]] = defaultdict(list)
        order = ["model_id", "metric_name", "metric_timestamp_ms", "metric_step"]
        for row in self._tables.select("logged_model_metrics", columns, {"model_id": ids}, order):
            found[row["model_id"]].append(
                ModelPoint(
                    metric=row["metric_name"],
                    step=int(row["metric_step"]),
                    time_ms=int(row["metric_timestamp_ms"]),
                    value=math.nan if row["metric_value"] is None else float(row["metric_value"]),
                    run=row["run_id"],
                    dataset=row["dataset_name"],
                    digest=row["dataset_digest"],
                )
            )
        return found

    def _commits(self, run_ids: Sequence[str]) -> dict[str, str | None]:
        """Returns those runs that are there, each with the commit that it names."""
        found: dict[str, str | None] = {}
        for some in pieces(sorted(set(run_ids))):
            found |= {row["run_uuid"]: None for row in self._tables.select("runs", ("run_uuid",), {"run_uuid": some})}
            where = {"run_uuid": some, "key": [COMMIT_TAG]}
            found |= {
                row["run_uuid"]: row["value"] for row in self._tables.select("tags", ("run_uuid", "value"), where)
            }
        return found

    # The rest

    def models(self) -> Iterator[ForeignModel | Damage]:
        """Yields the registered models."""
        yield from read_models(self._tables)

    def left_out(self) -> Mapping[str, int]:
        """Returns how many traces, assessments and so on there are."""
        return {word: self._tables.count(table) for table, word in _NEVER_CARRIED.items()}


def _experiment(row: Row, experiment_id: str, tags: Mapping[str, str]) -> ForeignExperiment:
    workspace = row["workspace"] or DEFAULT_WORKSPACE
    name = row["name"] or experiment_id
    return ForeignExperiment(
        id=experiment_id,
        name=name if workspace == DEFAULT_WORKSPACE else f"{workspace}/{name}",
        tags=tags,
        created_ms=time_of(row["creation_time"]),
        updated_ms=time_of(row["last_update_time"]),
        deleted=row["lifecycle_stage"] == "deleted",
    )


def _value(row: Row) -> float:
    if row["is_nan"] or row["value"] is None:
        return math.nan
    return float(row["value"])
