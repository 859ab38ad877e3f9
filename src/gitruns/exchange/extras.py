"""Libraries that only some need: imported when they are used, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from gitruns.errors import InvalidInputError


def import_extra(module: str, extra: str, what: str) -> Any:
    """Returns a module; raises `InvalidInputError` (kind `extra-missing`) that names the extra it comes with.

    `what` is what cannot be done without it, as it begins the message.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InvalidInputError(
            f"{what} needs the package '{package}', which is not installed",
            kind="extra-missing",
            hint=f"pip install 'gitruns[{extra}]'",
        ) from error
