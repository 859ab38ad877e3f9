"""`MlflowClient`: every call names its run. Meanings and refusals are those of `protocol`, which all doors share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.entities.values import param_text
from gitruns.mlflow import absent
from gitruns.mlflow.address import get_tracking_uri, hub_named, settle
from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.views import (
    experiment_record,
    metric_record,
    run_record,
    stored_input,
)
from gitruns.mlflow.entities.words import ViewType
from gitruns.mlflow.exceptions import all_speak_mlflow, refused
from gitruns.mlflow.figures import log_figure_in
from gitruns.mlflow.logged_models import LoggedModelCalls
from gitruns.mlflow.registry import RegistryCalls
from gitruns.protocol import checks, experiments, history, logging, runs
from gitruns.protocol import datasets as inputs
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import PARENT_TAG, lifecycle_of
from gitruns.repo import RunLog
from gitruns.tracking import contents
from gitruns.tracking.search import PagedList

Tags = Mapping[str, Any] | None


@all_speak_mlflow
class MlflowClient(RegistryCalls, LoggedModelCalls):
    """Reads and writes the runs and models of one repository: `tracking_uri`, by default the one that is logged into.

    `registry_uri` is accepted for MLflow's sake: the registry is where the runs are.
    """

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self._uri = tracking_uri

    @property
    def tracking_uri(self) -> str:
        """Where it logs to."""
        return self._uri or get_tracking_uri()

    @property
    def hub(self) -> Hub:
        """The repository behind this client."""
        settle()
        return hub_named(self._uri)

    def __getattr__(self, name: str) -> Any:
        if name in absent.CLIENT_NAMES:
            return absent.Absent(f"MlflowClient.{name}")
        raise AttributeError(f"'MlflowClient' object has no attribute '{name}'")

    # Experiments

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Tags = None) -> str:
        """Creates an experiment and returns its id; artifacts are kept with the runs, not at an `artifact_location`."""
        if artifact_location:
            raise refused(
                "artifact_location is not taken: artifacts are kept with the runs",
                hint="a store for all of them is set with: git runs store",
            )
        return experiments.create_experiment(self.hub, name, None, [(key, str(value)) for key, value in _items(tags)])

    def get_experiment(self, experiment_id: str) -> records.Experiment:
        """Returns an experiment, deleted or not."""
        return experiment_record(experiments.get_experiment(self.hub, experiment_id))

    def get_experiment_by_name(self, name: str) -> records.Experiment | None:
        """Returns the experiment of a name, deleted or not, or None."""
        found = experiments.get_experiment_by_name(self.hub, name)
        return None if found is None else experiment_record(found)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.Experiment]:
        """Returns one page of experiments, those created last first unless `order_by` says otherwise."""
        found, token = experiments.search_experiments(
            self.hub,
            lifecycle=lifecycle_of(view_type),
            max_results=checks.MAX_RESULTS if max_results is None else max_results,
            filter=filter_string,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([experiment_record(one) for one in found], token or None)

    def delete_experiment(self, experiment_id: str) -> None:
        """Deletes an experiment and with it its runs, until it is restored."""
        experiments.delete_experiment(self.hub, experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Brings an experiment and its runs back."""
        experiments.restore_experiment(self.hub, experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Gives an experiment another name; its id stays."""
        experiments.rename_experiment(self.hub, experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Sets a tag of an experiment."""
        experiments.set_experiment_tag(self.hub, experiment_id, key, str(value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Takes a tag of an experiment away."""
        experiments.delete_experiment_tag(self.hub, experiment_id, key)

    # Runs

    def create_run(
        self, experiment_id: str, start_time: int | None = None, tags: Tags = None, run_name: str | None = None
    ) -> records.Run:
        """Begins a run; it stays open until `set_terminated`. A `start_time` of 0 is now, as in MLflow."""
        given = [(key, str(value)) for key, value in _items(tags)]
        return run_record(
            runs.create_run(self.hub, experiment_id, start_time_ms=start_time or None, tags=given, run_name=run_name)
        )

    def get_run(self, run_id: str) -> records.Run:
        """Returns a run as it stands now, live or ended, deleted or not."""
        return run_record(runs.get_run(self.hub, run_id))

    def get_parent_run(self, run_id: str) -> records.Run | None:
        """Returns the run that a run is nested in, or None."""
        parent = self.get_run(run_id).data.tags.get(PARENT_TAG)
        return None if parent is None else self.get_run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.Run]:
        """Returns one page of runs; its `token` asks for the next."""
        found, token = runs.search_runs(
            self.hub,
            [experiment_ids] if isinstance(experiment_ids, (str, int)) else experiment_ids,
            filter=filter_string,
            lifecycle=lifecycle_of(run_view_type),
            max_results=max_results,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([run_record(one) for one in found], token or None)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Changes status and name of a run."""
        runs.update_run(self.hub, run_id, status=None if status is None else _status(status), name=name)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """Ends a run and seals it into git."""
        end_ms = time.time_ns() // 1_000_000 if end_time is None else end_time
        runs.update_run(self.hub, run_id, status=_status(status or "FINISHED"), end_time_ms=end_ms)

    def delete_run(self, run_id: str) -> None:
        """Deletes a run until it is restored."""
        runs.delete_run(self.hub, run_id)

    def restore_run(self, run_id: str) -> None:
        """Brings a run back."""
        runs.restore_run(self.hub, run_id)

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
            self.log_on_models(run_id, [metric])

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
        self.log_on_models(run_id, metrics)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[records.DatasetInput] | None = None,
        models: Sequence[records.LoggedModelInput] | None = None,
    ) -> None:
        """Logs datasets and logged models that a run reads; a dataset is kept once a run."""
        given = [stored_input(one) for one in datasets or ()]
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
        note_table(self, run_id, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> Any:
        """Returns the tables of that name of some runs, by default of all of the experiment, as one DataFrame."""
        from gitruns.mlflow.tables import load_tables

        return load_tables(self, experiment_id, artifact_file, run_ids, extra_columns)

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

    def __repr__(self) -> str:
        return f"<MlflowClient {self.tracking_uri}>"


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


def _items(tags: Tags) -> Iterable[tuple[str, Any]]:
    return (tags or {}).items()


def _status(word: str) -> RunStatus:
    try:
        return RunStatus(str(word).upper())
    except ValueError:
        raise refused(
            f"Invalid run status '{word}': it is none of {', '.join(one.value for one in RunStatus)}"
        ) from None


def folder_below(path: Path, artifact_path: str | None) -> str | None:
    """Returns where a file or folder goes that is logged as one artifact: a folder keeps its name."""
    if not path.is_dir():
        return artifact_path
    return f"{artifact_path}/{path.resolve().name}" if artifact_path else path.resolve().name
