"""An MLflow database, read table by table; the columns that a version of MLflow does not have are left out.

Experiments, runs, histories, datasets, logged models and the registry. Runs are read many at once: a question a table,
not a question a run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.exchange.folders import real_folder
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun
from gitruns.exchange.mlflow.database_logged import read_logged, texts_of
from gitruns.exchange.mlflow.database_registry import DEFAULT_WORKSPACE, read_models
from gitruns.exchange.mlflow.places import ArtifactFolders
from gitruns.exchange.mlflow.records import (
    NAMESPACE,
    RunRecord,
    dataset_of,
    foreign_run,
    time_of,
)
from gitruns.exchange.mlflow.sql_tables import Row, Tables, pieces

_RUN = (
    *("run_uuid", "name", "source_name", "user_id", "status", "start_time", "end_time", "source_version"),
    *("lifecycle_stage", "artifact_uri", "experiment_id"),
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
            yield from read_logged(self._tables, some, self._places)

    def _runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        rows = list(self._tables.select("runs", _RUN, {"run_uuid": ids}, ["start_time", "run_uuid"]))
        if not rows:
            return
        found = [row["run_uuid"] for row in rows]
        params = texts_of(self._tables, "params", "run_uuid", "key", "value", found)
        tags = texts_of(self._tables, "tags", "run_uuid", "key", "value", found)
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
