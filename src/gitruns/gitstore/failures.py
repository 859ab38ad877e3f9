"""What the operating system says about a repository's files, in words that a person can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitruns.entities.ids import ObjectId
from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Turns what fails while `what` is written in a repository's folder into errors: `read-only`, `disk-full`."""
    try:
        yield
    except OSError as error:
        raise write_failed(what, folder, error) from error


def write_failed(what: str, folder: Path, error: OSError) -> GitRunsError:
    """Returns the error for a write that the operating system refused."""
    why = f"cannot write {what} in '{folder}': {error.strerror or error}"
    if error.errno in _FULL:
        return GitRunsError(why, kind="disk-full", hint="free some space there, then try again")
    if error.errno in _DENIED:
        return AccessDeniedError(why, kind="read-only", path=str(folder))
    return GitRunsError(why, kind="io-error")


def object_missing(oid: ObjectId, *, shallow: bool, promisor: str | None) -> NotFoundError:
    """Returns the error for an object that is not in this repository, saying how to bring it."""
    if promisor is not None:
        why, hint = "this is a partial clone that left it out", f"git fetch {promisor} {oid}"
    elif shallow:
        why, hint = "this is a shallow clone", f"git fetch --depth=1 origin {oid}"
    else:
        why, hint = "it is not in this repository", "git fsck"
    return NotFoundError(f"cannot read object '{oid}': {why}", kind="object-missing", hint=hint, oid=oid)
