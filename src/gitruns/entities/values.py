"""The values a run holds: typed params, text tags, stepped metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"
"""A param's value as logged: what one JSON scalar can hold, integers of any size, NaN and infinities."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value of a metric. `time_ms` is milliseconds UTC; positional, because there are millions."""

    metric: str
    step: int
    time_ms: int
    value: float


def int_text(number: int) -> str:
    """Returns the decimal digits of an integer of any size, also beyond Python's guard on `str(int)`.

    The guard (4,300 digits, or what the program has set) is against slow conversion of hostile input; params are at
    most a few thousand digits.
    """
    if -_UNGUARDED < number < _UNGUARDED:
        return str(int(number))
    if number < 0:
        return "-" + int_text(-number)
    low_digits = number.bit_length() * 3 // 20  # about half of them: a digit is 3.32 bits
    high, low = divmod(number, 10**low_digits)
    return int_text(high) + int_text(low).zfill(low_digits)


def int_from_text(text: str) -> int:
    """Returns the integer that decimal digits spell, of any size; the inverse of `int_text`."""
    if len(text) <= _UNGUARDED_DIGITS:
        return int(text)
    if text.startswith("-"):
        return -int_from_text(text[1:])
    low_digits = len(text) // 2
    power: int = 10**low_digits
    return int_from_text(text[:-low_digits]) * power + int_from_text(text[-low_digits:])


_UNGUARDED_DIGITS = 640  # the guard cannot be set lower (sys.int_info.str_digits_check_threshold)
_UNGUARDED: int = 10**_UNGUARDED_DIGITS


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


def _order(step: int, time_ms: int, value: float) -> tuple[int, int, tuple[bool, float, float]]:
    return (step, time_ms, _value_order(value))


def _value_order(value: float) -> tuple[bool, float, float]:
    """NaN is the lowest value; -0.0 stands before 0.0, so that no two different values tie."""
    if math.isnan(value):
        return (False, 0.0, 0.0)
    return (True, value, math.copysign(1.0, value))


class Summarizer:
    """Adds up the points of one metric, one at a time, in memory that does not grow with their number."""

    __slots__ = ("_carried", "_first", "_last", "_sum", "_sum_error", "count", "max", "min", "nan")

    def __init__(self) -> None:
        self.count = 0
        self.nan = 0
        self.min = math.inf
        self.max = -math.inf
        self._sum = 0.0
        self._sum_error = 0.0
        self._carried = 0
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
        if value != value:
            self.nan += 1
            return
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value
        if not value:  # a zero has two signs, and the order in which they come must not matter
            self.min = min(value, self.min, key=_value_order)
            self.max = max(value, self.max, key=_value_order)
        # Neumaier's compensated summation: the mean of ten million points keeps its digits.
        total = self._sum + value
        if total - total != 0.0:
            self._carry(value)
            return
        if abs(self._sum) >= abs(value):
            self._sum_error += (self._sum - total) + value
        else:
            self._sum_error += (value - total) + self._sum
        self._sum = total

    def _carry(self, value: float) -> None:
        """Starts the sum anew where it left the range of floats; an infinite value is in `min` or `max` already."""
        if math.isinf(value):
            return
        self._carried += _exact(self._sum) + _exact(self._sum_error)
        self._sum, self._sum_error = value, 0.0

    def add_many(self, points: Iterable[tuple[int, int, float]]) -> None:
        """Counts some points (step, time, value) in their order: the same as `add` of each, in half the time."""
        # The state is kept in local names while points are plain: later than all before, a finite value, a finite sum.
        last, low, high, total, error, count = self._plain_state()
        for point in points:
            step, time_ms, value = point
            new = total + value
            if (
                (step > last[0] or (step == last[0] and time_ms > last[1]))
                and new - new == 0.0
                and (value or low < 0.0 < high)
            ):
                count += 1
                last = point
                if value < low:
                    low = value
                if value > high:
                    high = value
                if abs(total) >= abs(value):
                    error += (total - new) + value
                else:
                    error += (value - new) + total
                total = new
            else:
                self._set_plain_state(last, low, high, total, error, count)
                self.add(step, time_ms, value)
                last, low, high, total, error, count = self._plain_state()
        self._set_plain_state(last, low, high, total, error, count)

    def _plain_state(self) -> tuple[tuple[int, int, float], float, float, float, float, int]:
        last = self._last or (_NEVER, 0, 0.0)
        return last, self.min, self.max, self._sum, self._sum_error, self.count

    def _set_plain_state(
        self, last: tuple[int, int, float], low: float, high: float, total: float, error: float, count: int
    ) -> None:
        if last[0] != _NEVER:
            self._last = last
        self.min, self.max, self._sum, self._sum_error, self.count = low, high, total, error, count

    def summary(self) -> MetricSummary:
        """Returns the summary of what was added; at least one point must have been."""
        if self._first is None or self._last is None:
            raise ValueError("no point was added")
        numbers = self.count - self.nan
        total = self._carried + _exact(self._sum) + _exact(self._sum_error)
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
            mean=_mean(total, numbers, self.min, self.max),
        )


_NEVER: int = 2**64  # a step that no point can be later than: the first point is none of the plain ones

_UNIT: int = 2**1074  # every finite float is a whole number of 2**-1074, so integers add floats exactly


def _exact(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator * (_UNIT // denominator)


def _mean(total: int, numbers: int, low: float, high: float) -> float:
    """Returns the mean of some numbers from their exact sum without the infinite ones, which `low` and `high` tell."""
    if not numbers:
        return math.nan
    if math.isinf(low) and math.isinf(high):
        return low + high  # NaN when they are of both signs
    if math.isinf(low) or math.isinf(high):
        return low if math.isinf(low) else high
    return min(max(total / (numbers * _UNIT), low), high)


def fold_summaries(parts: Iterable[MetricSummary]) -> MetricSummary:
    """Returns the summary of the union of some parts, one at least; the same bits for every order of the parts.

    All fields but `mean` are what the union's points would give; `mean` is within rounding of it.
    """
    summaries = list(parts)
    if len(summaries) == 1:
        return summaries[0]
    first = min(summaries, key=lambda part: _order(part.first_step, part.first_time_ms, part.first))
    last = max(summaries, key=lambda part: _order(part.step, part.time_ms, part.last))
    numbered = [part for part in summaries if part.count > part.nan]
    low = min((part.min for part in numbered), key=_value_order, default=math.nan)
    high = max((part.max for part in numbered), key=_value_order, default=math.nan)
    # Exact sums do not depend on the order, and cannot leave the range of floats.
    total = sum(_exact(part.mean) * (part.count - part.nan) for part in numbered if math.isfinite(part.mean))
    return MetricSummary(
        count=sum(part.count for part in summaries),
        nan=sum(part.nan for part in summaries),
        first=first.first,
        first_step=first.first_step,
        first_time_ms=first.first_time_ms,
        last=last.last,
        step=last.step,
        time_ms=last.time_ms,
        min=low,
        max=high,
        mean=_mean(total, sum(part.count - part.nan for part in numbered), low, high),
    )
