"""The folder of a model: written by a flavor, kept as a logged model of the run, brought back and read."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gitruns.errors import NotFoundError
from gitruns.mlflow.exceptions import MlflowException, refused
from gitruns.mlflow.models.example import save_example
from gitruns.mlflow.models.model import MLMODEL_FILE, Model, ModelInfo
from gitruns.mlflow.models.signature import ModelSignature
from gitruns.mlflow.models.trust import check_trusted

CODE_FOLDER = "code"
_LONGEST_PARAM = 6000


def new_folder(path: str | Path) -> Path:
    """Creates the folder that a model is saved into; raises `MlflowException` when there is something in it."""
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MlflowException(
            f"Path '{folder}' already exists and is not empty", "RESOURCE_ALREADY_EXISTS", kind="already-exists"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def copy_code(code_paths: Iterable[str | Path] | None, folder: Path) -> str | None:
    """Copies code that a model needs beside it; returns the name of the folder it is in."""
    if code_paths is None:
        return None
    if isinstance(code_paths, (str, Path)):
        raise TypeError(f"Argument code_paths should be a list, not {type(code_paths)}")
    for one in map(Path, code_paths):
        target = folder / CODE_FOLDER / one.resolve().name
        target.parent.mkdir(exist_ok=True)
        if one.is_dir():
            shutil.copytree(one, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(one, target)
    return CODE_FOLDER


def copy_files(extra_files: Iterable[str | Path] | None, folder: Path) -> dict[str, Any]:
    """Copies files that are asked for beside the model; returns what `MLmodel` says of them."""
    if not extra_files:
        return {}
    from gitruns.mlflow.artifacts import local_copy

    (folder / "extra_files").mkdir()
    copied = [Path(shutil.copy2(local_copy(str(one)), folder / "extra_files")) for one in extra_files]
    return {"extra_files": [{"path": f"extra_files/{one.name}"} for one in copied]}


def describe(
    model: Model,
    folder: Path,
    signature: ModelSignature | bool | None,
    input_example: Any,
    metadata: Mapping[str, Any] | None,
    predict: Callable[[Any], Any] | None,
) -> None:
    """Writes the example, and notes signature and metadata; a signature that is not given is that of the example."""
    if input_example is not None:
        model.saved_input_example_info = save_example(input_example, folder)
    if isinstance(signature, ModelSignature):
        model.signature = signature
    elif signature is None and input_example is not None and predict is not None:
        model.signature = _signature_of(input_example, predict)
    if metadata is not None:
        model.metadata = dict(metadata)


def _signature_of(example: Any, predict: Callable[[Any], Any]) -> ModelSignature | None:
    from gitruns.mlflow.models.signature import infer_signature
    from gitruns.mlflow.warn import warn

    data, params = example if isinstance(example, tuple) and len(example) == 2 else (example, None)
    try:
        return infer_signature(data, predict(data), params)
    except Exception as error:  # the model runs on the example: whatever it raises, it can still be kept
        warn(f"no signature: the model failed on the input example: {error}")
        return None


def write_mlmodel(model: Model, folder: Path) -> None:
    """Writes the `MLmodel` file, last of all, with the size of the rest."""
    model.model_size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    model.save(folder / MLMODEL_FILE)


def log_folder(
    save: Callable[[Path, Model], None],
    name: str | None,
    artifact_path: str | None,
    *,
    registered_model_name: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
) -> ModelInfo:
    """Saves a model with `save` as a logged model of the current run (or of `run_id`), and may register it.

    On a node that only keeps journals it becomes artifacts of the run: `runs:/ID/NAME` in both cases.
    """
    from gitruns.mlflow import active, artifact_calls, model_calls

    run = run_id or active.current_run_id()
    place = name or artifact_path or "model"
    with tempfile.TemporaryDirectory(prefix="gitruns-model-") as scratch:
        folder = Path(scratch) / "model"
        if not active.keeps_runs():
            model = Model(artifact_path=place, run_id=run)
            _save_clean(save, folder, model)
            artifact_calls.log_artifacts(folder, place, run_id=run)
            return model.get_model_info()
        info = _log_record(save, folder, place, run, params, tags, model_type, step, model_id)
    if registered_model_name is not None:
        made = model_calls.register_model(info.model_uri, registered_model_name)
        info.registered_model_version = made.version
    return info


def _save_clean(save: Callable[[Path, Model], None], folder: Path, model: Model) -> None:
    save(folder, model)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def _log_record(
    save: Callable[[Path, Model], None],
    folder: Path,
    name: str,
    run_id: str,
    params: Mapping[str, Any] | None,
    tags: Mapping[str, Any] | None,
    model_type: str | None,
    step: int,
    model_id: str | None,
) -> ModelInfo:
    """Keeps a model as a record of its own, which is sealed into git whether saving it succeeds or fails."""
    from gitruns.mlflow.client import MlflowClient
    from gitruns.mlflow.entities.records import LoggedModelOutput
    from gitruns.mlflow.model_calls import begin_logged_model

    client = MlflowClient()
    cut = {key: str(value)[:_LONGEST_PARAM] for key, value in (params or {}).items()}
    if model_id is None:
        logged = begin_logged_model(client, run_id, name, tags, cut, model_type)
    else:
        logged = client.get_logged_model(model_id)
        if cut:
            client.log_model_params(model_id, cut)
    model = Model(artifact_path=name, run_id=run_id, model_id=logged.model_id)
    try:
        _save_clean(save, folder, model)
        client.log_model_artifacts(logged.model_id, folder)
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step)])
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    ready = client.finalize_logged_model(logged.model_id, "READY")
    return model.get_model_info(ready)


def flavor_of(model: Model, name: str) -> dict[str, Any]:
    """Returns what `MLmodel` says of a flavor; raises `NotFoundError` (kind `no-such-flavor`)."""
    found = model.flavors.get(name)
    if not isinstance(found, dict):
        known = ", ".join(sorted(model.flavors)) or "none"
        raise NotFoundError(f'Model does not have the "{name}" flavor; it has: {known}', kind="no-such-flavor")
    return found


def file_in(folder: Path, name: object) -> Path:
    """Returns a file in a model's folder that `MLmodel` names; raises `MlflowException` for one elsewhere."""
    found = (folder / str(name)).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise refused(f"the model names a file outside of its folder: '{name}'")
    if not found.exists():
        raise MlflowException(f"the model has no file '{name}'", "RESOURCE_DOES_NOT_EXIST", kind="not-found")
    return found


def code_files(folder: Path) -> list[Path]:
    """Returns the files of the code that is saved beside a model."""
    return sorted(file for file in (folder / CODE_FOLDER).rglob("*") if file.is_file())


def add_code(folder: Path, name: object, trust: bool | None) -> None:
    """Makes the code beside a model importable, if every file of it is trusted as the model is."""
    code = file_in(folder, name)
    for file in sorted(code.rglob("*")):
        if file.is_file():
            check_trusted(file.read_bytes(), f"{name}/{file.relative_to(code)}", trust)
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))
