"""`mlflow.pyfunc`: models of one's own, and any saved model as something that predicts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gitruns.mlflow.absent import Absent
from gitruns.mlflow.pyfunc.python_model import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from gitruns.mlflow.pyfunc.loaded import PyFuncModel
    from gitruns.mlflow.pyfunc.saving import load_model, log_model, save_model

FLAVOR_NAME = "python_function"

__all__ = [
    "FLAVOR_NAME",
    "PyFuncModel",
    "PythonModel",
    "PythonModelContext",
    "load_model",
    "log_model",
    "save_model",
]

_HOMES = {"PyFuncModel": "loaded", "load_model": "saving", "log_model": "saving", "save_model": "saving"}

_ABSENT = frozenset(
    (
        "ChatAgent ChatModel EnvType ResponsesAgent add_to_model build_model_env get_default_conda_env "
        "get_default_pip_requirements get_model_dependencies load_pyfunc spark_udf"
    ).split()
)


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        return Absent(f"pyfunc.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gitruns.mlflow.pyfunc' has no attribute '{name}'")
    found = getattr(import_module(f"gitruns.mlflow.pyfunc.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
