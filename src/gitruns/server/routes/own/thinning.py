"""Fewer points that draw the same curve: of each stretch of the axis the least and the greatest stay."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence


def thin_out(axis: Sequence[int], values: Sequence[float], most: int) -> list[int]:
    """Returns the indexes of at most `most` (2 at least) points, ascending; all of them where there are no more.

    `axis` ascends. First and last point stay, and so do the least and the greatest value of all: the axis is cut into
    stretches of equal length, each of which keeps its first least and first greatest value. A NaN stays only where a
    stretch has nothing else.
    """
    count = len(axis)
    if count <= most:
        return list(range(count))
    chosen = {0, count - 1}
    for start, end in _stretches(axis, max((most - 2) // 2, 0)):
        chosen.update(_extremes(values, start, end))
    return sorted(chosen)


def _stretches(axis: Sequence[int], wanted: int) -> Iterator[tuple[int, int]]:
    """Yields where the points of each stretch begin and end; of equally many where the axis has no length."""
    count, low, length = len(axis), axis[0], axis[-1] - axis[0]
    start = 0
    for number in range(1, wanted + 1):
        if number == wanted:
            end = count
        elif length:
            end = bisect_left(axis, low + -(-length * number // wanted), start)
        else:
            end = number * count // wanted
        if start < end:
            yield start, end
        start = end


def _extremes(values: Sequence[float], start: int, end: int) -> tuple[int, ...]:
    some = values[start:end]
    total = sum(some)
    if total == total:
        return start + some.index(min(some)), start + some.index(max(some))
    numbers = [index for index in range(start, end) if values[index] == values[index]]
    if not numbers:
        return (start,)
    return min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)
