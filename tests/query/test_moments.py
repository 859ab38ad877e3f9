"""Dates and lengths of time, and the milliseconds that they mean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.query.moments import ago_in, canonical_moment, span_of

NOW = datetime(2024, 5, 15, 13, 45, 30, 250_000, tzinfo=timezone(timedelta(hours=2)))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2024-05-01", "2024-05-01"),
        ("2024-05-01 12:30", "2024-05-01T12:30"),
        ("2024-05-01T12:30:15.5Z", "2024-05-01T12:30:15.5Z"),
        ("2024-05-01T12:30z", "2024-05-01T12:30Z"),
        ("2024-05-01T12:30 +0200", "2024-05-01T12:30+02:00"),
        ("Today", "today"),
        (" now ", "now"),
        ("2024-02-30", None),
        ("2024-05-01T25:00", None),
        ("2024-05-01T12:30+24:00", None),
        ("0000-01-01", None),
        ("٢٠٢٤-05-01", None),
        ("2024-5-1", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_what_is_a_moment(written: str, canonical: str | None) -> None:
    assert canonical_moment(written) == canonical


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2024-05-01", "2024-05-01T00:00:00+02:00", "2024-05-02T00:00:00+02:00"),
        ("2024-05-01T12:30", "2024-05-01T12:30:00+02:00", "2024-05-01T12:31:00+02:00"),
        ("2024-05-01T12:30:15Z", "2024-05-01T12:30:15+00:00", "2024-05-01T12:30:16+00:00"),
        ("2024-05-01T12:30:15.125Z", "2024-05-01T12:30:15.125+00:00", "2024-05-01T12:30:15.126+00:00"),
        ("now", "2024-05-15T13:45:30.250+02:00", "2024-05-15T13:45:30.251+02:00"),
        ("today", "2024-05-15T00:00:00+02:00", "2024-05-16T00:00:00+02:00"),
        ("yesterday", "2024-05-14T00:00:00+02:00", "2024-05-15T00:00:00+02:00"),
    ],
)
def test_a_moment_is_a_span(moment: str, start: str, end: str) -> None:
    assert span_of(moment, NOW) == (ms(start), ms(end))


def test_a_day_of_23_hours_is_a_whole_day() -> None:
    berlin = NOW.astimezone(ZoneInfo("Europe/Berlin"))
    span = span_of("2024-03-31", berlin)
    assert span.end - span.start == 23 * 3_600_000
    assert span_of("today", datetime(2024, 3, 31, 12, tzinfo=berlin.tzinfo)) == span


def test_the_ends_of_time() -> None:
    assert span_of("9999-12-31", NOW).end - span_of("9999-12-31", NOW).start == 86_400_000
    assert span_of("0001-01-01", NOW).start < 0
    assert span_of("0001-01-01T00:00+23:59", NOW).start < 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7 days ago", (7, "d")),
        ("1 Hour ago", (1, "h")),
        ("90min ago", (90, "m")),
        ("2 months ago", (2, "mo")),
        ("7 days", None),
        ("x days ago", None),
        ("7 moons ago", None),
    ],
)
def test_how_long_ago(text: str, found: tuple[int, str] | None) -> None:
    assert ago_in(text) == found


@given(st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-11))])))
def test_every_moment_is_within_its_own_span(moment: datetime) -> None:
    text = moment.isoformat()
    canonical = canonical_moment(text)
    assert canonical is not None and canonical_moment(canonical) == canonical
    start, end = span_of(canonical, NOW)
    since = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    assert start <= since < end
