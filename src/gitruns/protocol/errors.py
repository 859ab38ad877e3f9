"""What goes wrong, said as MLflow says it: one table from our errors to MLflow's codes, one from codes to statuses."""

from __future__ import annotations

from gitruns import errors

_CODES: tuple[tuple[type[errors.GitRunsError], str], ...] = (
    (errors.NotFoundError, "RESOURCE_DOES_NOT_EXIST"),
    (errors.AlreadyExistsError, "RESOURCE_ALREADY_EXISTS"),
    (errors.ConflictError, "RESOURCE_CONFLICT"),
    (errors.InvalidInputError, "INVALID_PARAMETER_VALUE"),
    (errors.LockedError, "TEMPORARILY_UNAVAILABLE"),
    (errors.AccessDeniedError, "PERMISSION_DENIED"),
    (errors.CorruptDataError, "DATA_LOSS"),
)

_STATUSES = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "INVALID_STATE": 500,
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "NOT_FOUND": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_CONFLICT": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "RESOURCE_LIMIT_EXCEEDED": 429,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "CANCELLED": 499,
    "DATA_LOSS": 500,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""As MLflow has them; its clients try again after 429 and from 500 on, 501 excepted."""


class ProtocolError(Exception):
    """A call that MLflow would refuse: `code` is its name for why, `message` its words."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def refused(message: str, code: str = "INVALID_PARAMETER_VALUE") -> ProtocolError:
    """Returns the error of a call that is refused."""
    return ProtocolError(message, code)


def missing(message: str) -> ProtocolError:
    """Returns the error for what is not there."""
    return ProtocolError(message, "RESOURCE_DOES_NOT_EXIST")


def as_protocol_error(error: errors.GitRunsError) -> ProtocolError:
    """Returns an error of ours as MLflow would say it; what to do about it goes with it."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL_ERROR")
    return ProtocolError(f"{error.message} (hint: {error.hint})" if error.hint else error.message, code)


def status_of(code: str) -> int:
    """Returns the HTTP status that goes with a code of MLflow's."""
    return _STATUSES.get(code, 500)
