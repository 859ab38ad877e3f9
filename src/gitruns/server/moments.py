"""Times as proto JSON writes them: `2025-04-15T08:49:18.699Z`, and lengths of time: `1.500s`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from gitruns.server.fields import invalid_field

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-]\d\d:\d\d))\Z", re.ASCII)
_LENGTH = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s\Z", re.ASCII)


def time_text(time_ms: int) -> str:
    """Returns a time, given in milliseconds UTC."""
    seconds, rest = divmod(time_ms, 1000)
    try:
        shown = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:  # beyond the year 9999, which nobody has meant
        return "9999-12-31T23:59:59.999Z"
    return f"{shown}.{rest:03}Z" if rest else f"{shown}Z"


def read_time(text: object, name: str) -> int:
    """Returns the milliseconds of a time; raises `ProtocolError` naming the field."""
    match = _TIME.match(text) if isinstance(text, str) else None
    try:
        if match is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(match[1] + (match[3] or "+00:00"))
    except ValueError:
        raise invalid_field(name, text) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int((match[2] or "0").ljust(9, "0")[:3])


def length_text(length_ms: int) -> str:
    """Returns a length of time, given in milliseconds."""
    seconds, rest = divmod(abs(length_ms), 1000)
    sign = "-" if length_ms < 0 else ""
    return f"{sign}{seconds}.{rest:03}s" if rest else f"{sign}{seconds}s"


def read_length(text: object, name: str) -> int:
    """Returns the milliseconds of a length of time; raises `ProtocolError` naming the field."""
    match = _LENGTH.match(text) if isinstance(text, str) else None
    if match is None:
        raise invalid_field(name, text)
    found = int(match[2]) * 1000 + int((match[3] or "0").ljust(9, "0")[:3])
    return -found if match[1] else found
