"""`mlflow.pyfunc`: models of one's own, and any saved model as something that predicts."""

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        if name.startswith("__"):
            raise AttributeError(name)
        from gitruns.mlflow.absent import Absent

        return Absent(f"pyfunc.{name}")
    from importlib import import_module

    found = getattr(import_module(f"gitruns.mlflow.pyfunc.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
