"""The words of the query language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto


class TokenKind(IntEnum):
    """What a token is, as far as its own characters say."""

    NAME = auto()
    """A field or a keyword: `acc`, `params.lr`, `` `val loss` ``; `prefix` holds what stands before the first dot."""
    TEXT = auto()
    """Text in single quotes, or with escapes as `e'…'`."""
    QUOTED = auto()
    """Text in double quotes: a name on the left of a comparison, text on its right."""
    NUMBER = auto()
    LENGTH = auto()
    """A length of time: `7d`; `prefix` holds its unit."""
    MOMENT = auto()
    """A date, perhaps with a time: `2024-05-01`, `2024-05-01T12:30Z`."""
    SYMBOL = auto()
    END = auto()


@dataclass(slots=True)
class Token:
    """One word of a query: `text` is what it stands for, `start` and `end` delimit its characters (0-based).

    `keyword` is the word in lower case when it may be a keyword, else empty.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    prefix: str = ""
    keyword: str = ""
