"""Logical time: who changed what after what, without trusting any clock.

A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): milliseconds UTC while the clocks behave,
and a counter when they do not, so that a later change of the same writer always bears a greater stamp.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.ids import WriterId


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
    return Stamp(previous.time_ms, previous.counter + 1, writer)
