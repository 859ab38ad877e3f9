"""The values a run holds: typed params, text tags, stepped metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"
"""A param's value as logged: what one JSON scalar can hold, integers of any size, NaN and infinities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One input of a run: write-once, typed."""

    key: str
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One note about a run, changeable at any time."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value of a metric. `time_ms` is milliseconds UTC; positional, because there are millions."""

    metric: str
    step: int
    time_ms: int
    value: float


def int_text(number: int) -> str:
    """Returns the decimal digits of an integer of any size, also beyond Python's guard on `str(int)`.

    The guard (4,300 digits) is against slow conversion of hostile input; params are at most a few thousand digits.
    """
    if -_CHUNK < number < _CHUNK:
        return str(number)
    if number < 0:
        return "-" + int_text(-number)
    high, low = divmod(number, _CHUNK)
    return int_text(high) + str(low).zfill(_CHUNK_DIGITS)


def int_from_text(text: str) -> int:
    """Returns the integer that decimal digits spell, of any size; the inverse of `int_text`."""
    if len(text) <= _CHUNK_DIGITS:
        return int(text)
    if text.startswith("-"):
        return -int_from_text(text[1:])
    return int_from_text(text[:-_CHUNK_DIGITS]) * _CHUNK + int(text[-_CHUNK_DIGITS:])


_CHUNK_DIGITS = 4000
_CHUNK: int = 10**_CHUNK_DIGITS


def param_text(value: Scalar) -> str:
    """Returns the param as MLflow shows it: Python's `str()` of the typed value (`True`, `1e-05`, `None`).

    Write-once compares this text, so logging `1` and then `"1"` is the same value again.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return int_text(value)
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """What a list or a comparison needs of one metric's points, without the points.

    `last` is the value at the greatest (step, time, value) with NaN the lowest value, `first` the one at the least.
    `step` and `time_ms` belong to `last`. `min`, `max` and `mean` leave NaN out and are NaN when nothing else is
    there. `nan` counts the NaN points; `first_step` and `first_time_ms` belong to `first`: with these three,
    summaries of parts fold into the summary of the whole.
    """

    count: int
    nan: int
    first: float
    first_step: int
    first_time_ms: int
    last: float
    step: int
    time_ms: int
    min: float
    max: float
    mean: float

    def last_point(self, metric: str) -> Point:
        """Returns the point that `last` was taken from."""
        return Point(metric, self.step, self.time_ms, self.last)


def _order(step: int, time_ms: int, value: float) -> tuple[int, int, tuple[bool, float, float]]:
    return (step, time_ms, _value_order(value))


def _value_order(value: float) -> tuple[bool, float, float]:
    """NaN is the lowest value; -0.0 stands before 0.0, so that no two different values tie."""
    if math.isnan(value):
        return (False, 0.0, 0.0)
    return (True, value, math.copysign(1.0, value))


class Summarizer:
    """Adds up the points of one metric, one at a time, in memory that does not grow with their number."""

    __slots__ = ("_first", "_last", "_sum", "_sum_error", "count", "max", "min", "nan")

    def __init__(self) -> None:
        self.count = 0
        self.nan = 0
        self.min = math.inf
        self.max = -math.inf
        self._sum = 0.0
        self._sum_error = 0.0
        self._first: tuple[int, int, float] | None = None
        self._last: tuple[int, int, float] | None = None

    def add(self, step: int, time_ms: int, value: float) -> None:
        """Counts one point."""
        self.count += 1
        point = (step, time_ms, value)
        if self._first is None or self._last is None:
            self._first = self._last = point
        else:
            last = self._last
            # Nearly every point comes at a later step than all before it.
            if step > last[0] or _order(*point) > _order(*last):
                self._last = point
            elif step <= self._first[0] and _order(*point) < _order(*self._first):
                self._first = point
        if math.isnan(value):
            self.nan += 1
            return
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value
        # Neumaier's compensated summation: the mean of ten million points keeps its digits.
        total = self._sum + value
        if abs(self._sum) >= abs(value):
            self._sum_error += (self._sum - total) + value
        else:
            self._sum_error += (value - total) + self._sum
        self._sum = total

    def summary(self) -> MetricSummary:
        """Returns the summary of what was added; at least one point must have been."""
        if self._first is None or self._last is None:
            raise ValueError("no point was added")
        numbers = self.count - self.nan
        return MetricSummary(
            count=self.count,
            nan=self.nan,
            first=self._first[2],
            first_step=self._first[0],
            first_time_ms=self._first[1],
            last=self._last[2],
            step=self._last[0],
            time_ms=self._last[1],
            min=self.min if numbers else math.nan,
            max=self.max if numbers else math.nan,
            mean=_mean(self._sum, self._sum_error, numbers, self.min, self.max),
        )


def _mean(total: float, error: float, count: int, low: float, high: float) -> float:
    if not count:
        return math.nan
    if math.isinf(low) or math.isinf(high):
        return low + high if math.isinf(low) and math.isinf(high) else (low if math.isinf(low) else high)
    whole = total if math.isnan(error) or math.isinf(error) else total + error
    if math.isinf(whole):  # the sum left the range of floats though every point was in it
        return low / 2 + high / 2
    return min(max(whole / count, low), high)


def fold_summaries(parts: Iterable[MetricSummary]) -> MetricSummary:
    """Returns the summary of the union of some parts; the same for every order of the parts."""
    ordered = sorted(parts, key=_fold_key)
    if len(ordered) == 1:
        return ordered[0]
    first = min(ordered, key=lambda part: _order(part.first_step, part.first_time_ms, part.first))
    last = max(ordered, key=lambda part: _order(part.step, part.time_ms, part.last))
    numbered = [part for part in ordered if part.count > part.nan]
    numbers = sum(part.count - part.nan for part in numbered)
    low = min((part.min for part in numbered), default=math.nan)
    high = max((part.max for part in numbered), default=math.nan)
    total = math.nan
    if numbered and not math.isinf(low) and not math.isinf(high):
        total = _weighted_mean(numbered, numbers, low, high)
    elif numbered:
        total = _mean(0.0, 0.0, numbers, low, high)
    return MetricSummary(
        count=sum(part.count for part in ordered),
        nan=sum(part.nan for part in ordered),
        first=first.first,
        first_step=first.first_step,
        first_time_ms=first.first_time_ms,
        last=last.last,
        step=last.step,
        time_ms=last.time_ms,
        min=low,
        max=high,
        mean=total,
    )


def _weighted_mean(parts: list[MetricSummary], numbers: int, low: float, high: float) -> float:
    mean = math.fsum(part.mean * ((part.count - part.nan) / numbers) for part in parts)
    return min(max(mean, low), high)


def _fold_key(part: MetricSummary) -> tuple[object, ...]:
    numbers = (part.first, part.last, part.min, part.max, part.mean)
    return (
        part.first_step,
        part.first_time_ms,
        part.step,
        part.time_ms,
        part.count,
        part.nan,
        tuple(_value_order(number) for number in numbers),
    )
