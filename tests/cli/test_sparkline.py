"""Curves in a line."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gitruns.cli.sparkline import ASCII_BLOCKS, BLOCKS, sparkline


def test_a_falling_curve_falls() -> None:
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert sparkline(list(range(800)), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 2], 8, blocks=ASCII_BLOCKS) == "_*"


def test_what_is_no_number_is_a_gap() -> None:
    assert sparkline([0.0, math.nan, 1.0], 8) == "▁ █"
    assert sparkline([0.0, math.inf, 1.0], 8) == "▁ █"
    assert sparkline([math.nan], 8) == ""
    assert sparkline([], 8) == ""


def test_a_flat_curve_is_in_the_middle() -> None:
    assert sparkline([3.0, 3.0], 8) == "▄▄"


@given(st.lists(st.floats(), max_size=300), st.integers(min_value=1, max_value=40))
def test_any_floats_make_a_curve_that_fits(values: list[float], width: int) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) <= min(width, len(values))
    assert set(drawn) <= {*BLOCKS, " "}
