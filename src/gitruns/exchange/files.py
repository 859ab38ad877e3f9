"""Files that are there whole or not at all, and that replace no other unasked."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from gitruns.errors import AlreadyExistsError, NotFoundError


@contextlib.contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Gives the path of a file to write beside `path`, which takes that name when all went well.

    Raises `AlreadyExistsError` (kind `file-exists`) when there is such a file and it is not to be replaced, and
    `NotFoundError` (kind `file-not-found`) when there is no such folder.
    """
    if not path.parent.is_dir():
        raise NotFoundError(f"there is no folder '{path.parent}'", kind="file-not-found")
    check_free(path, replace=replace)
    partial = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        check_free(path, replace=replace)
        partial.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def check_free(path: Path, *, replace: bool) -> None:
    """Raises `AlreadyExistsError` (kind `file-exists`) when there is such a file and it is not to be replaced."""
    if path.is_dir() or (not replace and os.path.lexists(path)):
        raise AlreadyExistsError(f"'{path}' is there already", kind="file-exists", hint="--force writes it anew")
