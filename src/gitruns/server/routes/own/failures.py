"""What went wrong, as JSON: MLflow's two keys, so that one client reads both APIs, and what else our errors say."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gitruns.errors import AlreadyExistsError, GitRunsError, RemoteError
from gitruns.protocol.errors import as_protocol_error, status_of
from gitruns.server.calls import Answer
from gitruns.server.routes.own.kinds import plain


class Failure(Struct, omit_defaults=True):
    """What went wrong. `error_code` is MLflow's word for it and `kind` ours, see docs/errors.md.

    `column` is the place in a query, counted from 1; `hint` says what to do, or what was likely meant.
    """

    error_code: str
    message: str
    kind: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
    column: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    pointer: str | UnsetType = UNSET
    facts: dict[str, Any] | UnsetType = UNSET


_TOLD = ("column", "reason", "pointer")


def failure(error: GitRunsError, hint: str | None) -> Answer:
    """Returns the answer to a request that an error of ours ended, with what is to be done about it."""
    code = _code(error)
    more = {key: value for key, value in error.facts.items() if key not in (*_TOLD, "query") and plain(value)}
    said = Failure(
        error_code=code,
        message=_sayable(error.message),
        kind=error.kind,
        hint=_sayable(hint) if hint else UNSET,
        facts=msgspec.convert(more, dict[str, Any]) if more else UNSET,
    )
    for key in _TOLD:
        if key in error.facts:
            setattr(said, key, error.facts[key])
    return Answer(body=msgspec.json.encode(said), status=status_of(code))


def _code(error: GitRunsError) -> str:
    if isinstance(error, AlreadyExistsError):
        return "ALREADY_EXISTS"  # a 409: only MLflow's own routes have to say 400
    if isinstance(error, RemoteError):
        return "TEMPORARILY_UNAVAILABLE"
    return as_protocol_error(error).code


def _sayable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
