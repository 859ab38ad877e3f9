"""Logged models of an MLflow database: those of MLflow 3, with their params, tags, points and artifacts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import Damage, ForeignFile, ForeignRun
from gitruns.exchange.mlflow.places import ArtifactFolders
from gitruns.exchange.mlflow.records import COMMIT_TAG, ModelPoint, ModelRecord, foreign_model
from gitruns.exchange.mlflow.sql_tables import Row, Tables, pieces

_MODEL = (
    *("model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms", "last_updated_timestamp_ms"),
    *("status", "lifecycle_stage", "model_type", "source_run_id", "status_message"),
)


def read_logged(tables: Tables, ids: Sequence[str], places: ArtifactFolders) -> Iterator[ForeignRun | Damage]:
    """Yields those of some ids that are logged models, or why one cannot be read."""
    rows = list(tables.select("logged_models", _MODEL, {"model_id": ids}, ["creation_timestamp_ms", "model_id"]))
    if not rows:
        return
    found = [row["model_id"] for row in rows]
    params = texts_of(tables, "logged_model_params", "model_id", "param_key", "param_value", found)
    tags = texts_of(tables, "logged_model_tags", "model_id", "tag_key", "tag_value", found)
    points = _points(tables, found)
    makers = _commits(tables, [row["source_run_id"] for row in rows if row["source_run_id"]])
    for row in rows:
        model_id = row["model_id"]
        try:
            record = ModelRecord(
                info={key.removesuffix("_ms"): value for key, value in row.items()},
                params=params[model_id],
                tags=tags[model_id],
                points=points[model_id],
                artifacts=_artifacts(row, places),
                deleted=row["lifecycle_stage"] == "deleted",
            )
            yield foreign_model(record, makers)
        except (GitRunsError, TypeError, ValueError) as error:
            yield Damage(f"model {model_id!s:.60}", str(error))


def texts_of(
    tables: Tables, table: str, owner: str, key: str, value: str, ids: Sequence[str]
) -> defaultdict[str, dict[str, str]]:
    """Returns keys and texts of each of some owners: params and tags."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in tables.select(table, (owner, key, value), {owner: ids}, [owner, key]):
        found[row[owner]][row[key]] = "" if row[value] is None else str(row[value])
    return found


def _artifacts(row: Row, places: ArtifactFolders) -> Callable[[], Iterable[ForeignFile | Damage]]:
    usual = f"{row['experiment_id']}/models/{row['model_id']}/artifacts"
    return lambda: places.files(row["artifact_location"] or "", None, usual, f"model {row['model_id']}")


def _points(tables: Tables, ids: Sequence[str]) -> defaultdict[str, list[ModelPoint]]:
    columns = (
        *("model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value"),
        *("run_id", "dataset_name", "dataset_digest"),
    )
    found: defaultdict[str, list[ModelPoint]] = defaultdict(list)
    order = ["model_id", "metric_name", "metric_timestamp_ms", "metric_step"]
    for row in tables.select("logged_model_metrics", columns, {"model_id": ids}, order):
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


def _commits(tables: Tables, run_ids: Sequence[str]) -> dict[str, str | None]:
    """Returns those runs that are there, each with the commit that it names."""
    found: dict[str, str | None] = {}
    for some in pieces(sorted(set(run_ids))):
        found |= {row["run_uuid"]: None for row in tables.select("runs", ("run_uuid",), {"run_uuid": some})}
        rows = tables.select("tags", ("run_uuid", "value"), {"run_uuid": some, "key": [COMMIT_TAG]})
        found |= {row["run_uuid"]: row["value"] for row in rows}
    return found
