"""What the operating system says, in words that a person can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitruns.errors import AccessDeniedError, GitRunsError, InvalidInputError, NotFoundError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def shown(path: Path | str) -> str:
    """Returns a path as it can stand in a message: one line, undecodable bytes and control characters escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)[1:-1]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what fails while the user's file at `path` is opened or read into errors of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot find file '{shown(path)}'", kind="file-not-found") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # it became a symlink or a socket after it was looked at
            raise InvalidInputError(
                f"cannot store '{shown(path)}': it is not a regular file", kind="not-a-regular-file"
            ) from error
        if error.errno in _DENIED:
            raise AccessDeniedError(
                f"cannot read '{shown(path)}': {os.strerror(error.errno)}", kind="unreadable-file"
            ) from error
        raise GitRunsError(f"cannot read '{shown(path)}': {error.strerror or error}", kind="io-error") from error


@contextmanager
def writing(what: str, place: Path) -> Iterator[None]:
    """Turns what fails while `what` is written at `place` into errors of ours: `disk-full`, `read-only`, `io-error`."""
    try:
        yield
    except OSError as error:
        why = f"cannot {what} in '{shown(place)}': {error.strerror or error}"
        if error.errno in _FULL:
            raise GitRunsError(why, kind="disk-full", hint="free some space there, then try again") from error
        if error.errno in _DENIED:
            raise AccessDeniedError(why, kind="read-only") from error
        raise GitRunsError(why, kind="io-error") from error
