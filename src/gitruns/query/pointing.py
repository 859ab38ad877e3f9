"""Errors that point at the place: column, the line, a caret below it."""

from __future__ import annotations

import unicodedata

from gitruns.errors import InvalidInputError

_BEFORE, _AFTER = 40, 32
_INDENT = "    "


def bad_query(message: str, query: str, start: int, *, hint: str | None = None) -> InvalidInputError:
    """Returns the error (kind `bad-query`) of a query, pointing at the character at `start` (0-based).

    Facts: `reason` (the message alone), `column` (1-based), `query`, and `pointer`: the part of the query around the
    place and a caret, two lines.
    """
    pointer = point_at(query, start)
    return InvalidInputError(
        f"cannot read query: {message} (column {start + 1})\n{pointer}",
        kind="bad-query",
        hint=hint,
        column=start + 1,
        query=query,
        pointer=pointer,
        reason=message,
    )


def point_at(query: str, start: int) -> str:
    """Returns what stands around a place of the query, on one line, and a caret under that place on the next."""
    first = max(0, start - _BEFORE)
    before = "".join(map(_shown, query[first:start]))
    after = "".join(map(_shown, query[start : start + _AFTER]))
    before = ("…" if first else "") + before
    rest = "…" if start + _AFTER < len(query) else ""
    return f"{_INDENT}{before}{after}{rest}\n{_INDENT}{' ' * _width(before)}^"


def _shown(character: str) -> str:
    return character if character.isprintable() else "·" if character in "\t\n\r\v\f" else "�"


def _width(text: str) -> int:
    """Returns how many cells of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def quoted(text: str) -> str:
    """Returns a word of the query as messages show it: in single quotes, cut when long."""
    shown = "".join(map(_shown, text))
    return f"'{shown}'" if len(shown) <= _BEFORE else f"'{shown[:_BEFORE]}…'"
