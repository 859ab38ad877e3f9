"""Tables that `log_table` wrote, read back over many runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gitruns.exchange import import_extra
from gitruns.mlflow.entities.records import Run
from gitruns.mlflow.entities.views import run_record
from gitruns.mlflow.exceptions import MlflowException, refused
from gitruns.protocol import logging, runs
from gitruns.protocol.artifact_paths import check_path
from gitruns.protocol.artifacts import find_in
from gitruns.protocol.errors import ProtocolError
from gitruns.protocol.hub import Hub

TABLES_TAG = "mlflow.loggedArtifacts"
_LARGEST_PAGE = 50_000


def note_table(hub: Hub, run_id: str, artifact_file: str) -> None:
    """Notes a table in the run's tag, where MLflow's own `load_table` looks for it."""
    told = {"path": artifact_file, "type": "table"}
    known = json.loads(runs.find_run(hub, run_id).tags.get(TABLES_TAG, "[]"))
    if told not in known:
        logging.set_tag(hub, run_id, TABLES_TAG, json.dumps([*known, told]))


def load_tables(
    hub: Hub,
    experiment_id: str,
    artifact_file: str,
    run_ids: Sequence[str] | None,
    extra_columns: Sequence[str] | None,
) -> Any:
    """Returns the tables as one DataFrame; `extra_columns` are facts of the run, as `run_id` or `params.lr`."""
    pd = import_extra("pandas", "pandas", "load_table")
    found = _runs(hub, experiment_id, run_ids)
    frames = []
    for run in found:
        frame = _table(hub, run, artifact_file)
        if frame is None:
            continue
        for column in extra_columns or ():
            frame[column] = _fact(run, column)
        frames.append(frame)
    if not frames:
        raise MlflowException(
            "No runs found with the corresponding table artifact.", "RESOURCE_DOES_NOT_EXIST", kind="artifact-not-found"
        )
    return pd.concat(frames, ignore_index=True)


def _runs(hub: Hub, experiment_id: str, run_ids: Sequence[str] | None) -> list[Run]:
    if run_ids is not None:
        return [run_record(runs.get_run(hub, run_id)) for run_id in run_ids]
    return [run_record(one) for one in runs.search_runs(hub, [experiment_id], max_results=_LARGEST_PAGE)[0]]


def _table(hub: Hub, run: Run, artifact_file: str) -> Any:
    import pandas as pd

    try:
        file = find_in(hub, runs.find_run(hub, run.info.run_id), check_path(artifact_file))
    except ProtocolError:
        return None
    with file.open() as source:
        return pd.read_parquet(source) if artifact_file.endswith(".parquet") else pd.read_json(source, orient="split")


def _fact(run: Run, column: str) -> Any:
    kind, dot, key = column.partition(".")
    if dot and kind in ("params", "metrics", "tags"):
        return getattr(run.data, kind).get(key)
    if hasattr(run.info, column):
        return getattr(run.info, column)
    known = {**run.data.tags, **run.data.params, **run.data.metrics}
    if column not in known:
        raise refused(f"Column '{column}' is no fact of run '{run.info.run_id}'")
    return known[column]
