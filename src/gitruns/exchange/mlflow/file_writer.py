"""Runs as an MLflow file store, so that nobody is locked in: MLflow opens it, and `mlflow migrate-filestore` makes a
database of it.

Everything that MLflow has a place for is in it: experiments, runs with whole histories, datasets, artifacts, deleted
ones, logged models, the registry. The layout is that of `file_store`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import RunId
from gitruns.entities.logged_model import (
    MESSAGE_TAG,
    SOURCE_RUN_TAG,
    TYPE_TAG,
    told_by_series,
)
from gitruns.entities.run import MODEL_KIND, Run, RunStatus
from gitruns.entities.status import Lifecycle
from gitruns.entities.values import Point, param_text
from gitruns.errors import GitRunsError
from gitruns.exchange.foreign import IMPORTED_ID_TAG, Damage
from gitruns.exchange.mlflow.edge_files import write_edges
from gitruns.exchange.mlflow.file_store import TRASH
from gitruns.exchange.mlflow.names_there import id_of_run, ids_of_experiments
from gitruns.exchange.mlflow.records import NAME_TAG, PARENT_TAG, STATUSES
from gitruns.exchange.mlflow.store_files import value_file, write_meta, write_values

if TYPE_CHECKING:
    from gitruns.repo import Repo

_LOCATION_TAG = "gitruns.artifact_location"
_STATUS_NUMBERS = {status: number for number, status in STATUSES.items()}
_MODEL_NUMBERS = {RunStatus.FINISHED: 2, RunStatus.FAILED: 3, RunStatus.KILLED: 3}


@dataclass(slots=True)
class FileStoreWriter:
    """Writes into `folder`; addresses in it say that it is at `final`, where it will be when it is whole."""

    repo: Repo
    folder: Path
    final: Path
    problems: list[Damage] = field(default_factory=list)
    _experiments: Mapping[str, Experiment] = field(default_factory=dict)
    _ids: Mapping[str, str] = field(default_factory=dict)

    def cannot(self, what: str, why: object) -> None:
        """Takes note of something that could not be written."""
        self.problems.append(Damage(what, str(why)))

    # Experiments

    def begin(self, experiments: Collection[Experiment]) -> None:
        """Writes the experiments; every run that follows is of one of them, or of `Default`."""
        self._experiments = {one.id: one for one in experiments}
        self._ids = {str(one): text for one, text in ids_of_experiments(experiments).items()}
        (self.folder / TRASH).mkdir(parents=True)
        for one in experiments:
            there = self._ids[one.id]
            write_meta(
                self._folder_of(one.id),
                {
                    "artifact_location": self._address(there),
                    "creation_time": one.creation_time_ms,
                    "experiment_id": there,
                    "last_update_time": one.last_update_time_ms,
                    "lifecycle_stage": one.lifecycle.value,
                    "name": one.name,
                },
            )
            hidden = {_LOCATION_TAG} | ({IMPORTED_ID_TAG} if one.tags.get(IMPORTED_ID_TAG) == there else set())
            tags = {key: text for key, text in one.tags.items() if key not in hidden}
            if tags:
                write_values(self._folder_of(one.id) / "tags", tags, f"experiment '{one.name:.60}'", self.cannot)

    def _folder_of(self, experiment_id: str) -> Path:
        one = self._experiments.get(experiment_id)
        deleted = one is not None and one.lifecycle is Lifecycle.DELETED
        return (self.folder / TRASH if deleted else self.folder) / self._ids[experiment_id]

    def artifacts_of(self, run: Run) -> str | None:
        """Returns the address there of the artifacts of a run or logged model, None when it is not written."""
        experiment = self._ids.get(run.info.experiment_id)
        if experiment is None:
            return None
        models = ["models"] if run.info.kind == MODEL_KIND else []
        return self._address(experiment, *models, id_of_run(run), "artifacts")

    def _address(self, *parts: str) -> str:
        return self.final.joinpath(*parts).as_uri()

    # Runs

    def write_run(self, run_id: RunId) -> None:
        """Writes a run or logged model; what cannot be written of it is in `problems`."""
        run = self.repo.get_run(run_id)
        if run.info.experiment_id not in self._ids:
            raise GitRunsError(f"its experiment '{run.info.experiment_id}' is not here", kind="bad-export")
        place = self._folder_of(run.info.experiment_id)
        there = id_of_run(run)
        of = f"{'model' if run.info.kind else 'run'} {there:.60}"
        if run.info.kind == MODEL_KIND:
            folder = place / "models" / there
            self._write_model(run, folder)
        else:
            folder = place / there
            self._write_info(run, folder, there)
            write_edges(run, folder, there)
        write_values(folder / "params", {key: param_text(value) for key, value in run.params.items()}, of, self.cannot)
        write_values(folder / "tags", _tags(run, there, self._run_there(run)), of, self.cannot)
        self._write_points(run, folder / "metrics", of)
        self._write_artifacts(run, folder / "artifacts", of)

    def _run_there(self, run: Run) -> str | None:
        """Returns the id there of the run that this one is nested in, or that made this model."""
        parent = run.info.parent_run_id
        if parent is None:
            return run.tags.get(SOURCE_RUN_TAG) if run.info.kind == MODEL_KIND else None
        found = self.repo.find_run(parent)
        return parent if found is None else id_of_run(found)

    def _write_info(self, run: Run, folder: Path, there: str) -> None:
        info = run.info
        deleted = run.stamps.get("run/lifecycle")
        ended = info.end_time_ms if info.end_time_ms is not None else info.start_time_ms
        experiment = self._ids[info.experiment_id]
        write_meta(
            folder,
            {
                "artifact_uri": self.artifacts_of(run),
                "deleted_time": None
                if info.lifecycle is Lifecycle.ACTIVE
                else (deleted.time_ms if deleted is not None else ended),
                "end_time": info.end_time_ms,
                "entry_point_name": "",
                "experiment_id": experiment,
                "lifecycle_stage": info.lifecycle.value,
                "run_id": there,
                "run_name": info.name,
                "run_uuid": there,
                "source_name": "",
                "source_type": 4,
                "source_version": "",
                "start_time": info.start_time_ms,
                "status": _STATUS_NUMBERS[info.status],
                "tags": [],
                "user_id": info.user or "",
            },
        )

    def _write_model(self, run: Run, folder: Path) -> None:
        info = run.info
        write_meta(
            folder,
            {
                "artifact_location": self.artifacts_of(run),
                "creation_timestamp": info.start_time_ms,
                "experiment_id": self._ids[info.experiment_id],
                "last_updated_timestamp": info.start_time_ms if info.end_time_ms is None else info.end_time_ms,
                "lifecycle_stage": info.lifecycle.value,
                "model_id": folder.name,
                "model_type": run.tags.get(TYPE_TAG),
                "name": info.name,
                "source_run_id": self._run_there(run),
                "status": _MODEL_NUMBERS.get(info.status, 1),
                "status_message": run.tags.get(MESSAGE_TAG) or info.error,
            },
        )

    # What a run has

    def _write_points(self, run: Run, folder: Path, of: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        maker = self._run_there(run) or run.info.id
        try:
            for metric, lines in _by_metric(self.repo.iter_points(run.info.id)):
                if run.info.kind == MODEL_KIND:
                    key, said = told_by_series(metric, run.tags)
                    ends = [said.get("run", maker)] + [said[name] for name in ("name", "digest") if name in said]
                else:
                    key, ends = metric, []
                try:
                    with value_file(folder, key).open("a", encoding="utf-8") as file:
                        _write_lines(file, lines, ends)
                except (GitRunsError, OSError) as error:
                    self.cannot(f"metric '{key:.60}' of {of}", error)
        except GitRunsError as error:
            self.cannot(f"points of {of}", error)

    def _write_artifacts(self, run: Run, folder: Path, of: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if run.artifacts or run.manifest is not None:
                self.repo.download_artifacts(run.info.id, "", folder)
        except (GitRunsError, OSError) as error:
            self.cannot(f"artifacts of {of}", error)


def _tags(run: Run, there: str, parent: str | None) -> dict[str, str]:
    """Returns the tags as MLflow has them: what is a fact of a run here is a tag there."""
    tags = dict(run.shown_tags)
    if tags.get(IMPORTED_ID_TAG) == there:
        del tags[IMPORTED_ID_TAG]
    if run.info.kind is None:
        tags[NAME_TAG] = run.info.name
        if parent is not None:
            tags.setdefault(PARENT_TAG, parent)
    return tags


def _by_metric(points: Iterable[Point]) -> Iterable[tuple[str, list[Point]]]:
    """Yields points of one metric, some at a time."""
    some: list[Point] = []
    for point in points:
        if some and (point.metric != some[0].metric or len(some) >= 10_000):
            yield some[0].metric, some
            some = []
        some.append(point)
    if some:
        yield some[0].metric, some


def _write_lines(file: IO[str], points: Iterable[Point], ends: Iterable[str]) -> None:
    rest = "".join(f" {text}" for text in ends)
    file.writelines(f"{point.time_ms} {point.value!r} {point.step}{rest}\n" for point in points)
