"""Objects as bytes and back: pickle, cloudpickle, skops."""

from __future__ import annotations

import importlib
import importlib.util
import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitruns.exchange import import_extra
from gitruns.mlflow.exceptions import refused
from gitruns.mlflow.models.trust import check_trusted

SKOPS, CLOUDPICKLE, PICKLE = "skops", "cloudpickle", "pickle"
FORMATS = (SKOPS, PICKLE, CLOUDPICKLE)


def best_format() -> str:
    """Returns the format that is used when none is asked for: the safest one whose package is installed."""
    return next((name for name in (SKOPS, CLOUDPICKLE) if is_installed(name)), PICKLE)


def is_installed(package: str) -> bool:
    """Returns whether a package can be imported."""
    return package in sys.modules or importlib.util.find_spec(package) is not None


def need(module: str, what: str) -> Any:
    """Returns a module that models need; raises `InvalidInputError` (kind `extra-missing`) when it is not installed."""
    return import_extra(module, "sklearn", what)


def dump(thing: Any, file: Path, form: str, trusted: list[str] | None = None) -> None:
    """Writes an object in one of the formats."""
    if form == SKOPS:
        _dump_skops(thing, file, trusted)
        return
    module: Any = need(CLOUDPICKLE, "the format 'cloudpickle'") if form == CLOUDPICKLE else pickle
    with file.open("wb") as out:
        module.dump(thing, out, protocol=pickle.DEFAULT_PROTOCOL)


def _dump_skops(thing: Any, file: Path, trusted: list[str] | None) -> None:
    skops = need("skops.io", "the format 'skops'")
    try:
        skops.dump(thing, file)
        unknown = set(skops.get_untrusted_types(file=file)) - set(trusted or ())
    except Exception as error:
        file.unlink(missing_ok=True)
        raise refused(
            f"the model cannot be saved in the skops format: {error}",
            hint="serialization_format='cloudpickle' takes any object; loading it runs code",
        ) from error
    if unknown:
        file.unlink(missing_ok=True)
        raise refused(
            f"the model holds types that skops does not know to be safe: {', '.join(sorted(unknown))}",
            hint="name those you trust in skops_trusted_types=[…], or serialization_format='cloudpickle'",
        )


def load(file: Path, form: str, *, trust: bool | None, before: Callable[[], object] | None = None) -> Any:
    """Returns the object in a file. The bytes that were judged are the bytes that are loaded.

    `before` is called once they are found to be trusted: it makes the code beside the model importable.
    """
    if form not in FORMATS:
        raise refused(f"Unrecognized serialization format: {form}. It must be one of {list(FORMATS)}.")
    data = file.read_bytes()
    if form == SKOPS:
        return _load_skops(data, file.name, trust, before)
    check_trusted(data, file.name, trust)
    if before is not None:
        before()
    if form == CLOUDPICKLE:
        need(CLOUDPICKLE, "this model")
    return _Unpickler(io.BytesIO(data)).load()


def _load_skops(data: bytes, name: str, trust: bool | None, before: Callable[[], object] | None) -> Any:
    """Loads types that skops knows to be safe; what the model itself calls trusted counts for nothing."""
    skops = need("skops.io", "this model")
    unknown = skops.get_untrusted_types(data=data)
    if unknown:
        check_trusted(data, f"{name}, with {', '.join(unknown)},", trust)
        if before is not None:
            before()
    return skops.loads(data, trusted=unknown)


class Told:
    """Stands for what a model of MLflow's notes of its own types, and needs for nothing."""


class _Unpickler(pickle.Unpickler):
    """Finds MLflow's classes here where MLflow is not installed: the base class of a Python model, mostly."""

    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith("mlflow.") or _has_mlflow():
            return super().find_class(module, name)
        if module.startswith(("mlflow.models.signature", "mlflow.types")):
            return Told
        return super().find_class(f"gitruns.{module}", name)


def _has_mlflow() -> bool:
    """Returns whether MLflow itself is installed, and `mlflow` is not another name of ours."""
    return is_installed("mlflow") and importlib.import_module("mlflow").__name__ == "mlflow"
