"""The laws of points as text and of the curve that stands for many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitruns.entities import history
from gitruns.entities.history import decode_points, downsample, encode_metric_key, encode_point
from gitruns.entities.values import Point
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same


def encode(points: Sequence[Point]) -> str:
    """The TSV text of some points."""
    return "".join(
        encode_point(encode_metric_key(point.metric), point.step, point.time_ms, point.value) for point in points
    )


def fields(point: Point) -> list[object]:
    """All of a point, for `same`."""
    return [point.metric, point.step, point.time_ms, point.value]


@settings(max_examples=300)
@given(st.lists(some.points(), max_size=8))
@example([Point(text, 0, 0, 0.0) for text in some.AWKWARD_TEXTS])
@example([Point("m", 0, 0, number) for number in [*some.AWKWARD_FLOATS, math.nan, math.inf, -math.inf]])
def test_points_come_back_bit_for_bit(points: list[Point]) -> None:
    text = encode(points)
    assert text.count("\n") == len(points)
    found = list(decode_points(text.splitlines(keepends=True)))
    assert same([fields(point) for point in found], [fields(point) for point in points])


@given(some.texts)
def test_no_key_makes_a_line_or_a_column(key: str) -> None:
    column = encode_metric_key(key)
    assert "\t" not in column
    assert len((column + "x").splitlines()) == 1
    assert history.decode_metric_key(column) == key


def test_numpy_floats_are_written_as_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert encode_point("m", 1, 2, numpy.float64(0.1)) == "m\t1\t2\t0.1\n"
    assert encode_point("m", 1, 2, numpy.float64("nan")) == "m\t1\t2\tnan\n"


@pytest.mark.parametrize(
    "line",
    ["m\t1\t2\n", "m\t1\t2\t3\t4\n", "m\tx\t2\t3.0\n", "m\t1\t2\tx\n", "", 'm\\"\\\t1\t2\t3.0\n', "m\\x\t1\t2\t3.0\n"],
)
def test_what_is_no_point_is_named_by_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no point"):
        list(decode_points(["m\t1\t2\t3.0\n", line]))


long_curves = st.integers(min_value=0, max_value=2**31).flatmap(
    lambda seed: st.builds(
        lambda values, length: [Point("m", step, 0, values[(step * seed) % len(values)]) for step in range(length)],
        st.lists(some.metric_values, min_size=1, max_size=30),
        st.integers(min_value=1, max_value=600),
    )
)


@settings(max_examples=200)
@given(long_curves, st.integers(min_value=1, max_value=64))
def test_a_downsampled_curve_keeps_first_last_least_and_greatest(points: list[Point], buckets: int) -> None:
    curve = downsample(points, buckets)
    assert len(curve) <= 2 * buckets + 2
    steps = [point.step for point in curve]
    assert steps == sorted(set(steps)) and set(map(id, curve)) <= set(map(id, points))
    assert curve[0] is points[0] and curve[-1] is points[-1]
    numbers = [point.value for point in points if not math.isnan(point.value)]
    if numbers:
        kept = [point.value for point in curve if not math.isnan(point.value)]
        assert min(kept) == min(numbers) and max(kept) == max(numbers)
    if len(points) <= 2 * buckets + 2:
        assert curve == points


def test_every_bucket_keeps_its_extremes() -> None:
    points = [Point("m", step, 0, math.sin(step)) for step in range(6400)]
    kept = {point.step for point in downsample(points)}
    for bucket in range(64):
        chunk = points[bucket * 100 : bucket * 100 + 100]
        assert min(chunk, key=lambda point: point.value).step in kept
        assert max(chunk, key=lambda point: point.value).step in kept
