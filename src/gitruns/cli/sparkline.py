"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.,-~=+*"


def sparkline(values: Sequence[float], width: int, *, blocks: str = BLOCKS) -> str:
    """Returns the values, in order, as at most `width` characters from lowest to highest block.

    More values than characters are averaged in equal stretches. NaN and infinities are left out; a stretch with
    nothing else is a space, none at the end. A flat curve is drawn in the middle.
    """
    stretches = _stretches(values, width)
    numbers = [number for number in stretches if number is not None]
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return "".join(" " if number is None else _block(number, low, high, blocks) for number in stretches).rstrip()


def _stretches(values: Sequence[float], width: int) -> list[float | None]:
    count = min(len(values), width)
    return [_mean(values[index * len(values) // count : (index + 1) * len(values) // count]) for index in range(count)]


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    return math.fsum(
        value / len(finite) for value in finite
    )  # dividing first: the sum of finite floats may be infinite


def _block(value: float, low: float, high: float, blocks: str) -> str:
    if high == low:
        return blocks[len(blocks) // 2 - 1]
    span = high - low
    share = (value - low) / span if math.isfinite(span) else (value / 2 - low / 2) / (high / 2 - low / 2)
    return blocks[min(int(share * len(blocks)), len(blocks) - 1)]
