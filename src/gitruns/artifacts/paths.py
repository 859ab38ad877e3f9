"""The one function that joins a name from outside to a folder."""

from __future__ import annotations

import os
from pathlib import Path

from gitruns.artifacts.failures import shown
from gitruns.errors import InvalidInputError


def safe_join(folder: Path, relative: str) -> Path:
    """Returns the path of `relative` (`/` between parts) below `folder`, both with symlinks on the way resolved.

    Nothing needs to exist yet. Raises `InvalidInputError`, kind `unsafe-path`, for a name that is absolute or empty,
    has a part `.` or `..`, a NUL or what the file system cannot spell, or leaves the folder through a symlink.
    """
    parts = relative.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in relative or Path(relative).is_absolute():
        raise _unsafe(folder, relative, "it is not a plain relative path")
    if os.sep != "/" and any(os.sep in part or ":" in part for part in parts):
        raise _unsafe(folder, relative, "it has a character that separates paths here")
    root = Path(os.path.realpath(folder))
    try:
        resolved = Path(os.path.realpath(root / relative))
        os.fsencode(resolved)
    except (OSError, ValueError) as error:
        raise _unsafe(folder, relative, str(error)) from error
    if not resolved.is_relative_to(root) or resolved == root:
        raise _unsafe(folder, relative, "it leads out of the folder")
    return resolved


def _unsafe(folder: Path, relative: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"cannot use '{shown(relative)}' below '{shown(folder)}': {why}", kind="unsafe-path", path=relative
    )
