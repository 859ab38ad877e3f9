"""Exit codes: the one table from what went wrong to a number. Documented, added to but never renumbered."""

from __future__ import annotations

from gitruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    GitRunsError,
    InternalError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    RemoteError,
)

DONE = 0
NO = 1
USAGE = 2
NO_REPOSITORY = 10
LOCKED = 11
NOT_FOUND = 12
CONFLICT = 13
ACCESS = 14
CORRUPT = 15
BUG = 70
NOT_EXECUTABLE = 126
NO_COMMAND = 127
INTERRUPTED = 130
BROKEN_PIPE = 141

MEANINGS = {
    DONE: "done",
    NO: "the answer is no",
    USAGE: "wrong usage or input",
    NO_REPOSITORY: "no repository here, or no git",
    LOCKED: "another process holds a lock",
    NOT_FOUND: "no such run, experiment or file",
    CONFLICT: "somebody else changed it first, or the name is taken",
    ACCESS: "the system, git or a remote said no",
    CORRUPT: "stored data is damaged",
    BUG: "a bug of gitruns",
    NOT_EXECUTABLE: "the command cannot be executed",
    NO_COMMAND: "there is no such command",
    INTERRUPTED: "interrupted",
    BROKEN_PIPE: "the reader of our output went away",
}

_BY_KIND = {
    "not-a-repository": NO_REPOSITORY,
    "git-not-found": NO_REPOSITORY,
    "journal-only": NO_REPOSITORY,
    "command-not-found": NO_COMMAND,
    "command-not-executable": NOT_EXECUTABLE,
}

_BY_CLASS: tuple[tuple[type[BaseException], int], ...] = (
    (NotFoundError, NOT_FOUND),
    (AlreadyExistsError, CONFLICT),
    (ConflictError, CONFLICT),
    (InvalidInputError, USAGE),
    (LockedError, LOCKED),
    (AccessDeniedError, ACCESS),
    (RemoteError, ACCESS),
    (CorruptDataError, CORRUPT),
    (InternalError, BUG),
    (GitRunsError, ACCESS),  # git or the file system failed: a full disk, a git that gave up
    (OSError, ACCESS),
    (KeyboardInterrupt, INTERRUPTED),
)


def exit_code(error: BaseException) -> int:
    """Returns the exit code of a command that this error ended."""
    if isinstance(error, GitRunsError) and error.kind in _BY_KIND:
        return _BY_KIND[error.kind]
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), BUG)
