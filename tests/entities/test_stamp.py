"""Logical time: later is greater, and a clock that went wrong spoils only what it touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from entities.merge_states import WRITERS, stamps
from gitruns.entities.stamp import FAR_AHEAD_MS, Stamp, edit_stamp, next_stamp

A, B = WRITERS
NOW = 1_700_000_000_000


@given(stamps, st.integers(-3, 3), st.sampled_from(WRITERS))
def test_the_next_stamp_is_greater_and_not_before_the_clock(last: Stamp, now_ms: int, writer: str) -> None:
    stamp = next_stamp(last, now_ms, writer)  # type: ignore[arg-type]
    assert stamp > last
    assert stamp.time_ms >= now_ms
    assert stamp.writer == writer


def test_a_counter_that_is_full_is_carried_over() -> None:
    assert next_stamp(Stamp(NOW, 2**63 - 1, B), NOW - 5, A) == Stamp(NOW + 1, 0, A)


def test_an_edit_is_later_than_all_that_was_seen() -> None:
    seen = {"tags/a": Stamp(NOW + 5, 3, B), "tags/b": Stamp(NOW - 9, 9, A)}
    assert edit_stamp(seen, ["tags/b"], NOW, A) == Stamp(NOW + 5, 4, A)
    assert edit_stamp(seen, ["tags/b"], NOW + 6, A) == Stamp(NOW + 6, 0, A)
    assert edit_stamp({}, ["tags/b"], NOW, A) == Stamp(NOW, 0, A)


def test_a_stamp_far_ahead_counts_only_where_it_stands() -> None:
    seen = {"tags/a": Stamp(NOW + FAR_AHEAD_MS + 1, 0, B), "tags/b": Stamp(NOW + FAR_AHEAD_MS, 0, B)}
    assert edit_stamp(seen, ["tags/c"], NOW, A) == Stamp(NOW + FAR_AHEAD_MS, 1, A)
    assert edit_stamp(seen, ["tags/c", "tags/a"], NOW, A) == Stamp(NOW + FAR_AHEAD_MS + 1, 1, A)
