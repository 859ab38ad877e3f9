"""What scientific code holds, as the plain values that JSON and YAML know."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import os
from collections.abc import Mapping
from typing import Any

from gitruns.errors import InvalidInputError


def missing_package(what: str, package: str) -> InvalidInputError:
    """Returns the error for something that needs a package which is not installed, naming it."""
    return InvalidInputError(
        f"{what} needs the package '{package}'", kind="missing-package", hint=f"pip install {package}"
    )


def plain_value(value: Any, *, dates: bool = False) -> Any:
    """Returns the value made of None, bool, int, float, str, list and dict only; what has no such form is its `str()`.

    numpy's and torch's scalars and arrays become numbers and lists, sets sorted lists, dataclasses dicts. With `dates`
    dates and times stay as they are. Raises `InvalidInputError` for a value that holds itself.
    """
    try:
        return _plain(value, dates)
    except RecursionError:
        raise InvalidInputError(
            "cannot store a value that is nested too deep or holds itself", kind="too-deep"
        ) from None


def _plain(value: Any, dates: bool) -> Any:
    if isinstance(value, enum.Enum):
        return _plain(value.value, dates)
    if value is None or type(value) in (bool, int, float, str):
        return value
    for base in (int, float, str):  # numpy's float64 and str_, a user's own
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, dates) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, dates) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, dates) for item in value), key=lambda item: (str(type(item)), str(item)))
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value if dates else str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), dates) for field in dataclasses.fields(value)}
    return _unwrapped(value, dates)


def _key(key: Any) -> Any:
    unwrapped = plain_value(key) if not isinstance(key, tuple) else str(key)
    return unwrapped if unwrapped is None or isinstance(unwrapped, (bool, int, float, str)) else str(key)


def _unwrapped(value: Any, dates: bool) -> Any:
    """Takes values out of an array or scalar of numpy, torch, jax or tensorflow."""
    for name in ("tolist", "item"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            try:
                plain = method()
            except (TypeError, ValueError, RuntimeError):
                continue
            if plain is not value:
                return _plain(plain, dates)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def is_missing(value: Any) -> bool:
    """Returns whether a cell holds nothing: None, NaN, or pandas' NA and NaT."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")
