"""The errors of gitruns, one tree cut by what the caller would do about them.

    GitRunsError
    ├── NotFoundError         (also a LookupError)  ask for something else
    ├── AlreadyExistsError                          choose another name
    ├── ConflictError                               read again, then try again
    ├── InvalidInputError     (also a ValueError)   mend the input
    ├── LockedError                                 wait, or end who holds it
    ├── AccessDeniedError                           get the right to do it
    ├── RemoteError                                 retry when `retryable`
    ├── CorruptDataError                            look at the named place
    └── InternalError                               report a bug

`kind` is the finer cause: a stable code, added to but never renamed. `hint` is the next thing to type.
`GitRunsWarning` is said, once each, of what must not break a training run.
Exit codes, HTTP statuses and MLflow's error codes are tables in the faces that need them.
"""

from __future__ import annotations


class GitRunsError(Exception):
    """Base of every error that gitruns raises on purpose.

    Facts about the failure are given as keywords and stay readable in `facts`.
    """

    default_kind = "error"

    def __init__(self, message: str, *, kind: str | None = None, hint: str | None = None, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or self.default_kind
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        return self.message


class NotFoundError(GitRunsError, LookupError):
    """What was asked for is not there."""

    default_kind = "not-found"


class AlreadyExistsError(GitRunsError):
    """The name or id is taken."""

    default_kind = "already-exists"


class ConflictError(GitRunsError):
    """Somebody else moved it first: read it again and try again."""

    default_kind = "conflict"


class InvalidInputError(GitRunsError, ValueError):
    """The caller's own mistake: a wrong type, an illegal name, a param overwritten."""

    default_kind = "invalid-input"


class LockedError(GitRunsError):
    """Another process holds it."""

    default_kind = "locked"


class AccessDeniedError(GitRunsError):
    """The operating system, git or a remote said no."""

    default_kind = "access-denied"


class RemoteError(GitRunsError):
    """A remote or a store could not be reached or answered wrongly; `retryable` says whether a retry may help."""

    default_kind = "remote"

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        kind: str | None = None,
        hint: str | None = None,
        **facts: object,
    ) -> None:
        super().__init__(message, kind=kind, hint=hint, **facts)
        self.retryable = retryable


class CorruptDataError(GitRunsError):
    """Stored bytes are not what the format says; the message names the place, with path and line."""

    default_kind = "corrupt"


class InternalError(GitRunsError):
    """A bug of ours."""

    default_kind = "internal"


class GitRunsWarning(UserWarning):
    """Something went wrong that logging does not raise for: it is said once, and the run goes on."""
