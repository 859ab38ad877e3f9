"""MLflow's words on the wire, by their names or by the numbers that proto has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitruns.entities.run import RunStatus
from gitruns.entities.status import Lifecycle
from gitruns.protocol.shown import lifecycle_of
from gitruns.server.fields import invalid_field

_VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


def _number(fields: Mapping[str, Any], name: str, words: Sequence[str]) -> int | None:
    """Returns which of some words a field says, counted from 1, None without the field."""
    given = fields.get(name)
    if given is None:
        return None
    if given in words:
        return words.index(given) + 1
    text = str(given)
    if not isinstance(given, (int, str)) or isinstance(given, bool) or text not in tuple("12345"[: len(words)]):
        raise invalid_field(name, given)
    return int(text)


def view_of(fields: Mapping[str, Any], name: str) -> Lifecycle | None:
    """Returns what a view shows, None for all; what is active when there is no such field."""
    return lifecycle_of(_number(fields, name, _VIEWS))


def run_status_of(fields: Mapping[str, Any], name: str) -> RunStatus | None:
    """Returns a run's status, None when there is no such field."""
    number = _number(fields, name, _STATUSES)
    return None if number is None else RunStatus(_STATUSES[number - 1])
