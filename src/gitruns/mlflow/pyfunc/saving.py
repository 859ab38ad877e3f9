"""Models of one's own as folders in MLflow's format, and any saved model as a Python function."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.mlflow.exceptions import MlflowException, refused, speaks_mlflow
from gitruns.mlflow.models import folder as folders
from gitruns.mlflow.models import pickles
from gitruns.mlflow.models.environment import CONDA_FILE, PYTHON_ENV_FILE, requirements_of_file, write_environment
from gitruns.mlflow.models.model import PYFUNC, Model, ModelInfo
from gitruns.mlflow.models.signature import ModelSignature
from gitruns.mlflow.models.trust import note_made
from gitruns.mlflow.pyfunc.loaded import PyFuncModel
from gitruns.mlflow.pyfunc.python_model import ContextModel, FunctionModel, PythonModelContext

FLAVOR_NAME = PYFUNC
LOADER = "mlflow.pyfunc.model"
_MODEL_FILE = "python_model.pkl"
_ARTIFACTS = "artifacts"


@speaks_mlflow
def save_model(
    path: str | Path,
    python_model: Any = None,
    artifacts: Mapping[str, str] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    conda_env: Any = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    **absent: Any,
) -> None:
    """Saves a `PythonModel`, or a function, with the files it needs, into a new folder."""
    told = [name for name, value in absent.items() if value is not None]
    if told or isinstance(python_model, (str, Path)):
        from gitruns.mlflow.absent import refuse

        refuse(f"pyfunc.save_model({told[0] if told else 'python_model'}=…)")
    if not callable(python_model) and not hasattr(python_model, "predict"):
        raise refused("`python_model` must be a subclass of `PythonModel` or a callable that takes the input")
    made = python_model if hasattr(python_model, "predict") else FunctionModel(python_model)
    folder = folders.new_folder(path)
    model = mlflow_model or Model()
    code = folders.copy_code(code_paths, folder)
    kept = _copy_artifacts(artifacts or {}, folder)
    context = PythonModelContext({name: str(folder / said["path"]) for name, said in kept.items()}, model_config)
    if input_example is not None and signature is None:
        made.load_context(context)
    folders.describe(model, folder, signature, input_example, metadata, ContextModel(made, context).predict)
    file = folder / _MODEL_FILE
    cloudpickle = pickles.need("cloudpickle", "a Python model")
    pickles.dump(made, file, pickles.CLOUDPICKLE)
    note_made(file, *folders.code_files(folder))
    said: dict[str, Any] = {
        "cloudpickle_version": cloudpickle.__version__,
        "env": {"conda": CONDA_FILE, "virtualenv": PYTHON_ENV_FILE},
        "loader_module": LOADER,
        "python_model": _MODEL_FILE,
        "python_version": platform.python_version(),
        "streamable": False,
    }
    optional = {"artifacts": kept, "code": code, "config": dict(model_config) if model_config else None}
    model.add_flavor(PYFUNC, **said, **{key: value for key, value in optional.items() if value})
    found = requirements_of_file(file, ["cloudpickle"])
    write_environment(
        folder,
        found,
        conda_env=conda_env,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
    )
    folders.write_mlmodel(model, folder)


def _copy_artifacts(artifacts: Mapping[str, str], folder: Path) -> dict[str, dict[str, str]]:
    from gitruns.mlflow.artifacts import local_copy

    kept: dict[str, dict[str, str]] = {}
    for number, (name, uri) in enumerate(artifacts.items()):
        source = local_copy(str(uri))
        base = folder / _ARTIFACTS
        target = base / source.name if not (base / source.name).exists() else base / str(number) / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
        kept[name] = {"path": target.relative_to(folder).as_posix(), "uri": str(uri)}
    return kept


@speaks_mlflow
def log_model(
    artifact_path: str | None = None,
    python_model: Any = None,
    *,
    name: str | None = None,
    registered_model_name: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    await_registration_for: int | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **how: Any,
) -> ModelInfo:
    """Keeps a `PythonModel`, or a function, as a logged model of the current run; `how` is what `save_model` takes."""

    def save(folder: Path, model: Model) -> None:
        save_model(folder, python_model, mlflow_model=model, **how)

    return folders.log_folder(
        save,
        name,
        artifact_path,
        registered_model_name=registered_model_name,
        run_id=run_id,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
    )


@speaks_mlflow
def load_model(
    model_uri: str | Path,
    suppress_warnings: bool = False,
    dst_path: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    *,
    trust: bool | None = None,
) -> PyFuncModel:
    """Returns the model at an address or in a folder as something that predicts.

    Loading what is no skops file can run code: it is loaded when it was made here, else with `trust=True` only.
    """
    from gitruns.mlflow.artifacts import local_copy

    folder = local_copy(model_uri, dst_path)
    model = Model.load(folder)
    said = folders.flavor_of(model, PYFUNC)
    loader = str(said.get("loader_module"))
    if loader not in _LOADERS:
        raise MlflowException(
            f"a model of '{loader}' needs MLflow itself: gitruns.mlflow loads those of sklearn and of Python classes",
            "NOT_IMPLEMENTED",
            kind="extra-missing",
            hint="pip install 'gitruns[mlflow]' mlflow, and 'import mlflow'",
        )
    loaded = _LOADERS[loader](folder, model, said, model_config, trust)
    return PyFuncModel(model, loaded, str(said.get("predict_fn", "predict")))


def _load_sklearn(
    folder: Path, model: Model, said: Mapping[str, Any], config: Mapping[str, Any] | None, trust: bool | None
) -> Any:
    from gitruns.mlflow.sklearn.saving import FLAVOR_NAME as SKLEARN
    from gitruns.mlflow.sklearn.saving import load_from

    return RawModel(load_from(folder, folders.flavor_of(model, SKLEARN), trust))


class RawModel:
    """A library's own model, with all of its ways to predict."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_raw"], name)

    def get_raw_model(self) -> Any:
        """Returns it as its library has it."""
        return self._raw


def _load_python(
    folder: Path, model: Model, said: Mapping[str, Any], config: Mapping[str, Any] | None, trust: bool | None
) -> Any:
    if "python_model" not in said:
        raise MlflowException(
            "a model from code needs MLflow itself",
            "NOT_IMPLEMENTED",
            kind="extra-missing",
            hint="pip install 'gitruns[mlflow]' mlflow, and 'import mlflow'",
        )
    before = (lambda: folders.add_code(folder, said["code"], trust)) if said.get("code") else None
    file = folders.file_in(folder, said["python_model"])
    made = pickles.load(file, pickles.CLOUDPICKLE, trust=trust, before=before)
    paths = {name: str(folders.file_in(folder, one["path"])) for name, one in (said.get("artifacts") or {}).items()}
    context = PythonModelContext(paths, {**(said.get("config") or {}), **(config or {})})
    made.load_context(context)
    return ContextModel(made, context)


_LOADERS: dict[str, Callable[..., Any]] = {"mlflow.sklearn": _load_sklearn, LOADER: _load_python}
