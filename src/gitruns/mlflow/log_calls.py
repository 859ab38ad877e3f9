"""The client's calls that log: points, params, tags, data, artifacts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from gitruns.entities.ids import RunId
from gitruns.entities.values import param_text
from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.views import metric_record
from gitruns.mlflow.exceptions import all_speak_mlflow
from gitruns.mlflow.figures import log_figure_in
from gitruns.protocol import checks, history, logging, runs
from gitruns.protocol import datasets as inputs
from gitruns.protocol.hub import Hub
from gitruns.protocol.model_points import log_points_on_models
from gitruns.repo import RunLog
from gitruns.tracking import contents

Tags = Mapping[str, Any] | None


@all_speak_mlflow
class LogCalls:
    """Logs into runs that are named."""

    @property
    def hub(self) -> Hub:
        """The repository behind these calls."""
        raise NotImplementedError

    # Logging

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> None:
        """Logs one point, to a logged model too if one is named."""
        metric = point(key, value, timestamp, step, model_id, dataset_name, dataset_digest)
        logging.log_metric(self.hub, run_id, metric)
        if model_id is not None:
            log_points_on_models(self.hub, run_id, [metric])

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Logs a param and returns its value; the same value again is fine, another one is refused."""
        hub = self.hub
        kept = fitting(key, value)
        known = {name: param_text(one) for name, one in runs.active_run(hub, run_id).params.items()}
        logging.refuse_changed(RunId(run_id), known, {key: str(kept)})
        hub.logs.write(RunId(run_id), lambda log: log.log_params({key: kept}))
        return value

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:
        """Sets a tag."""
        logging.set_tag(self.hub, run_id, key, str(value))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Takes a tag away."""
        logging.delete_tag(self.hub, run_id, key)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[records.Metric] = (),
        params: Sequence[records.Param] = (),
        tags: Sequence[records.RunTag] = (),
        synchronous: bool | None = None,
    ) -> None:
        """Logs points, params and tags; when a param is refused nothing is logged."""
        params = [records.Param(one.key, str(one.value)) for one in params]
        tags = [records.RunTag(one.key, str(one.value)) for one in tags]
        logging.log_batch(self.hub, run_id, list(metrics), params, tags)
        log_points_on_models(self.hub, run_id, metrics)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[records.DatasetInput] | None = None,
        models: Sequence[records.LoggedModelInput] | None = None,
    ) -> None:
        """Logs datasets and logged models that a run reads; a dataset is kept once a run."""
        given = [inputs.dataset_of(one) for one in datasets or ()]
        inputs.log_inputs(self.hub, run_id, given, [one.model_id for one in models or ()])

    def log_outputs(self, run_id: str, models: Sequence[records.LoggedModelOutput]) -> None:
        """Logs that a run made logged models."""
        logging.log_outputs(self.hub, run_id, [(one.model_id, one.step) for one in models])

    def get_metric_history(self, run_id: str, key: str) -> list[records.Metric]:
        """Returns all points of a metric by time, none twice."""
        return [metric_record(one, run_id) for one in history.metric_history(self.hub, run_id, key)]

    # Artifacts

    def log_artifact(self, run_id: str, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Keeps a file (or a folder) as artifacts of a run."""
        path = Path(local_path)
        if not path.exists():
            raise FileNotFoundError(f"No such file or directory: '{local_path}'")
        self._log(run_id).add_path(path, folder_below(path, artifact_path))

    def log_artifacts(self, run_id: str, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Keeps all files of a folder as artifacts of a run."""
        contents.log_folder(self._log(run_id), Path(local_dir), artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Keeps text as an artifact."""
        contents.log_text(self._log(run_id), text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Keeps a mapping or list as an artifact: YAML by the ending, else JSON."""
        contents.log_dict(self._log(run_id), dictionary, artifact_file)

    def log_stream(self, run_id: str, stream: BinaryIO, artifact_file: str) -> None:
        """Keeps what a stream gives as an artifact."""
        self._log(run_id).add_bytes(stream.read(), artifact_file)

    def log_figure(self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Tags = None) -> None:
        """Keeps a matplotlib or plotly figure as an artifact."""
        log_figure_in(self._log(run_id), figure, artifact_file, save_kwargs)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Keeps an image as an artifact: a named file, or one of a `key`'s images at a `step`."""
        contents.log_image(self._log(run_id), image, artifact_file, key=key, step=step, time_ms=timestamp)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Keeps a table as a JSON artifact; the same file again appends rows."""
        from gitruns.mlflow.tables import note_table

        contents.log_table(self._log(run_id), data, artifact_file, self.hub.repo)
        note_table(self.hub, run_id, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> Any:
        """Returns the tables of that name of some runs, by default of all of the experiment, as one DataFrame."""
        from gitruns.mlflow.tables import load_tables

        return load_tables(self.hub, experiment_id, artifact_file, run_ids, extra_columns)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[records.FileInfo]:
        """Returns files and folders directly below a path of a run, by path."""
        from gitruns.mlflow.artifacts import list_of_run

        return list_of_run(self.hub, run_id, path)

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Brings artifacts of a run into a folder (a new one by default) and returns where they are."""
        from gitruns.mlflow.artifacts import download_of_run

        return str(download_of_run(self.hub, run_id, path, dst_path))

    # Inside

    def _log(self, run_id: str) -> RunLog:
        hub = self.hub
        return hub.logs.get(runs.active_run(hub, run_id).info.id)


def point(
    key: str,
    value: Any,
    timestamp: int | None = None,
    step: int | None = None,
    model_id: str | None = None,
    dataset_name: str | None = None,
    dataset_digest: str | None = None,
) -> records.Metric:
    """Returns a point as MLflow's client makes it: any scalar is a float, no time is now, no step is 0."""
    from gitruns.entities.names import check_metric_value

    now = time.time_ns() // 1_000_000 if timestamp is None else timestamp
    number = check_metric_value(key, value)
    return records.Metric(key, number, now, 0 if step is None else step, model_id, dataset_name, dataset_digest)


def fitting(key: str, value: Any) -> Any:
    """Returns a param's value with its type, or as much of its text as MLflow takes of a long one."""
    text = str(value)
    _, kept = checks.check_param(key, text)
    return value if kept == text else kept


def folder_below(path: Path, artifact_path: str | None) -> str | None:
    """Returns where a file or folder goes that is logged as one artifact: a folder keeps its name."""
    if not path.is_dir():
        return artifact_path
    return f"{artifact_path}/{path.resolve().name}" if artifact_path else path.resolve().name
