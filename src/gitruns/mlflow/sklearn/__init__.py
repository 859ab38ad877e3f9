"""`mlflow.sklearn`: scikit-learn models saved, loaded and logged by themselves."""

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        if name.startswith("__"):
            raise AttributeError(name)
        from gitruns.mlflow.absent import Absent

        return Absent(f"sklearn.{name}")
    from importlib import import_module

    found = getattr(import_module(f"gitruns.mlflow.sklearn.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
