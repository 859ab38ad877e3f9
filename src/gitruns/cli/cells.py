"""Text that is about to stand on a terminal: made harmless, measured and cut in columns."""

from __future__ import annotations

from wcwidth import wcswidth

from gitruns.entities.showing import number as number
from gitruns.entities.showing import param as param
from gitruns.entities.showing import printable as printable


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
