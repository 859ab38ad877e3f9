"""What SQLite cannot say itself: letters of any case, exact big integers, patterns in linear time.

LIKE is SQLite's GLOB where that is quick for sure, and a search piece by piece where a pattern or a text is hostile.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from gitruns.errors import InvalidInputError
from gitruns.query.numbers import number_in

MAX_GLOB_STARS = 8
MAX_GLOB_LENGTH = 500


def register(connection: sqlite3.Connection) -> None:
    """Gives a connection our functions."""
    connection.create_function("gr_like", 2, like, deterministic=True)
    connection.create_function("gr_ilike", 2, ilike, deterministic=True)
    connection.create_function("gr_order", 2, exact_order, deterministic=True)
    connection.create_function("gr_regexp", 2, _regexp, deterministic=True)


# LIKE and ILIKE


def as_glob(pattern: str) -> str | None:
    """Returns the GLOB that means what a LIKE pattern means, or None when SQLite could be slow or wrong with it."""
    if len(pattern) > MAX_GLOB_LENGTH or pattern.count("%") > MAX_GLOB_STARS or "\0" in pattern:
        return None
    return "".join(_GLOB.get(character, character) for character in pattern)


_GLOB = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}


def like(pattern: str, text: str | None) -> bool | None:
    """Returns whether the text fits the pattern: `%` any characters, `_` one."""
    return None if text is None else _matches(_pieces(pattern), text)


def ilike(pattern: str, text: str | None) -> bool | None:
    """Returns whether the text fits the pattern, letters of any case alike."""
    return None if text is None else _matches(_pieces(fold(pattern)), fold(text))


def fold(text: str) -> str:
    """Returns the text in small letters, one for one.

    A letter beyond ASCII does not become one of ASCII (the sign for kelvin is no k): so SQLite's LIKE, which knows
    only ASCII, and this agree on every pattern of ASCII.
    """
    if text.isascii():
        return text.lower()
    return "".join(_folded(character) for character in text)


def _folded(character: str) -> str:
    lowered = character.lower()
    return lowered if len(lowered) == 1 and (character.isascii() or not lowered.isascii()) else character


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[re.Pattern[str] | str, ...]:
    """Returns what stands between the `%` of a pattern: text, or an expression where `_` is in it."""
    return tuple(
        re.compile(re.escape(piece).replace("_", "."), re.DOTALL) if "_" in piece else piece
        for piece in pattern.split("%")
    )


def _matches(pieces: tuple[re.Pattern[str] | str, ...], text: str) -> bool:
    # The first piece begins the text, the last ends it, and between the leftmost find of each is as good as any other.
    first, rest = pieces[0], pieces[1:]
    place = _end_at(first, text, 0)
    if place is None:
        return False
    if not rest:
        return place == len(text)
    for piece in rest[:-1]:
        place = _find(piece, text, place)
        if place is None:
            return False
    last = rest[-1]
    start = len(text) - _length(last)
    return start >= place and _end_at(last, text, start) is not None


def _length(piece: re.Pattern[str] | str) -> int:
    if isinstance(piece, str):
        return len(piece)
    return len(re.sub(r"\\(.)", r"\1", piece.pattern, flags=re.DOTALL))


def _end_at(piece: re.Pattern[str] | str, text: str, place: int) -> int | None:
    if isinstance(piece, str):
        return place + len(piece) if text.startswith(piece, place) else None
    match = piece.match(text, place)
    return match.end() if match else None


def _find(piece: re.Pattern[str] | str, text: str, place: int) -> int | None:
    if isinstance(piece, str):
        found = text.find(piece, place)
        return None if found < 0 else found + len(piece)
    match = piece.search(text, place)
    return match.end() if match else None


# Numbers


def exact_order(value: int | float | str | None, digits: str) -> int | None:
    """Returns -1, 0 or 1 as a value (or the number that it reads as) is less than, equal to or greater than another.

    Exact for integers of any size; None when the value is no number.
    """
    number = number_in(value) if isinstance(value, str) else value
    other = number_in(digits)
    if number is None or other is None or number != number:
        return None
    return (number > other) - (number < other)


# REGEXP


class _Searches(Protocol):
    def search(self, text: str) -> object: ...


Search = Callable[[str], bool]


def compile_regexp(pattern: str) -> Search:
    """Returns the search for a pattern, by RE2: its time grows with the text and no faster, whatever the pattern.

    Raises `InvalidInputError`: kind `regexp-not-available` when the engine is not installed, `bad-pattern` for a
    pattern that is none.
    """
    return _compiled(pattern)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Search:
    try:
        re2: Any = importlib.import_module("re2")
    except ImportError:
        raise InvalidInputError(
            "REGEXP needs an engine that is not installed",
            kind="regexp-not-available",
            hint="pip install 'gitruns[regexp]', or use LIKE",
        ) from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        compiled: _Searches = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not a pattern"
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInputError(f"bad pattern: {shown}", kind="bad-pattern") from None
    return lambda text: compiled.search(text) is not None


def _regexp(pattern: str, text: str | None) -> bool | None:
    return None if text is None else compile_regexp(pattern)(text)
