"""Artifacts of the current run, or of another: MLflow's calls that need no client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from gitruns.mlflow.active import experiment_id, keeps_runs
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.exceptions import speaks_mlflow
from gitruns.mlflow.figures import log_figure_in
from gitruns.mlflow.log_calls import folder_below
from gitruns.mlflow.logging import log_of
from gitruns.mlflow.tables import note_table
from gitruns.tracking import contents
from gitruns.tracking import fluent as native


@speaks_mlflow
def log_artifact(local_path: str | Path, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Keeps a file (or a folder) as artifacts of a run."""
    path = Path(local_path)
    if not path.exists():
        raise FileNotFoundError(f"No such file or directory: '{local_path}'")
    log_of(run_id).add_path(path, folder_below(path, artifact_path))


@speaks_mlflow
def log_artifacts(local_dir: str | Path, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Keeps all files of a folder as artifacts of a run."""
    contents.log_folder(log_of(run_id), Path(local_dir), artifact_path)


@speaks_mlflow
def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keeps text as an artifact."""
    contents.log_text(log_of(run_id), text, artifact_file)


@speaks_mlflow
def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keeps a mapping or list as an artifact: YAML by the ending, else JSON."""
    contents.log_dict(log_of(run_id), dictionary, artifact_file)


@speaks_mlflow
def log_stream(stream: BinaryIO, artifact_file: str, run_id: str | None = None) -> None:
    """Keeps what a stream gives as an artifact."""
    log_of(run_id).add_bytes(stream.read(), artifact_file)


@speaks_mlflow
def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Keeps a matplotlib or plotly figure; `save_kwargs` go to matplotlib's `savefig` or plotly's writer."""
    log_figure_in(log_of(None), figure, artifact_file, save_kwargs)


@speaks_mlflow
def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Keeps an image as an artifact: a named file, or one of a `key`'s images at a `step`."""
    contents.log_image(log_of(None), image, artifact_file, key=key, step=step, time_ms=timestamp)


@speaks_mlflow
def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keeps a table (DataFrame or dict of columns) as an artifact; the same file again appends rows."""
    log = log_of(run_id)
    if native.current_log() is not log:
        MlflowClient().log_table(log.run_id, data, artifact_file)
        return
    native.log_table(data, artifact_file)
    if keeps_runs():
        note_table(MlflowClient().hub, log.run_id, artifact_file)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> Any:
    """Returns the tables of that name of some runs, by default of all of the experiment, as one DataFrame."""
    return MlflowClient().load_table(experiment_id(), artifact_file, run_ids, extra_columns)
