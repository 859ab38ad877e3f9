"""The three lines that go into a training script: log to whatever run is current.

    with gitruns.start_run():
        gitruns.log_param("lr", 0.01)
        gitruns.log_metric("loss", loss, step=step)

Names and meanings are MLflow's. A log call without a run starts one, which ends with the script. Logging never
raises for what is not the caller's doing; the caller's mistakes raise `InvalidInputError`, or are warned of with
`GITRUNS_ON_ERROR=warn`.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gitruns.errors import GitRunsError, GitRunsWarning, InvalidInputError
from gitruns.tracking import contents
from gitruns.tracking.active import ActiveRuns
from gitruns.tracking.client import Client, status_of
from gitruns.tracking.endings import Ending, EndWatch, ending_of
from gitruns.tracking.settings import settings_from
from gitruns.tracking.views import Experiment, Run, RunInfo, experiment_view

if TYPE_CHECKING:
    from gitruns.entities.dataset import DatasetInput
    from gitruns.entities.experiment import Experiment as StoredExperiment
    from gitruns.repo import RunLog
    from gitruns.tracking.session import Session

_active = ActiveRuns()
_lock = threading.RLock()
_sessions: dict[tuple[str, ...], Session] = {}
_experiment: StoredExperiment | None = None
_last_run: RunLog | None = None
_environment_run_used = False
_samplers: dict[str, Callable[[], None]] = {}


def _session() -> Session:
    """The place to log into, opened once for each working directory and setting."""
    named = tuple(
        os.environ.get(name, "") for name in ("GITRUNS_REPO", "GITRUNS_JOURNAL", "GITRUNS_SOURCE", "GITRUNS_RUN_ID")
    )
    key = (os.getcwd(), os.environ.get("GITRUNS_ON_ERROR", ""), os.environ.get("GITRUNS_EXPERIMENT", ""), *named)  # noqa: PTH109  a str is wanted, and this is a hot path
    with _lock:
        if key not in _sessions:
            from gitruns.tracking.session import Session  # git and all of repo come with it: not at import

            _sessions[key] = Session.open()
        return _sessions[key]


def _close_sessions() -> None:
    for session in list(_sessions.values()):
        session.place.close()


def _end_all(ending: Ending) -> None:
    for log in _active.open_runs():
        _end(log, ending)


_ends = EndWatch(_end_all, _close_sessions)


class ActiveRun:
    """An open run: usable as a context manager, with `info` and `data` as they stand now."""

    def __init__(self, log: RunLog, session: Session) -> None:
        self._log = log
        self._session = session

    @property
    def info(self) -> RunInfo:
        """Facts about the run."""
        return self._view().info

    @property
    def data(self) -> Any:
        """Params, last values of metrics, and tags, as logged so far."""
        return self._view().data

    def _view(self) -> Run:
        return Client(session=self._session).get_run(self._log.run_id)

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._log, ending_of(error))

    @property
    def log(self) -> RunLog:
        """The open log behind it, for other faces that log into it."""
        return self._log

    def __repr__(self) -> str:
        return f"<ActiveRun {self._log.info.name} {self._log.run_id}>"


# Experiments


def set_experiment(experiment_name: str | None = None, *, experiment_id: str | None = None) -> Experiment | None:
    """Makes runs that start from now on belong to this experiment, creating it on first use; returns it.

    On a node that only keeps journals (GITRUNS_JOURNAL) the experiment is created when they are collected, and None
    is returned. Raises `InvalidInputError` for a deleted experiment.
    """
    global _experiment
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidInputError("give either experiment_name or experiment_id", kind="bad-argument")
    place = _session().place
    _experiment = place.experiment_for_start(experiment_id, experiment_name)
    return experiment_view(_experiment) if place.keeps_runs else None


# Runs


def start_run(
    run_id: str | None = None,
    *,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool = False,
    live: float | bool | None = None,
) -> ActiveRun:
    """Starts a run, or opens run `run_id` again, and makes it current; use it as a context manager or `end_run`.

    `nested` makes it a child of the current run; without it a current run raises `InvalidInputError` (in a notebook
    the run left open is ended with a note). `log_system_metrics` samples processor, memory, disk, network and GPU in
    the background. `live` lets others watch the run: a process beside it pushes how it stands to the remote, every
    half minute for True, else every so many seconds; None does as `GITRUNS_LIVE` says. Raises `NotFoundError` outside
    a repository, with the ways out.
    """
    global _last_run
    own = _active.own()
    if own is not None and not nested:
        _make_room(own)
    parent = parent_run_id or (own.run_id if own is not None and nested else None)
    session, log = _open(run_id, experiment_id, run_name, parent, tags, description, live)
    _ends.install()
    _active.push(log)
    _last_run = log
    if log_system_metrics:
        _samplers[log.run_id] = contents.start_system_metrics(log)
    return ActiveRun(log, session)


def _open(
    run_id: str | None,
    experiment_id: str | None,
    run_name: str | None,
    parent: str | None,
    tags: Mapping[str, Any] | None,
    description: str | None,
    live: float | bool | None = None,
) -> tuple[Session, RunLog]:
    lenient = settings_from(os.environ).lenient
    try:
        session = _session()
        run_id = run_id or (_run_id_of_environment(session) if parent is None else None)
        if run_id is not None:
            log = session.resume(run_id, live=live)
            if tags:
                log.set_tags(tags)
            return session, log
        chosen = _experiment if experiment_id is None else None
        return session, session.start(
            experiment_id=chosen.id if chosen else experiment_id,
            experiment_name=chosen.name if chosen and not session.place.keeps_runs else None,
            run_name=run_name,
            parent_run_id=parent,
            tags=tags,
            description=description,
            live=live,
        )
    except GitRunsError as error:
        if not lenient:
            raise
        hint = f" (hint: {error.hint})" if error.hint else ""
        warnings.warn(f"gitruns: this run is not recorded: {error}{hint}", GitRunsWarning, stacklevel=3)
        from gitruns.tracking.session import Session

        session = Session.throwaway(os.environ)
        return session, session.start()


def _run_id_of_environment(session: Session) -> str | None:
    """Returns the run that `GITRUNS_RUN_ID` names, once: the next run of the process is one of its own."""
    global _environment_run_used
    if _environment_run_used:
        return None
    _environment_run_used = session.settings.run_id is not None
    return session.settings.run_id


def _make_room(open_run: RunLog) -> None:
    if not contents.in_notebook():
        raise InvalidInputError(
            f"run '{open_run.info.name}' ({open_run.run_id[:8]}) is still active",
            kind="run-already-active",
            hint="end it with gitruns.end_run(), or start this one with nested=True",
        )
    open_run.set_tags({"gitruns.ended_by": "the next run of the notebook"})
    _end(open_run, ending_of(None))


def active_run() -> ActiveRun | None:
    """Returns the current run, or None."""
    log = _active.current()
    return ActiveRun(log, _session()) if log is not None else None


def current_log() -> RunLog | None:
    """Returns the open log of the current run, or None: for other faces that log into it."""
    return _active.current()


def last_log() -> RunLog | None:
    """Returns the log of the run that was started last in this process, current or ended, or None."""
    return _last_run


def last_active_run() -> Run | None:
    """Returns the run that was started last in this process, current or ended, or None."""
    return client_here().get_run(_last_run.run_id) if _last_run is not None else None


def end_run(status: str = "FINISHED") -> None:
    """Ends the current run with a status and seals it into git; does nothing when there is none."""
    word = status_of(status)
    log = _active.current()
    if log is not None:
        _end(log, Ending(status=word))


def _end(log: RunLog, ending: Ending) -> None:
    stop = _samplers.pop(log.run_id, None)
    if stop is not None:
        stop()
    if contents.in_notebook() and log.owned_here:
        contents.keep_cells(log)
    log.end(ending.status, exit_code=ending.exit_code, error=ending.error)
    _active.pop(log)


def client_here() -> Client:
    """Returns the client of the repository that is logged into now."""
    return Client(session=_session())


def chosen_experiment() -> StoredExperiment | None:
    """Returns what `set_experiment` has chosen, or None."""
    return _experiment


# Logging


def _current() -> RunLog:
    log = _active.current()
    if log is None:
        start_run()
        log = _active.current()
        assert log is not None  # noqa: S101  start_run has pushed it, or raised
    return log


def log_metric(
    key: str, value: Any, step: int | None = None, synchronous: bool | None = None, timestamp: int | None = None
) -> None:
    """Logs one point of a metric to the current run; when it returns, a kill of the process cannot lose it.

    `value` is a number or a numpy, torch or jax scalar, stored as float64; `step` an integer (0), `timestamp`
    milliseconds UTC (now). `synchronous` is accepted for MLflow's sake: logging always is, and takes microseconds.
    """
    _current().log_metric(key, value, step, timestamp)


def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
) -> None:
    """Logs one point each of some metrics to the current run, as one record: all of them survive, or none."""
    _current().log_metrics(metrics, step, timestamp)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Logs one param to the current run and returns its value; a param is write-once, the same value again is fine."""
    _current().log_params({key: value})
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Logs params to the current run: all of them, or none when one is refused."""
    _current().log_params(params)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Sets a tag of the current run; the later value stands."""
    _current().set_tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Sets tags of the current run."""
    _current().set_tags(tags)


def delete_tag(key: str) -> None:
    """Takes a tag of the current run away; raises `InvalidInputError` when it has none of that key."""
    _current().delete_tag(key)


def set_note(text: str) -> None:
    """Sets the note (the description) of the current run."""
    _current().set_tags({"mlflow.note.content": text})


def log_input(dataset: Any, context: str | None = None, *, name: str | None = None) -> DatasetInput | None:
    """Logs a dataset that the current run reads, and returns what is kept of it: digest, schema, source.

    `dataset` is a pandas DataFrame, a numpy array, a path, or a `DatasetInput`; the data itself is not copied. None is
    returned when it could not be read, which is warned of.
    """
    return contents.log_input(_current(), dataset, context, name)


def log_artifact(local_path: str | Path, artifact_path: str | None = None) -> None:
    """Keeps a file (or a folder) as artifacts of the current run, below `artifact_path`."""
    _current().add_path(Path(local_path), artifact_path)


def log_artifacts(local_dir: str | Path, artifact_path: str | None = None) -> None:
    """Keeps all files of a folder as artifacts of the current run, below `artifact_path`."""
    contents.log_folder(_current(), Path(local_dir), artifact_path)


def log_text(text: str, artifact_file: str) -> None:
    """Keeps text as an artifact of the current run."""
    contents.log_text(_current(), text, artifact_file)


def log_dict(dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
    """Keeps a mapping or list as an artifact: YAML by the ending `.yaml` or `.yml`, else JSON."""
    contents.log_dict(_current(), dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str) -> None:
    """Keeps a matplotlib or plotly figure as an artifact, in the form that the ending says."""
    contents.log_figure(_current(), figure, artifact_file)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
) -> None:
    """Keeps a numpy or PIL image as an artifact: a named file, or one of a `key`'s images at a `step`."""
    contents.log_image(_current(), image, artifact_file, key=key, step=step, time_ms=timestamp)


def log_table(data: Any, artifact_file: str) -> None:
    """Keeps a table (DataFrame or mapping of columns) as a JSON artifact; the same file again appends rows."""
    contents.log_table(_current(), data, artifact_file, _session().place)


def flush() -> None:
    """Returns when all that was logged to the current run is on disk; without a run, at once."""
    log = _active.current()
    if log is not None:
        log.flush()
