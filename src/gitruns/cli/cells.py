"""Text that is about to stand on a terminal: made harmless, measured and cut in columns.

Names, tags and params come from anywhere, also from a fetched run: none of it may move the cursor, recolour the
screen or hide itself.
"""

from __future__ import annotations

import math
import re

from wcwidth import wcswidth

from gitruns.entities.values import Scalar, param_text

# Controls of C0 and C1, and the marks that turn the direction of text round (they make text read as what it is not).
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def printable(text: str, *, keep: str = "") -> str:
    """Returns the text with control characters spelled as escapes; those in `keep` stay what they are."""
    return _HARMFUL.sub(lambda match: match.group() if match.group() in keep else _spell(match.group()), text)


def _spell(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def columns_of(text: str) -> int:
    """Returns how many columns a printable text takes on a terminal: wide characters take two."""
    if text.isascii():
        return len(text)
    width = wcswidth(text)
    return width if width >= 0 else len(text)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """Returns the text when it fits into `width` columns, else as much of its start as fits before an ellipsis."""
    if columns_of(text) <= width:
        return text
    if width < columns_of(ellipsis):
        return ""
    end = min(len(text), width)
    # Measured as a whole: characters of one cluster take other widths together than one by one.
    while end and columns_of(text[:end] + ellipsis) > width:
        end -= 1
    return text[:end] + ellipsis


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
