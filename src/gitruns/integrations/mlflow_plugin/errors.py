"""What goes wrong here, said as MLflow's own stores say it: one table from our errors to MLflow's codes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException

from gitruns import errors

T = TypeVar("T", bound=type)

_CODES: tuple[tuple[type[errors.GitRunsError], str], ...] = (
    (errors.NotFoundError, "RESOURCE_DOES_NOT_EXIST"),
    (errors.AlreadyExistsError, "RESOURCE_ALREADY_EXISTS"),
    (errors.ConflictError, "RESOURCE_CONFLICT"),
    (errors.InvalidInputError, "INVALID_PARAMETER_VALUE"),
    (errors.LockedError, "TEMPORARILY_UNAVAILABLE"),
    (errors.AccessDeniedError, "PERMISSION_DENIED"),
    (errors.CorruptDataError, "DATA_LOSS"),
)


def refused(message: str, code: str = "INVALID_PARAMETER_VALUE") -> MlflowException:
    """Returns MLflow's exception with one of its codes, by name."""
    from mlflow.protos import databricks_pb2

    return MlflowException(message, getattr(databricks_pb2, code))


def missing(message: str) -> MlflowException:
    """Returns MLflow's exception for what is not there."""
    return refused(message, "RESOURCE_DOES_NOT_EXIST")


def as_mlflow(error: errors.GitRunsError) -> MlflowException:
    """Returns MLflow's exception for an error of ours; what to do about it goes with it."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL_ERROR")
    return refused(f"{error.message} (hint: {error.hint})" if error.hint else error.message, code)


def speaks_mlflow(store: T) -> T:
    """Makes every method of a class raise MLflow's exceptions instead of ours."""
    for name, value in list(vars(store).items()):
        if callable(value) and not isinstance(value, type) and not name.startswith("__"):
            setattr(store, name, _translating(value))
    return store


def _translating(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return method(*args, **named)
        except errors.GitRunsError as error:
            raise as_mlflow(error) from error

    return call
