"""An MLflow file store, `mlruns/`: a folder an experiment, in it a folder a run, in that a file each value.

    <experiment>/meta.yaml tags/ datasets/<id>/meta.yaml traces/
    <experiment>/<run>/meta.yaml params/ tags/ metrics/ artifacts/ inputs/<id>/meta.yaml outputs/<id>/meta.yaml
    <experiment>/models/m-<id>/meta.yaml params/ tags/ metrics/ artifacts/          logged models
    .trash/<experiment>                                                             deleted experiments
    models/<name>/meta.yaml tags/ aliases/ version-<n>/                             the model registry

Metrics are lines `time value step`; before MLflow 1.0 `time value`, the time in seconds. Measured with the stores of
MLflow 1.0 to 3.17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import is_run_id
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.exchange.folders import files_below, folders_in, read_lines, read_text, real_folder
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun
from gitruns.exchange.mlflow.file_registry import read_models
from gitruns.exchange.mlflow.folder import has_meta, read_meta, values_in
from gitruns.exchange.mlflow.places import ArtifactFolders
from gitruns.exchange.mlflow.records import (
    COMMIT_TAG,
    NAMESPACE,
    ModelPoint,
    ModelRecord,
    RunRecord,
    dataset_of,
    foreign_model,
    foreign_run,
    time_of,
)

TRASH = ".trash"
_RESERVED = frozenset({"tags", "datasets", "traces", "models"})
_SECONDS_BELOW = 10**11
"""A time of a line without a step that is less than this is in seconds: in milliseconds it would be before 1973."""


class MlflowFileStore:
    """Reads one `mlruns` folder. `others` are folders outside it whose artifacts may be taken too."""

    namespace = NAMESPACE

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self._root = real_folder(root)
        self._places = ArtifactFolders([self._root, *map(real_folder, others)])
        self._folders: dict[str, Path] | None = None
        self._traces = 0

    def close(self) -> None:
        """There is nothing open."""

    # Experiments

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields the experiments, those in the trash too."""
        for folder in self._experiment_folders():
            try:
                yield self._experiment(folder)
            except (GitRunsError, OSError) as error:
                yield Damage(f"experiment {folder.name:.60}", str(error))

    def _experiment_folders(self) -> Iterator[Path]:
        for parent in (self._root, self._root / TRASH):
            for name in folders_in(parent):
                if name not in (TRASH, "models") and has_meta(parent / name):
                    yield parent / name

    def _experiment(self, folder: Path) -> ForeignExperiment:
        meta = read_meta(folder)
        named = str(meta.get("experiment_id", folder.name))
        if named != folder.name:
            raise CorruptDataError(f"its meta.yaml is of experiment '{named:.60}'", kind="bad-source")
        return ForeignExperiment(
            id=folder.name,
            name=str(meta.get("name") or folder.name),
            tags=values_in(folder / "tags"),
            created_ms=time_of(meta.get("creation_time")),
            updated_ms=time_of(meta.get("last_update_time")),
            deleted=folder.parent.name == TRASH or meta.get("lifecycle_stage") == "deleted",
        )

    # Runs and logged models

    def run_ids(self) -> list[str]:
        """Returns the ids of all runs, then those of logged models."""
        return list(self._run_folders())

    def _run_folders(self) -> dict[str, Path]:
        if self._folders is None:
            runs: dict[str, Path] = {}
            models: dict[str, Path] = {}
            for experiment in self._experiment_folders():
                self._traces += len(folders_in(experiment / "traces"))
                for name in folders_in(experiment):
                    if name not in _RESERVED and (has_meta(experiment / name) or is_run_id(name)):
                        runs.setdefault(name, experiment / name)
                for name in folders_in(experiment / "models"):
                    models.setdefault(name, experiment / "models" / name)
            self._folders = runs | models
        return self._folders

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs and logged models in order, or why one cannot be read."""
        for run_id in ids:
            folder = self._run_folders()[run_id]
            try:
                yield self._model(folder) if folder.parent.name == "models" else self._run(folder)
            except NotFoundError:
                yield Damage(f"run {run_id:.60}", "it has no meta.yaml")
            except (GitRunsError, OSError, TypeError, AttributeError) as error:
                yield Damage(f"run {run_id:.60}", str(error))

    def _run(self, folder: Path) -> ForeignRun:
        meta = read_meta(folder)
        named = str(meta.get("run_id") or meta.get("run_uuid"))
        if named != folder.name:
            raise CorruptDataError(f"its meta.yaml is of run '{named:.60}'", kind="bad-source")
        experiment = folder.parent.name
        inputs, models = _inputs(folder)
        return foreign_run(
            RunRecord(
                info={**meta, "experiment_id": experiment},
                params=values_in(folder / "params"),
                tags=values_in(folder / "tags"),
                inputs=inputs,
                input_models=models,
                output_models=_outputs(folder),
                points=lambda: _points(folder / "metrics"),
                artifacts=lambda: self._places.files(
                    str(meta.get("artifact_uri") or ""),
                    folder / "artifacts",
                    f"{experiment}/{folder.name}/artifacts",
                    f"run {folder.name}",
                ),
            )
        )

    def _model(self, folder: Path) -> ForeignRun:
        meta = read_meta(folder)
        if str(meta.get("model_id")) != folder.name:
            raise CorruptDataError(f"its meta.yaml is of model '{meta.get('model_id')!s:.60}'", kind="bad-source")
        maker = str(meta.get("source_run_id") or "")
        experiment = folder.parent.parent.name
        record = ModelRecord(
            info={**meta, "experiment_id": experiment},
            params=values_in(folder / "params"),
            tags=values_in(folder / "tags"),
            points=[
                _model_point(name, line)
                for name, path, _ in files_below(folder / "metrics")
                for line in read_lines(path)
                if line.strip()
            ],
            artifacts=lambda: self._places.files(
                str(meta.get("artifact_location") or ""),
                folder / "artifacts",
                f"{experiment}/models/{folder.name}/artifacts",
                f"model {folder.name}",
            ),
            deleted=meta.get("lifecycle_stage") == "deleted",
        )
        return foreign_model(record, self._commit_of(maker))

    def _commit_of(self, maker: str) -> Mapping[str, str | None]:
        folder = self._run_folders().get(maker)
        if folder is None:
            return {}
        try:
            return {maker: read_text(folder / "tags" / COMMIT_TAG)}
        except (GitRunsError, OSError):
            return {maker: None}

    # The rest

    def models(self) -> Iterator[ForeignModel | Damage]:
        """Yields the registered models."""
        yield from read_models(self._root / "models")

    def left_out(self) -> Mapping[str, int]:
        """Returns how many traces there are."""
        self._run_folders()
        return {"traces": self._traces}


# Values


def _points(folder: Path) -> Iterator[Point]:
    for metric, path, _ in files_below(folder):
        for number, line in enumerate(read_lines(path), 1):
            if line.strip():
                yield _point(metric, line, number)


def _point(metric: str, line: str, number: int) -> Point:
    cells = line.split(" ")
    try:
        time_ms, value = int(cells[0]), float(cells[1])
        if len(cells) == 2:
            return Point(metric, 0, time_ms * 1000 if 0 < time_ms < _SECONDS_BELOW else time_ms, value)
        return Point(metric, int(cells[2]), time_ms, value)  # a dataset may follow: a run's points do not have one here
    except (ValueError, IndexError):
        raise CorruptDataError(f"line {number} of metric '{metric:.60}' is no point", kind="bad-source") from None


def _model_point(metric: str, line: str) -> ModelPoint:
    cells = line.split(" ")
    try:
        return ModelPoint(
            metric=metric,
            time_ms=int(cells[0]),
            value=float(cells[1]),
            step=int(cells[2]),
            run=cells[3],
            dataset=" ".join(cells[4:-1]) if len(cells) > 5 else None,
            digest=cells[-1] if len(cells) > 5 else None,
        )
    except (ValueError, IndexError):
        raise CorruptDataError(f"metric '{metric:.60}' has a line that is no point", kind="bad-source") from None


def _inputs(folder: Path) -> tuple[tuple[DatasetInput, ...], list[str]]:
    """Returns the datasets and the logged models that a run read."""
    datasets: list[DatasetInput] = []
    models: list[str] = []
    here = folder.parent / "datasets"
    known = None
    for name in folders_in(folder / "inputs"):
        meta = read_meta(folder / "inputs" / name)
        source = str(meta.get("source_id"))
        if meta.get("source_type") == "MODEL":
            models.append(source)
            continue
        known = set(folders_in(here)) if known is None else known
        if source not in known:
            raise CorruptDataError(f"dataset '{source:.60}' is not there", kind="bad-source")
        tags = meta.get("tags")
        texts = {str(key): str(text) for key, text in tags.items()} if isinstance(tags, dict) else {}
        datasets.append(dataset_of(read_meta(here / source), texts))
    return tuple(datasets), models


def _outputs(folder: Path) -> list[tuple[str, int]]:
    found = []
    for name in folders_in(folder / "outputs"):
        meta = read_meta(folder / "outputs" / name)
        found.append((str(meta.get("destination_id") or name), int(str(meta.get("step") or 0))))
    return found
