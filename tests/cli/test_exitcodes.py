"""One table from errors to exit codes."""

from __future__ import annotations

import pytest

from gitruns import errors
from gitruns.cli.exitcodes import MEANINGS, exit_code


def _all_errors(root: type[errors.GitRunsError]) -> list[type[errors.GitRunsError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


@pytest.mark.parametrize("kind", _all_errors(errors.GitRunsError), ids=lambda kind: kind.__name__)
def test_every_error_has_a_documented_code(kind: type[errors.GitRunsError]) -> None:
    assert exit_code(kind("it failed")) in MEANINGS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInputError("x"), 2),
        (errors.NotFoundError("x", kind="not-a-repository"), 10),
        (errors.NotFoundError("x", kind="git-not-found"), 10),
        (errors.LockedError("x"), 11),
        (errors.NotFoundError("x", kind="run-not-found"), 12),
        (errors.ConflictError("x"), 13),
        (errors.AlreadyExistsError("x"), 13),
        (errors.RemoteError("x"), 14),
        (errors.AccessDeniedError("x", kind="dubious-ownership"), 14),
        (errors.GitRunsError("x", kind="disk-full"), 14),
        (PermissionError("x"), 14),
        (errors.CorruptDataError("x"), 15),
        (errors.InternalError("x"), 70),
        (RuntimeError("x"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_codes_are_never_renumbered(error: BaseException, code: int) -> None:
    assert exit_code(error) == code
