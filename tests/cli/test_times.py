"""Times as people read them; git is asked for the truth where it has one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitruns.cli.times import duration, iso, local, relative, size

NOW = 1_763_716_623_456
DAY = 86_400
SECONDS = (0, 1, 89, 90, 91, 3599, 5399, 5400, DAY, 129_599, 129_600, 13 * DAY, 14 * DAY, 69 * DAY, 70 * DAY)
YEARS = (364 * DAY, 365 * DAY, 400 * DAY, 729 * DAY, 731 * DAY, 1000 * DAY, 1824 * DAY, 1825 * DAY, 4000 * DAY)


def test_times_ago_are_those_of_git(git_repo: Path) -> None:
    for ago in (*SECONDS, *YEARS):
        date = NOW // 1000 - ago
        shown = subprocess.run(
            ["git", "log", "-1", "--format=%ar"],
            cwd=_commit_of(git_repo, date),
            env={**os.environ, "GIT_TEST_DATE_NOW": str(NOW // 1000)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert relative(date * 1000, NOW // 1000 * 1000) == shown, ago


def _commit_of(folder: Path, date: int) -> Path:
    subprocess.run(
        ["git", "commit", "--quiet", "--allow-empty", "-m", "at"],
        cwd=folder,
        env={**os.environ, "GIT_COMMITTER_DATE": f"{date} +0000", "GIT_AUTHOR_DATE": f"{date} +0000"},
        check=True,
    )
    return folder


@pytest.mark.parametrize(
    ("ago_s", "long", "short"),
    [
        (0, "0 seconds ago", "0s ago"),
        (1, "1 second ago", "1s ago"),
        (120, "2 minutes ago", "2m ago"),
        (7200, "2 hours ago", "2h ago"),
        (3 * 86_400, "3 days ago", "3d ago"),
        (30 * 86_400, "4 weeks ago", "4w ago"),
        (100 * 86_400, "3 months ago", "3mo ago"),
        (800 * 86_400, "2 years, 2 months ago", "2y ago"),
        (-60, "in the future", "in future"),
    ],
)
def test_times_ago(ago_s: int, long: str, short: str) -> None:
    assert relative(NOW - ago_s * 1000, NOW) == long
    assert relative(NOW - ago_s * 1000, NOW, short=True) == short


def test_durations() -> None:
    lengths = (0, 350, 1200, 12_900, 125_000, 3_780_000, 273_600_000, -5)
    assert [duration(length) for length in lengths] == [
        "0ms",
        "350ms",
        "1.2s",
        "12s",
        "2m 05s",
        "1h 03m",
        "3d 4h",
        "0s",
    ]


def test_sizes_are_gits() -> None:
    assert [size(count) for count in (0, 1, 1023, 1280, 5 << 20, 3 << 30)] == [
        "0 bytes",
        "1 byte",
        "1023 bytes",
        "1.25 KiB",
        "5.00 MiB",
        "3.00 GiB",
    ]


def test_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert local(NOW) == "Fri Nov 21 10:17:03 2025 +0100"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert iso(NOW) == "2025-11-21T09:17:03.456Z"
    assert iso(10**18) == "1970-01-01T00:00:00.000Z"  # a time that no calendar has
