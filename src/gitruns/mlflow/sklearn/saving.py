"""scikit-learn models as folders in MLflow's format: `model.skops` or `model.pkl`, and what describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.mlflow.exceptions import refused, speaks_mlflow
from gitruns.mlflow.models import folder as folders
from gitruns.mlflow.models import pickles
from gitruns.mlflow.models.environment import CONDA_FILE, PYTHON_ENV_FILE, requirements_of_file, write_environment
from gitruns.mlflow.models.model import PYFUNC, Model, ModelInfo
from gitruns.mlflow.models.signature import ModelSignature
from gitruns.mlflow.models.trust import note_made
from gitruns.mlflow.warn import warn

FLAVOR_NAME = "sklearn"


@speaks_mlflow
def save_model(
    sk_model: Any,
    path: str | Path,
    conda_env: Any = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    serialization_format: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    skops_trusted_types: list[str] | None = None,
    extra_files: Sequence[str | Path] | None = None,
) -> None:
    """Saves a model into a new folder, which MLflow opens too.

    `serialization_format` is `skops`, `cloudpickle` or `pickle`; by default the first of them that is installed.
    """
    form = serialization_format or pickles.best_format()
    if form not in pickles.FORMATS:
        raise refused(
            f"Unrecognized serialization format: {form}. Please specify one of the following supported formats: "
            f"{list(pickles.FORMATS)}."
        )
    folder = folders.new_folder(path)
    model = mlflow_model or Model()
    code = folders.copy_code(code_paths, folder)
    predict = getattr(sk_model, "predict", None)
    folders.describe(model, folder, signature, input_example, metadata, predict)
    file = folder / ("model.skops" if form == pickles.SKOPS else "model.pkl")
    pickles.dump(sk_model, file, form, skops_trusted_types)
    note_made(file, *folders.code_files(folder))
    extra = folders.copy_files(extra_files, folder)
    _add_flavors(model, sk_model, file.name, form, code, pyfunc_predict_fn, skops_trusted_types, extra)
    found = requirements_of_file(file, _always(form))
    write_environment(
        folder,
        found,
        conda_env=conda_env,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
    )
    folders.write_mlmodel(model, folder)


def _always(form: str) -> list[str]:
    return ["scikit-learn", *([] if form == pickles.PICKLE else [form])]


def _add_flavors(
    model: Model,
    sk_model: Any,
    file_name: str,
    form: str,
    code: str | None,
    predict_fn: str,
    trusted: list[str] | None,
    extra: Mapping[str, Any],
) -> None:
    import platform

    import sklearn

    if hasattr(sk_model, predict_fn):
        said: dict[str, Any] = {
            "env": {"conda": CONDA_FILE, "virtualenv": PYTHON_ENV_FILE},
            "loader_module": "mlflow.sklearn",
            "model_path": file_name,
            "predict_fn": predict_fn,
            "python_version": platform.python_version(),
        }
        model.add_flavor(PYFUNC, **said, **({"code": code} if code else {}))
    else:
        warn(f"the model has no function '{predict_fn}': it can be loaded with mlflow.sklearn only")
    model.add_flavor(
        FLAVOR_NAME,
        pickled_model=file_name,
        sklearn_version=sklearn.__version__,
        serialization_format=form,
        code=code,
        skops_trusted_types=trusted,
        **extra,
    )


@speaks_mlflow
def log_model(
    sk_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Sequence[str | Path] | None = None,
    serialization_format: str | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    extra_files: Sequence[str | Path] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    name: str | None = None,
    skops_trusted_types: list[str] | None = None,
    run_id: str | None = None,
) -> ModelInfo:
    """Keeps a model as a logged model of the current run, and registers it when a name is given.

    `await_registration_for` is MLflow's: what is registered is there when the call returns.
    """

    def save(folder: Path, model: Model) -> None:
        save_model(
            sk_model,
            folder,
            conda_env=conda_env,
            code_paths=code_paths,
            mlflow_model=model,
            serialization_format=serialization_format,
            signature=signature,
            input_example=input_example,
            pip_requirements=pip_requirements,
            extra_pip_requirements=extra_pip_requirements,
            pyfunc_predict_fn=pyfunc_predict_fn,
            metadata=metadata,
            skops_trusted_types=skops_trusted_types,
            extra_files=extra_files,
        )

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
def load_model(model_uri: str | Path, dst_path: str | None = None, *, trust: bool | None = None) -> Any:
    """Returns the model at an address or in a folder; its bytes are checked against their digest first.

    Loading what is no skops file can run code: it is loaded when it was made here, else with `trust=True` only.
    """
    from gitruns.mlflow.artifacts import local_copy

    folder = local_copy(model_uri, dst_path)
    said = folders.flavor_of(Model.load(folder), FLAVOR_NAME)
    return load_from(folder, said, trust)


def load_from(folder: Path, said: Mapping[str, Any], trust: bool | None) -> Any:
    """Returns the model in a folder; `said` is what `MLmodel` says of the flavor."""
    file = folders.file_in(folder, said.get("pickled_model"))
    return pickles.load(
        file,
        str(said.get("serialization_format", pickles.PICKLE)),
        trust=trust,
        before=(lambda: folders.add_code(folder, said["code"], trust)) if said.get("code") else None,
    )
