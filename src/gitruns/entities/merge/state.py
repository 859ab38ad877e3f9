"""The whole state of one run: what a merge joins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from gitruns.entities.ids import Digest
from gitruns.entities.run import Run
from gitruns.entities.values import MetricSummary
from gitruns.errors import InvalidInputError

FORMAT_VERSION = 1
"""The newest stored format whose states this version can merge."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run and the bytes that its entities do not hold.

    `points` is the file of each part, whole or the curve that stands for it; `summaries` what each part says of each
    metric; `texts` the text artifacts in the tree, by path of the artifact. Files that this version does not know are
    in `run.unknown`, whatever folder they are in.
    """

    run: Run
    points: Mapping[Digest, bytes] = field(default_factory=lambda: _NOTHING)
    summaries: Mapping[Digest, Mapping[str, MetricSummary]] = field(default_factory=lambda: _NOTHING)
    texts: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)


class _Versioned(Protocol):
    @property
    def format_version(self) -> int: ...


def check_mergeable(what: str, ids: Iterable[str], states: Iterable[_Versioned]) -> None:
    """Raises `InvalidInputError` when the states are of several things, or one is in a newer format.

    What a newer version wrote is not fully known here, and what is not known would be lost.
    """
    found = sorted(set(ids))
    if len(found) != 1:
        raise InvalidInputError(
            f"cannot merge states of several {what}s: {', '.join(one[:12] for one in found[:3])}", kind="different-ids"
        )
    newest = max(state.format_version for state in states)
    if newest > FORMAT_VERSION:
        raise InvalidInputError(
            f"cannot merge {what} '{found[0][:12]}': it is stored in format {newest}, this gitruns knows"
            f" {FORMAT_VERSION}",
            kind="format-too-new",
            hint="pip install --upgrade gitruns",
        )
