"""The explicit door: every call names its run. The fluent functions are a thin layer over this.

Names and meanings are MLflow's, so that code and people can move over. Logging calls never raise for what is not
the caller's doing (see `repo.runlog`); reading calls raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.status import Lifecycle, RunStatus
from gitruns.errors import InvalidInputError
from gitruns.tracking import contents, search
from gitruns.tracking.registering import RegistryCalls
from gitruns.tracking.search import DEFAULT_PAGE, PagedList, ViewType
from gitruns.tracking.views import Experiment, Run, experiment_view, run_view

if TYPE_CHECKING:
    from gitruns.entities.artifact import FileInfo
    from gitruns.entities.dataset import DatasetInput
    from gitruns.entities.values import Point
    from gitruns.repo import Repo, RunLog
    from gitruns.tracking.session import Session


class Client(RegistryCalls):
    """Reads and writes the runs of one repository.

    `repo` is a path in it; by default `GITRUNS_REPO`, else the repository around the working directory. Raises
    `NotFoundError` (kind `not-a-repository`) when there is none.
    """

    def __init__(self, repo: str | Path | None = None, *, session: Session | None = None) -> None:
        if session is None:
            from gitruns.tracking.session import Session  # git and all of repo come with it: not at import

            session = Session.open(Path(repo) if repo is not None else None)
        self._session = session
        self._logs: dict[str, RunLog] = {}

    @property
    def repo(self) -> Repo:
        """The repository behind this client: for what the calls below do not offer."""
        return self._session.repo

    # Experiments

    def create_experiment(self, name: str, tags: Mapping[str, object] | None = None) -> str:
        """Creates an experiment and returns its id; raises `AlreadyExistsError`, also for a deleted one's name."""
        return self.repo.create_experiment(name, tags or {})

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Returns the experiment of that id, deleted or not; raises `NotFoundError`."""
        return experiment_view(self.repo.get_experiment(ExperimentId(experiment_id)))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Returns the experiment of that name, deleted or not, or None."""
        found = self.repo.find_experiment(name)
        return experiment_view(found) if found else None

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = DEFAULT_PAGE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        include_deleted: bool = False,
        dialect: str = "native",
    ) -> PagedList[Experiment]:
        """Returns one page of the experiments that match, those created last first; `token` asks for the next.

        `include_deleted` is short for `view_type=ViewType.ALL`. Raises as `search_runs` does.
        """
        view = ViewType.ALL if include_deleted else view_type
        return search.search_experiments(self.repo, view, max_results, filter_string, order_by, page_token, dialect)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Gives an experiment another name; its id stays."""
        self.repo.rename_experiment(ExperimentId(experiment_id), new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Takes an experiment and its runs out of sight; `restore_experiment` brings both back."""
        self.repo.set_experiment_lifecycle(ExperimentId(experiment_id), Lifecycle.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        """Brings a deleted experiment and its runs back."""
        self.repo.set_experiment_lifecycle(ExperimentId(experiment_id), Lifecycle.ACTIVE)

    def set_experiment_tag(self, experiment_id: str, key: str, value: object) -> None:
        """Sets one tag of an experiment."""
        self.repo.set_experiment_tag(ExperimentId(experiment_id), key, value)

    # Runs

    def create_run(
        self,
        experiment_id: str = "0",
        *,
        run_name: str | None = None,
        tags: Mapping[str, object] | None = None,
        start_time: int | None = None,
    ) -> Run:
        """Begins a run and returns it. It stays open until `set_terminated`, also after this process has ended."""
        log = self._session.start(experiment_id=experiment_id, run_name=run_name, tags=tags, start_time_ms=start_time)
        self._logs[log.run_id] = log
        return self.get_run(log.run_id)

    def get_run(self, run_id: str) -> Run:
        """Returns the run as it stands now, live or ended; raises `NotFoundError` (kind `run-not-found`)."""
        return run_view(self._session.place.get_run(self._resolve(run_id)))

    def search_runs(
        self,
        experiment_ids: Sequence[str | int] | None = None,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = DEFAULT_PAGE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        dialect: str = "native",
    ) -> PagedList[Run]:
        """Returns one page of the runs that match, in order; its `token` asks for the next, None on the last.

        `experiment_ids` None: of all experiments. The filter is in the query language (docs/query.md), which takes
        every filter of MLflow's; `dialect="mlflow"` is exactly MLflow's. A page is 50,000 runs at most. Runs come
        from the index: without inputs and artifacts, for which there is `get_run`. Raises `InvalidInputError`: kinds
        `bad-query` (with its column), `bad-page-token`, `bad-max-results`.
        """
        how = search.search_args(
            experiment_ids=experiment_ids,
            run_view_type=run_view_type,
            order_by=order_by,
            page_token=page_token,
            dialect=dialect,
        )
        return search.search_runs(self.repo, filter_string, max_results, how)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """Ends a run with a status (`FINISHED` when not given) and seals it into git."""
        word = status_of(status or "FINISHED")
        log = self._log(run_id, set_running=True)
        log.end(word, end_time_ms=end_time)
        self._logs.pop(log.run_id, None)

    def update_run(self, run_id: str, *, status: str | None = None, name: str | None = None) -> None:
        """Changes a run's status or name."""
        if name is not None:
            with self.repo.edit(self._resolve(run_id)) as edit:
                edit.rename(name)
        if status is not None:
            word = status_of(status)
            if word.ended:
                self.set_terminated(run_id, word.value)
            else:
                self._log(run_id, set_running=True)

    def delete_run(self, run_id: str) -> None:
        """Takes a run out of sight; `restore_run` brings it back."""
        self._set_lifecycle(run_id, Lifecycle.DELETED)

    def restore_run(self, run_id: str) -> None:
        """Brings a deleted run back."""
        self._set_lifecycle(run_id, Lifecycle.ACTIVE)

    def _set_lifecycle(self, run_id: str, lifecycle: Lifecycle) -> None:
        with self.repo.edit(self._resolve(run_id)) as edit:
            edit.set_lifecycle(lifecycle)

    # Logging

    def log_param(self, run_id: str, key: str, value: Any) -> Any:
        """Logs one param and returns its value; a param is write-once."""
        self._log(run_id).log_params({key: value})
        return value

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Logs params: all of them, or none when one is refused."""
        self._log(run_id).log_params(params)

    def log_metric(
        self, run_id: str, key: str, value: Any, timestamp: int | None = None, step: int | None = None
    ) -> None:
        """Logs one point of a metric; `timestamp` is milliseconds UTC (now), `step` an integer (0)."""
        self._log(run_id).log_metric(key, value, step, timestamp)

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, Any], step: int | None = None, timestamp: int | None = None
    ) -> None:
        """Logs one point each of some metrics, as one record: all of them survive, or none."""
        self._log(run_id).log_metrics(metrics, step, timestamp)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Point] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Logs points, params and tags; params are checked first, and nothing is written when one is refused."""
        log = self._log(run_id)
        if params:
            log.log_params(params)
        if metrics:
            log.log_points(metrics)
        if tags:
            log.set_tags(tags)

    def set_tag(self, run_id: str, key: str, value: Any) -> None:
        """Sets one tag."""
        self._log(run_id).set_tags({key: value})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Takes one tag away; raises `InvalidInputError` when the run has none of that key."""
        self._log(run_id).delete_tag(key)

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """Logs datasets that the run reads."""
        self._log(run_id).add_inputs(datasets)

    def log_artifact(self, run_id: str, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Keeps a file (or a folder) as artifacts of the run, below `artifact_path`."""
        self._log(run_id).add_path(Path(local_path), artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Keeps all files of a folder as artifacts of the run, below `artifact_path`."""
        contents.log_folder(self._log(run_id), Path(local_dir), artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Keeps text as an artifact."""
        contents.log_text(self._log(run_id), text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
        """Keeps a mapping or list as an artifact: YAML by the ending `.yaml` or `.yml`, else JSON."""
        contents.log_dict(self._log(run_id), dictionary, artifact_file)

    def log_figure(self, run_id: str, figure: Any, artifact_file: str) -> None:
        """Keeps a matplotlib or plotly figure as an artifact, in the form that the ending says."""
        contents.log_figure(self._log(run_id), figure, artifact_file)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Keeps a numpy or PIL image as an artifact: a named file, or one of a `key`'s images at a `step`."""
        contents.log_image(self._log(run_id), image, artifact_file, key=key, step=step, time_ms=timestamp)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Keeps a table as a JSON artifact; the same file again appends rows to it."""
        log = self._log(run_id)
        contents.log_table(log, data, artifact_file, self._session.place)

    def flush(self, run_id: str) -> None:
        """Returns when all that was logged to the run is on disk."""
        self._log(run_id).flush()

    # Reading back

    def get_metric_history(self, run_id: str, key: str, max_points: int | None = None) -> list[Point]:
        """Returns all points of a metric in logged order, empty when there are none.

        With `max_points` (4 or more) no more than so many, by step and time, that draw the same curve: the first, the
        last, and of each stretch the least and the greatest.
        """
        points = self._session.place.metric_history(self._resolve(run_id), key)
        return points if max_points is None else search.thinned(points, max_points)

    def get_metric_history_bulk(
        self, run_ids: Sequence[str], key: str, max_points: int | None = None
    ) -> dict[str, list[Point]]:
        """Returns the points of one metric of many runs, by run id, as `get_metric_history` does for one."""
        return {self._resolve(run_id): self.get_metric_history(run_id, key, max_points) for run_id in run_ids}

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Returns the files and folders directly below a path, by path; empty for a file and for nothing.

        `run_id` may be an address: `runs:/ID/path`, `models:/name/3`, `models:/name@alias`.
        """
        run_id, place = self._placed(run_id, path)
        return self._session.place.list_artifacts(self._resolve(run_id), place)

    def download_artifacts(self, run_id: str, path: str = "", dst_path: str | Path | None = None) -> str:
        """Brings artifacts below `path` into a folder (a new temporary one by default); returns where they are.

        `run_id` may be an address: `runs:/ID/path`, `models:/name/3`, `models:/name@alias`.
        """
        run_id, path = self._placed(run_id, path)
        target = Path(dst_path) if dst_path is not None else contents.new_download_folder()
        return str(self._session.place.download_artifacts(self._resolve(run_id), path, target))

    # Inside

    def _resolve(self, run_id: str) -> RunId:
        return self._session.place.resolve_run(run_id)

    def _log(self, run_id: str, *, set_running: bool = False) -> RunLog:
        log = self._logs.get(run_id)
        if log is None or log.ended:
            log = self._session.resume(run_id, set_running=set_running)
            self._logs[log.run_id] = log
        return log

    def close(self) -> None:
        """Closes what this client has open; runs that were not ended stay open for whoever logs next."""
        for log in list(self._logs.values()):
            log.detach()
        self._logs.clear()


def status_of(text: str) -> RunStatus:
    """Returns the status that a word names; raises `InvalidInputError` with the words there are."""
    try:
        return RunStatus(str(text).upper())
    except ValueError:
        words = ", ".join(status.value for status in RunStatus)
        raise InvalidInputError(f"status '{text}' is none of {words}", kind="bad-status") from None
