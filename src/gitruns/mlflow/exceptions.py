"""What goes wrong, as MLflow's code expects to catch it: `except MlflowException as error: error.error_code`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from gitruns.errors import GitRunsError
from gitruns.protocol.errors import ProtocolError, as_protocol_error, status_of

P = ParamSpec("P")
T = TypeVar("T")


class MlflowException(GitRunsError):  # noqa: N818  the name that code catches
    """An error with MLflow's `error_code`; also an error of gitruns, with its `kind` and `hint`."""

    def __init__(
        self,
        message: str,
        error_code: str | int = "INTERNAL_ERROR",
        *,
        kind: str | None = None,
        hint: str | None = None,
        **facts: object,
    ) -> None:
        told = f"{message} (hint: {hint})" if hint and "(hint: " not in str(message) else str(message)
        super().__init__(told, kind=kind, hint=hint, **facts)
        self.error_code = error_code if isinstance(error_code, str) else "INTERNAL_ERROR"

    @classmethod
    def invalid_parameter_value(cls, message: str, **facts: object) -> MlflowException:
        """Returns the error for a wrong argument."""
        return cls(message, "INVALID_PARAMETER_VALUE", kind="invalid-input", hint=None, **facts)

    def get_http_status_code(self) -> int:
        """Returns the HTTP status that a server of MLflow's would answer with."""
        return status_of(self.error_code)

    def serialize_as_json(self) -> str:
        """Returns code and message as JSON."""
        return json.dumps({"error_code": self.error_code, "message": self.message})

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.message, self.error_code, self.kind, self.hint, self.facts)


def _again(
    kind_of: type[MlflowException], message: str, code: str, kind: str, hint: str | None, facts: dict[str, object]
) -> MlflowException:
    return kind_of(message, code, kind=kind, hint=hint, **facts)


class RestException(MlflowException):
    """What MLflow's clients raise for a server's answer: nothing here does, code that catches it runs on."""


def refused(message: str, code: str = "INVALID_PARAMETER_VALUE", hint: str | None = None) -> MlflowException:
    """Returns the error for what is refused, with one of MLflow's codes."""
    return MlflowException(message, code, kind="invalid-input", hint=hint)


def as_mlflow(error: GitRunsError | ProtocolError) -> MlflowException:
    """Returns MLflow's exception for an error of ours; kind, hint and facts go with it."""
    if isinstance(error, MlflowException):
        return error
    if isinstance(error, ProtocolError):
        return MlflowException(error.message, error.code)
    said = as_protocol_error(error)
    facts = {key: value for key, value in error.facts.items() if key not in ("message", "error_code")}
    return MlflowException(said.message, said.code, kind=error.kind, hint=error.hint, **facts)


def speaks_mlflow(call: Callable[P, T]) -> Callable[P, T]:
    """Makes a function raise MLflow's exceptions instead of ours."""

    @functools.wraps(call)
    def speaking(*args: P.args, **named: P.kwargs) -> T:
        try:
            return call(*args, **named)
        except MlflowException:
            raise
        except (GitRunsError, ProtocolError) as error:
            raise as_mlflow(error) from error

    return speaking


def all_speak_mlflow(kind: type[T]) -> type[T]:
    """Makes every public method of a class raise MLflow's exceptions instead of ours."""
    for name, value in list(vars(kind).items()):
        if callable(value) and not isinstance(value, type) and not name.startswith("_"):
            setattr(kind, name, speaks_mlflow(value))
    return kind
