"""Times, durations and sizes as people read them."""

from __future__ import annotations

from datetime import datetime, timezone

from gitruns.entities.showing import size as size

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def relative(time_ms: int, now_ms: int, *, short: bool = False) -> str:
    """Returns how long ago a time was: `3 hours ago`, or `3h ago` when `short`.

    The long form is git's (date.c, show_date_relative), so that `git runs list` and `git log` say the same.
    """
    seconds = (now_ms - time_ms) // 1000
    if seconds < -1:  # a second of skew between clocks is nothing to talk about
        return "in future" if short else "in the future"
    count, word, letter = _greatest_unit(max(seconds, 0))
    if short:
        return f"{count}{letter} ago"
    text = f"{count} {word}{_plural(count)}"
    months = (_rounded_days(seconds) * 12 * 2 + 365) // (365 * 2) % 12
    if word == "year" and count < 5 and months:
        text += f", {months} month{_plural(months)}"
    return f"{text} ago"


def _greatest_unit(seconds: int) -> tuple[int, str, str]:
    """Rounds from unit to unit, as git does: 5,399 seconds are 90 minutes and so 2 hours."""
    if seconds < 90:
        return seconds, "second", "s"
    minutes = (seconds + 30) // 60
    if minutes < 90:
        return minutes, "minute", "m"
    hours = (minutes + 30) // 60
    if hours < 36:
        return hours, "hour", "h"
    days = _rounded_days(seconds)
    for limit, unit_days, word, letter in ((14, 1, "day", "d"), (70, 7, "week", "w"), (365, 30, "month", "mo")):
        if days < limit:
            return (days + unit_days // 2) // unit_days, word, letter
    if days < 5 * 365:
        return (days * 12 * 2 + 365) // (365 * 2) // 12, "year", "y"
    return (days + 183) // 365, "year", "y"


def _rounded_days(seconds: int) -> int:
    return (((seconds + 30) // 60 + 30) // 60 + 12) // 24


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def duration(milliseconds: int) -> str:
    """Returns a length of time in its two greatest units: `350ms`, `12s`, `2m 05s`, `1h 03m`, `3d 4h`."""
    seconds = milliseconds // 1000
    if milliseconds < 0:
        return "0s"
    if seconds < 1:
        return f"{milliseconds}ms"
    if seconds < _MINUTE:
        return f"{milliseconds / 1000:.1f}s" if seconds < 10 else f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR}h"


def iso(time_ms: int) -> str:
    """Returns a time as ISO 8601 in UTC with milliseconds, as `--json` has it."""
    return _moment(time_ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03}Z"


def local(time_ms: int) -> str:
    """Returns a time in this machine's zone as git shows dates: `Fri Nov 21 09:17:03 2025 +0100`."""
    moment = _moment(time_ms).astimezone()
    return f"{moment:%a %b} {moment.day} {moment:%H:%M:%S %Y %z}"


def _moment(time_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(time_ms // 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):  # a year that no calendar has: what was stored came from outside
        return datetime.fromtimestamp(0, tz=timezone.utc)
