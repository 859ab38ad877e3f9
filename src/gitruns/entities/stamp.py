"""Logical time: who changed what after what, without trusting any clock.

A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): milliseconds UTC while the clocks behave,
and a counter when they do not, so that a later change of the same writer always bears a greater stamp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitruns.entities.ids import WriterId

FAR_AHEAD_MS = 10 * 60 * 1000
"""Clocks that are kept differ by less. What bears a stamp further ahead waits until time has come: else a clock that is
wrong would win over every edit that is made until then."""

_GREATEST = 2**63 - 1
"""Of a stored integer."""


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When, in logical time, and by whom a field was changed. The greater stamp wins a merge."""

    time_ms: int
    counter: int
    writer: WriterId


def next_stamp(previous: Stamp | None, now_ms: int, writer: WriterId) -> Stamp:
    """Returns a stamp greater than `previous` and not before `now_ms`; `previous` is the greatest one seen."""
    if previous is None or now_ms > previous.time_ms:
        return Stamp(now_ms, 0, writer)
    if previous.counter < _GREATEST:
        return Stamp(previous.time_ms, previous.counter + 1, writer)
    # Nobody counts that far; who writes such a stamp means harm, and nobody could read the next one.
    return Stamp(min(previous.time_ms + 1, _GREATEST), 0, writer)


def edit_stamp(stamps: Mapping[str, Stamp], fields: Iterable[str], now_ms: int, writer: WriterId) -> Stamp:
    """Returns the stamp of an edit of some fields of a state that has these stamps: greater than all of them.

    Except that a stamp which is far ahead of the clock counts only where it is of an edited field: a clock that went
    wrong once shall not spoil the stamps of all that is edited later.
    """
    edited = [stamps[field] for field in fields if field in stamps]
    near = [stamp for stamp in stamps.values() if stamp.time_ms <= now_ms + FAR_AHEAD_MS]
    return next_stamp(max(edited + near, default=None), now_ms, writer)
