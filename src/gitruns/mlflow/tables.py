"""Tables that `log_table` wrote, read back over many runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gitruns.mlflow.exceptions import MlflowException, refused

if TYPE_CHECKING:
    from gitruns.mlflow.client import MlflowClient
    from gitruns.mlflow.entities.records import Run

TABLES_TAG = "mlflow.loggedArtifacts"
_LARGEST_PAGE = 50_000


def note_table(client: MlflowClient, run_id: str, artifact_file: str) -> None:
    """Notes a table in the run's tag, where MLflow's own `load_table` looks for it."""
    told = {"path": artifact_file, "type": "table"}
    known = json.loads(client.get_run(run_id).data.tags.get(TABLES_TAG, "[]"))
    if told not in known:
        client.set_tag(run_id, TABLES_TAG, json.dumps([*known, told]))


def load_tables(
    client: MlflowClient,
    experiment_id: str,
    artifact_file: str,
    run_ids: Sequence[str] | None,
    extra_columns: Sequence[str] | None,
) -> Any:
    """Returns the tables as one DataFrame; `extra_columns` are facts of the run, as `run_id` or `params.lr`."""
    import pandas as pd

    found = _runs(client, experiment_id, run_ids)
    frames = []
    for run in found:
        frame = _table(client, run, artifact_file)
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


def _runs(client: MlflowClient, experiment_id: str, run_ids: Sequence[str] | None) -> list[Run]:
    if run_ids is not None:
        return [client.get_run(run_id) for run_id in run_ids]
    return list(client.search_runs([experiment_id], max_results=_LARGEST_PAGE))


def _table(client: MlflowClient, run: Run, artifact_file: str) -> Any:
    import pandas as pd

    from gitruns.protocol import runs
    from gitruns.protocol.artifacts import check_path, find_in
    from gitruns.protocol.errors import ProtocolError

    hub = client.hub
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
