"""The progress bar: one line on a terminal, after a while, and gone at the end."""

from __future__ import annotations

import io

import pytest

from gitruns.cli.cells import columns_of
from gitruns.cli.progress import BYTES, ProgressBar, progress_bar


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """What the bar has written."""

    encoding = "utf-8"  # type: ignore[assignment]

    def line(self) -> str:
        """The line that stands there now."""
        return self.getvalue().rpartition("\033[K")[2]


def _bar(unit: str = "runs", width: int = 80) -> tuple[ProgressBar, Clock, Screen]:
    clock, screen = Clock(), Screen()
    return ProgressBar("indexing", unit, screen, width=lambda: width, clock=clock), clock, screen


def test_short_work_shows_nothing() -> None:
    bar, clock, screen = _bar()
    for done in range(9):
        clock.now += 0.1
        bar(done, 10)
    bar.close()
    assert screen.getvalue() == ""


def test_long_work_shows_where_it_is_and_leaves_no_trace() -> None:
    bar, clock, screen = _bar()
    for done in range(0, 3000, 1000):
        bar(done, 10_000)
        clock.now += 1
    assert screen.line() == "████░░░░░░░░░░░░░░░░  indexing 2,000 of 10,000 runs   20%  1,000/s  8.0s left"
    bar(10_000, 10_000)
    assert screen.line() == ""
    written = screen.getvalue()
    bar(1, 10_000)
    bar.close()
    assert screen.getvalue() == written, "other work begins, and is soon done"


def test_bytes_are_shown_as_sizes_with_a_note() -> None:
    bar, clock, screen = _bar(BYTES, width=120)
    for done in range(3):
        bar(done << 20, 4 << 20, "1 of 2 files")
        clock.now += 1
    assert screen.line().endswith("indexing 2.00 MiB of 4.00 MiB   50%  1.00 MiB/s  2.0s left  1 of 2 files")


@pytest.mark.parametrize("width", [12, 20, 30, 40, 60, 80, 200])
def test_the_line_fits(width: int) -> None:
    bar, clock, screen = _bar(width=width)
    for done in (0, 50, 99_998, 99_999):
        bar(done, 100_000, "a \033[31mhostile\nnote 日本")
        clock.now += 1
        assert columns_of(screen.line()) < width
        assert "\n" not in screen.line()


def test_an_unknown_total_has_no_share() -> None:
    bar, clock, screen = _bar()
    bar(0)
    clock.now += 2
    bar(5000)
    assert screen.line() == "indexing 5,000 runs  2,500/s"


def test_it_is_drawn_ten_times_a_second_at_most() -> None:
    bar, clock, screen = _bar()
    clock.now += 2
    for done in range(1000):
        bar(done, 2000)
        clock.now += 0.001
    assert screen.getvalue().count("\r") <= 11


def test_without_a_terminal_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("indexing", "runs", {"TERM": "xterm"}) as bar:
        bar(1, 2)
    assert capsys.readouterr().err == ""
