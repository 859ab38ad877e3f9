"""Libraries that come with an extra and are loaded when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from gitruns.errors import InvalidInputError


def load(module: str, extra: str, why: str) -> Any:
    """Returns a module; raises `InvalidInputError` (kind `extra-missing`) that names the extra it comes with."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidInputError(
            f"{why} needs '{module.partition('.')[0]}', which is not installed",
            kind="extra-missing",
            hint=f"pip install 'gitruns[{extra}]'",
        ) from error
