"""Values as text for people: numbers in few digits, texts from outside made harmless, a curve in one line.

What names, tags and params hold comes from anywhere, also from a fetched run: none of it may move the cursor, recolour
the screen or hide itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from gitruns.entities.values import Scalar, param_text

# Controls of C0 and C1, and the marks that turn the direction of text round (they make text read as what it is not).
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}

BLOCKS = "▁▂▃▄▅▆▇█"


def printable(text: str, *, keep: str = "") -> str:
    """Returns the text with control characters spelled as escapes; those in `keep` stay what they are."""
    return _HARMFUL.sub(lambda match: match.group() if match.group() in keep else _spell(match.group()), text)


def _spell(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def number(value: float, digits: int = 4) -> str:
    """Returns a measured value in few significant digits: `0.1231`, `12345`, `1.2e-07`, `nan`."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e9:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    return f"{value:.{digits}g}"


def param(value: Scalar, digits: int = 6) -> str:
    """Returns a param for people: a float in few digits unless that would be another number, others as they are."""
    if isinstance(value, float):
        short = f"{value:.{digits}g}"
        return short if float(short) == value or math.isnan(value) else repr(value)
    return printable(param_text(value))


def size(count: int) -> str:
    """Returns a number of bytes as git shows it: `350 bytes`, `1.25 KiB`, `3.10 GiB`."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= limit:
            return f"{count / limit:.2f} {unit}"
    return f"{count} byte{'' if count == 1 else 's'}"


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
