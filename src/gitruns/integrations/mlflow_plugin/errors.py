"""What goes wrong here, raised as MLflow's own stores raise it; codes and words are `protocol.errors`'s."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException

from gitruns.errors import GitRunsError
from gitruns.protocol.errors import ProtocolError, as_protocol_error

T = TypeVar("T", bound=type)


def refused(message: str, code: str = "INVALID_PARAMETER_VALUE") -> MlflowException:
    """Returns MLflow's exception with one of its codes, by name."""
    from mlflow.protos import databricks_pb2

    return MlflowException(message, getattr(databricks_pb2, code))


def missing(message: str) -> MlflowException:
    """Returns MLflow's exception for what is not there."""
    return refused(message, "RESOURCE_DOES_NOT_EXIST")


def as_mlflow(error: GitRunsError | ProtocolError) -> MlflowException:
    """Returns MLflow's exception for an error of ours."""
    said = error if isinstance(error, ProtocolError) else as_protocol_error(error)
    return refused(said.message, said.code)


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
        except (GitRunsError, ProtocolError) as error:
            raise as_mlflow(error) from error

    return call
