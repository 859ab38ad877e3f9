"""Which run is current: started, ended and looked at with MLflow's calls. It is the current run of `gitruns` too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from gitruns.entities.names import MAX_NAME_LENGTH, check_text
from gitruns.mlflow.address import current_hub, settle
from gitruns.mlflow.client import MlflowClient
from gitruns.mlflow.entities import records
from gitruns.mlflow.exceptions import speaks_mlflow
from gitruns.protocol.shown import PARENT_TAG, RUN_NAME_TAG
from gitruns.repo import RunLog
from gitruns.tracking import fluent as native
from gitruns.tracking.fluent import ActiveRun as Opened

RUN_VARIABLE = "MLFLOW_RUN_ID"
EXPERIMENT_ID_VARIABLE = "MLFLOW_EXPERIMENT_ID"
EXPERIMENT_NAME_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
SYSTEM_METRICS_VARIABLE = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"

_experiment_id: str | None = None


class ActiveRun(records.Run):
    """An open run: usable as a context manager, with `info` and `data` as they stood when it was started."""

    def __init__(self, run: records.Run, opened: Opened) -> None:
        super().__init__(run.info, run.data, run.inputs, run.outputs)
        self._opened = opened

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<ActiveRun {self.info.run_name} {self.info.run_id}>"


@speaks_mlflow
def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None, trace_location: Any = None
) -> records.Experiment | None:
    """Makes runs that start from now on belong to this experiment, creating it on first use; returns it."""
    global _experiment_id
    if trace_location is not None:
        from gitruns.mlflow.absent import refuse

        refuse("set_experiment(trace_location=…)")
    settle()
    found = native.set_experiment(experiment_name, experiment_id=experiment_id)
    _experiment_id = None if found is None else found.experiment_id
    return None if found is None else MlflowClient().get_experiment(found.experiment_id)


def experiment_id() -> str:
    """Returns the experiment that a run started now would belong to."""
    run = active_run()
    if run is not None:
        return run.info.experiment_id
    _settle_experiment()
    if _experiment_id is not None:
        return _experiment_id
    hub = current_hub()
    configured = hub.session.settings.experiment or hub.repo.config.experiment
    found = None if configured is None else hub.repo.find_experiment(configured)
    return "0" if found is None else str(found.id)


def _settle_experiment() -> None:
    """Does what the environment says of the experiment, if nobody has chosen one."""
    if _experiment_id is not None:
        return
    chosen, name = os.environ.get(EXPERIMENT_ID_VARIABLE), os.environ.get(EXPERIMENT_NAME_VARIABLE)
    if chosen:
        set_experiment(experiment_id=chosen)
    elif name:
        set_experiment(name)


@speaks_mlflow
def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Starts a run, or opens run `run_id` again, and makes it current; use it as a context manager or `end_run`."""
    settle()
    if run_id is None and not nested and parent_run_id is None:
        run_id = os.environ.pop(RUN_VARIABLE, None)
    if run_id is None and experiment_id is None:
        _settle_experiment()
    if log_system_metrics is None:
        log_system_metrics = os.environ.get(SYSTEM_METRICS_VARIABLE, "").lower() in ("true", "1")
    opened = native.start_run(
        run_id,
        experiment_id=experiment_id,
        run_name=run_name,
        nested=nested,
        parent_run_id=parent_run_id,
        tags=tags,
        description=description,
        log_system_metrics=log_system_metrics,
    )
    if run_id is not None and run_name:
        opened.log.set_fields({"name": check_text("run name", run_name, MAX_NAME_LENGTH)})
    _share(opened.log)
    return ActiveRun(_as_it_stands(opened.log), opened)


def keeps_runs() -> bool:
    """Returns whether there is a repository to ask: a node that only keeps journals has none."""
    return not os.environ.get("GITRUNS_JOURNAL")


def _share(log: RunLog) -> None:
    """Lets clients of this process log through the same open log."""
    if keeps_runs():
        current_hub().logs.began(log)


def _as_it_stands(log: RunLog) -> records.Run:
    if keeps_runs():
        return MlflowClient().get_run(log.run_id)
    info = log.info  # a node that only keeps journals: nothing can be asked
    tags = {RUN_NAME_TAG: info.name} | ({PARENT_TAG: info.parent_run_id} if info.parent_run_id else {})
    facts = records.RunInfo(
        run_id=info.id,
        experiment_id=str(info.experiment_id),
        user_id=info.user or "",
        status=info.status.value,
        start_time=info.start_time_ms,
        end_time=info.end_time_ms,
        lifecycle_stage=info.lifecycle.value,
        artifact_uri=f"runs:/{info.id}",
        run_name=info.name,
    )
    return records.Run(facts, records.RunData({}, {}, tags))


@speaks_mlflow
def end_run(status: str = "FINISHED") -> None:
    """Ends the current run with a status and seals it into git; does nothing when there is none."""
    native.end_run(status)


@speaks_mlflow
def active_run() -> ActiveRun | None:
    """Returns the current run as it stands now, or None."""
    opened = native.active_run()
    return None if opened is None else ActiveRun(_as_it_stands(opened.log), opened)


@speaks_mlflow
def last_active_run() -> records.Run | None:
    """Returns the run that was started last in this process, current or ended, or None."""
    found = native.last_active_run()
    return None if found is None else MlflowClient().get_run(found.info.run_id)


@speaks_mlflow
def current_log() -> RunLog:
    """Returns the open log of the current run, which is started when there is none."""
    log = native.current_log()
    if log is None:
        start_run()
        log = native.current_log()
        assert log is not None  # noqa: S101  start_run has made it current, or raised
    return log


def current_run_id() -> str:
    """Returns the id of the current run, which is started when there is none."""
    return str(current_log().run_id)


@speaks_mlflow
def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Returns the address of the current run's artifacts, or of a path below them."""
    root = _as_it_stands(current_log()).info.artifact_uri
    return f"{root}/{artifact_path.lstrip('/')}" if artifact_path else root
