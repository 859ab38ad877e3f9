"""Dates and lengths of time: how they are written and which milliseconds they mean."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

UNITS_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "mo": 30 * 86_400_000,
    "y": 365 * 86_400_000,
}
"""Milliseconds of each unit. A month is 30 days and a year 365."""

_UNIT_WORDS = {
    **{unit: unit for unit in UNITS_MS},
    "min": "m",
    **{word + plural: unit for word, unit in zip(
        ("second", "minute", "hour", "day", "week", "month", "year"), ("s", "m", "h", "d", "w", "mo", "y"), strict=True
    ) for plural in ("", "s")},
}  # fmt: skip

NAMED_MOMENTS = ("now", "today", "yesterday")

_DATE = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?"
    r" ?(?P<zone>[zZ]|[+-][0-9]{2}:?[0-9]{2})?)?\Z",
    re.ASCII,
)
_AGO = re.compile(r"(?P<amount>[0-9]{1,9}) ?(?P<unit>[a-z]{1,7}) ago\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_FARTHEST_MS = 2**62


class Span(NamedTuple):
    """The milliseconds that a moment means, from `start` up to but not `end`: a date is its whole day."""

    start: int
    end: int


def unit_of(word: str) -> str | None:
    """Returns the unit that a word names, or None."""
    return _UNIT_WORDS.get(word.lower())


def canonical_moment(text: str) -> str | None:
    """Returns the one way to write a date or a named moment, or None when the text is neither.

    Without a zone it is local time, whatever that is where the query is answered.
    """
    word = text.strip().lower()
    if word in NAMED_MOMENTS:
        return word
    match = _DATE.match(text.strip())
    if match is None or _as_datetime(match, timezone.utc) is None:
        return None
    written = "{year}-{month}-{day}".format(**match.groupdict())
    if match["hour"] is None:
        return written
    written += "T{hour}:{minute}".format(**match.groupdict())
    if match["second"] is not None:
        written += ":" + match["second"]
    if match["fraction"] is not None:
        written += "." + match["fraction"]
    return written + _canonical_zone(match["zone"])


def ago_in(text: str) -> tuple[int, str] | None:
    """Returns amount and unit of `2 weeks ago`, or None when the text is nothing of that kind."""
    match = _AGO.match(text.strip().lower())
    unit = unit_of(match["unit"]) if match else None
    return (int(match["amount"]), unit) if match and unit else None


def _canonical_zone(zone: str | None) -> str:
    if zone is None:
        return ""
    if zone in "zZ":
        return "Z"
    return f"{zone[:3]}:{zone[-2:]}"


def span_of(moment: str, now: datetime) -> Span:
    """Returns the milliseconds UTC that a canonical moment means; `now` is aware, its zone is the local one."""
    if moment == "now":
        return _span(now, _MILLISECOND)
    if moment in NAMED_MOMENTS:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        # Calendar days of the local zone: one with a change of the clocks has 23 or 25 hours.
        first = today if moment == "today" else today - timedelta(days=1)
        return Span(_ms(first), _ms(first + timedelta(days=1)))
    match = _DATE.match(moment)
    found = _as_datetime(match, now.tzinfo or timezone.utc) if match else None
    if match is None or found is None:
        raise ValueError(f"'{moment}' is no moment")
    if match["hour"] is None:
        return Span(_ms(found), _next_day_ms(found))
    if match["second"] is None:
        return _span(found, timedelta(minutes=1))
    return _span(found, timedelta(seconds=1) if match["fraction"] is None else _MILLISECOND)


def span_of_length(amount: int | float, unit: str, now: datetime) -> Span:
    """Returns the millisecond that lies a length of time from now, before it when the amount is negative.

    What lies beyond the range of 64 bits is at its end.
    """
    start = _ms(now) + amount * UNITS_MS[unit]
    start = int(min(max(start, -_FARTHEST_MS), _FARTHEST_MS))
    return Span(start, start + 1)


def _as_datetime(match: re.Match[str], local: tzinfo) -> datetime | None:
    parts = match.groupdict()
    try:
        return datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts["fraction"] or "0").ljust(6, "0")),
            tzinfo=_zone(parts["zone"], local),
        )
    except ValueError:  # no such day, hour or zone
        return None


def _zone(zone: str | None, local: tzinfo) -> tzinfo:
    if zone is None:
        return local
    if zone in "zZ":
        return timezone.utc
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return timezone(offset if zone[0] == "+" else -offset)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _span(moment: datetime, length: timedelta) -> Span:
    start = _ms(moment)
    return Span(start, start + length // _MILLISECOND)


def _next_day_ms(day: datetime) -> int:
    try:
        return _ms(day + timedelta(days=1))
    except OverflowError:  # the last day that datetime knows
        return _ms(day) + UNITS_MS["d"]
