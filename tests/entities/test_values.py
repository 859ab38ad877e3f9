"""The laws of metric summaries and of integers as text."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitruns.entities.values import (
    MetricSummary,
    Point,
    Scalar,
    Summarizer,
    fold_summaries,
    int_from_text,
    int_text,
    param_text,
)
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same

curves = st.lists(some.points(st.just("loss")), min_size=1, max_size=12)


def summarize(points: Sequence[Point]) -> MetricSummary:
    """What the code under test makes of some points."""
    summarizer = Summarizer()
    for point in points:
        summarizer.add(point.step, point.time_ms, point.value)
    return summarizer.summary()


def place(value: float) -> tuple[bool, float, bool]:
    """The order of values as docs/format.md has it: NaN is lowest, -0.0 is below 0.0."""
    return (False, 0.0, False) if math.isnan(value) else (True, value, math.copysign(1.0, value) > 0)


def exact_mean(numbers: Sequence[float]) -> float:
    """The mean as mathematics has it, rounded once."""
    if not numbers:
        return math.nan
    infinite = {number for number in numbers if math.isinf(number)}
    if infinite:
        return infinite.pop() if len(infinite) == 1 else math.nan
    return float(sum(map(Fraction, numbers)) / len(numbers))


def reference(points: Sequence[Point]) -> MetricSummary:
    """The summary as docs/format.md defines it, with all points at hand."""
    ordered = sorted(points, key=lambda point: (point.step, point.time_ms, place(point.value)))
    numbers = sorted((point.value for point in points if not math.isnan(point.value)), key=place)
    first, last = ordered[0], ordered[-1]
    return MetricSummary(
        count=len(points),
        nan=len(points) - len(numbers),
        first=first.value,
        first_step=first.step,
        first_time_ms=first.time_ms,
        last=last.value,
        step=last.step,
        time_ms=last.time_ms,
        min=numbers[0] if numbers else math.nan,
        max=numbers[-1] if numbers else math.nan,
        mean=exact_mean(numbers),
    )


def bits(summary: MetricSummary) -> list[object]:
    """All fields, floats as their bytes, so that -0.0 differs from 0.0 and NaN equals NaN."""
    return [
        struct.pack("d", math.nan if value != value else value) if isinstance(value, float) else value
        for value in dataclasses.astuple(summary)
    ]


def without_mean(summary: MetricSummary) -> list[object]:
    """All fields but the one that may be rounded."""
    return bits(dataclasses.replace(summary, mean=0.0))


def is_near(mean: float, wanted: float, numbers: Sequence[float]) -> bool:
    """Whether a mean is the wanted one, within rounding of the largest number that went into it."""
    if not math.isfinite(wanted):
        return same(mean, wanted)
    return abs(Fraction(mean) - Fraction(wanted)) <= Fraction(max(map(abs, numbers))) * Fraction(1, 2**50)


@settings(max_examples=250)
@given(curves)
@example([Point("loss", 0, 0, 1.7e308), Point("loss", 1, 0, 1.7e308), Point("loss", 2, 0, 0.0)])
@example([Point("loss", 0, 0, 1.7e308), Point("loss", 1, 0, -1.7e308), Point("loss", 2, 0, 3.0)])
@example([Point("loss", 0, 0, math.inf), Point("loss", 1, 0, 1.0), Point("loss", 2, 0, 2.0)])
@example([Point("loss", 0, 0, math.inf), Point("loss", 1, 0, -math.inf)])
@example([Point("loss", 0, 0, 0.0), Point("loss", 0, 0, -0.0), Point("loss", 0, 0, math.nan)])
def test_a_summary_is_what_the_format_defines(points: list[Point]) -> None:
    found, wanted = summarize(points), reference(points)
    assert without_mean(found) == without_mean(wanted)
    assert is_near(found.mean, wanted.mean, [point.value for point in points if not math.isnan(point.value)])


@given(curves, st.randoms())
def test_the_order_of_logging_does_not_matter_but_for_rounding(points: list[Point], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    assert without_mean(summarize(shuffled)) == without_mean(summarize(points))


@settings(max_examples=250)
@given(st.lists(curves, min_size=1, max_size=4), st.booleans())
@example([[Point("loss", 0, 0, 1.0), Point("loss", 1, 0, -1.0)], [Point("loss", 2, 0, 0.0)]], False)
@example([[Point("loss", 0, 0, 1.7e308), Point("loss", 1, 0, 1.7e308), Point("loss", 2, 0, math.inf)]], False)
def test_many_points_at_once_are_the_same_as_one_by_one(chunks: list[list[Point]], rising: bool) -> None:
    if rising:  # as training logs them, and as the quick way of adding many likes them
        number = iter(range(10**6))
        chunks = [[dataclasses.replace(point, step=next(number)) for point in chunk] for chunk in chunks]
    summarizer = Summarizer()
    for chunk in chunks:
        summarizer.add_many((point.step, point.time_ms, point.value) for point in chunk)
    assert bits(summarizer.summary()) == bits(summarize([point for chunk in chunks for point in chunk]))


parts = st.lists(curves, min_size=1, max_size=5)


@settings(max_examples=150)
@given(parts)
def test_parts_fold_into_the_summary_of_the_whole(split: list[list[Point]]) -> None:
    whole = [point for part in split for point in part]
    folded, wanted = fold_summaries(map(summarize, split)), reference(whole)
    assert without_mean(folded) == without_mean(wanted)
    assert is_near(folded.mean, wanted.mean, [point.value for point in whole if not math.isnan(point.value)])


@settings(max_examples=150)
@given(parts, st.randoms())
@example([[Point("loss", 0, 0, 1.7976931348623157e308)]] * 5, None)
def test_parts_fold_to_the_same_bits_in_every_order(split: list[list[Point]], random: object) -> None:
    summaries = [summarize(part) for part in split]
    shuffled = summaries[::-1]
    if random is not None:
        random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    assert bits(fold_summaries(shuffled)) == bits(fold_summaries(summaries))


@given(curves)
def test_one_part_is_its_own_fold(points: list[Point]) -> None:
    summary = summarize(points)
    assert bits(fold_summaries([summary])) == bits(summary)


@given(parts)
def test_a_mean_lies_between_least_and_greatest(split: list[list[Point]]) -> None:
    folded = fold_summaries(map(summarize, split))
    assert math.isnan(folded.mean) or folded.min <= folded.mean <= folded.max


def test_the_mean_of_many_points_keeps_its_digits() -> None:
    summarizer = Summarizer()
    for step in range(200_000):
        summarizer.add(step, 0, 0.1)
        summarizer.add(step, 0, 1e10)
    assert summarizer.summary().mean == exact_mean([0.1, 1e10])


def test_nothing_has_no_summary() -> None:
    with pytest.raises(ValueError, match="no point"):
        Summarizer().summary()


@given(some.integers)
@example(10**640)
@example(-(10**640) - 1)
@example(10**1281 + 5)
def test_integers_of_any_size_as_text(number: int) -> None:
    text = int_text(number)
    assert int_from_text(text) == number
    assert text.lstrip("-").isdigit()
    assert text == "0" or not text.lstrip("-").startswith("0")
    if abs(number) < 10**4000:
        assert text == str(number)


def test_a_million_digits_take_no_recursion_and_no_minute() -> None:
    number = 3**200_000
    assert int_from_text(int_text(number)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "True"), (1e-5, "1e-05"), (None, "None"), ("a", "a"), (7, "7"), (math.nan, "nan")],
)
def test_a_param_as_text(value: Scalar, text: str) -> None:
    assert param_text(value) == text


def test_a_huge_param_as_text() -> None:
    assert param_text(10**4400) == "1" + "0" * 4400


@given(curves, st.data())
def test_adding_many_is_adding_each(points: list[Point], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(points)))
    summarizer = Summarizer()
    for piece in (points[:cut], points[cut:]):
        summarizer.add_many([(point.step, point.time_ms, point.value) for point in piece])
    assert bits(summarizer.summary()) == bits(summarize(points))
