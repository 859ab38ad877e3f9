"""`mlflow.sklearn`: scikit-learn models saved, loaded and logged by themselves."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gitruns.mlflow.absent import Absent

if TYPE_CHECKING:
    from gitruns.mlflow.sklearn.autologging import autolog
    from gitruns.mlflow.sklearn.saving import load_model, log_model, save_model

FLAVOR_NAME = "sklearn"
SERIALIZATION_FORMAT_SKOPS = "skops"
SERIALIZATION_FORMAT_PICKLE = "pickle"
SERIALIZATION_FORMAT_CLOUDPICKLE = "cloudpickle"
SUPPORTED_SERIALIZATION_FORMATS = [
    SERIALIZATION_FORMAT_SKOPS,
    SERIALIZATION_FORMAT_PICKLE,
    SERIALIZATION_FORMAT_CLOUDPICKLE,
]

__all__ = [
    "FLAVOR_NAME",
    "SERIALIZATION_FORMAT_CLOUDPICKLE",
    "SERIALIZATION_FORMAT_PICKLE",
    "SERIALIZATION_FORMAT_SKOPS",
    "SUPPORTED_SERIALIZATION_FORMATS",
    "autolog",
    "load_model",
    "log_model",
    "save_model",
]

_HOMES = {"autolog": "autologging", "load_model": "saving", "log_model": "saving", "save_model": "saving"}

_ABSENT = frozenset("get_default_conda_env get_default_pip_requirements".split())


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        return Absent(f"sklearn.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gitruns.mlflow.sklearn' has no attribute '{name}'")
    found = getattr(import_module(f"gitruns.mlflow.sklearn.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
