"""Where a page ended, as a text that a client hands back.

It holds the values that the last row was ordered by, so new runs that arrive do not shift the next page, and the time
that the first page was asked at, so that `-7d` means the same on each. It is of one search only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from dataclasses import dataclass

from gitruns.errors import InvalidInputError

_VERSION = 1
_MAX_LENGTH = 64 * 1024


@dataclass(frozen=True, slots=True)
class PageToken:
    """The time of the search, milliseconds UTC, and the values that the last row was ordered by."""

    now_ms: int
    values: tuple[int | float | str | None, ...]


def encode_token(token: PageToken, search: str) -> str:
    """Returns the token as text; `search` is all that makes the search what it is."""
    body = json.dumps([_VERSION, _digest(search), token.now_ms, *token.values], ensure_ascii=True)
    return base64.urlsafe_b64encode(body.encode()).decode()


def decode_token(text: str, search: str) -> PageToken:
    """Returns the token that a text spells; raises `InvalidInputError` (kind `bad-page-token`)."""
    if len(text) > _MAX_LENGTH:
        raise _bad("is longer than any of ours")
    try:
        body = json.loads(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad("is not one of ours") from None
    if not isinstance(body, list) or len(body) < 3 or body[0] != _VERSION or not all(map(_is_plain, body)):
        raise _bad("is not one of ours")
    if body[1] != _digest(search):
        raise _bad("belongs to another search")
    if type(body[2]) is not int:
        raise _bad("is not one of ours")
    return PageToken(body[2], tuple(body[3:]))


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)
    if isinstance(value, int):
        return type(value) is int and -(2**63) <= value < 2**63
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)
    return value is None


def _digest(search: str) -> str:
    return hashlib.sha256(search.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _bad(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"the page token {why}", kind="bad-page-token", hint="begin with the first page: leave the token empty"
    )
