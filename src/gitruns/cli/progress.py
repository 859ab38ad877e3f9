"""A progress bar on stderr: one line, redrawn, shown only on a terminal and only once the work takes long.

    with progress_bar("indexing", "runs", environ) as bar:
        repo.on_index_progress = bar          # called as bar(done, total)

    with progress_bar("uploading", BYTES, environ) as bar:
        bar(done_bytes, total_bytes, "3 of 12 files")

It may be called from many threads and as often as one likes. The line goes away when all is done.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from gitruns.cli.cells import columns_of, cut, printable
from gitruns.cli.terminal import can_unicode
from gitruns.cli.times import duration, size

BYTES = "bytes"
"""The unit of sizes: shown as KiB, MiB, GiB, with their rate."""

DELAY_S = 1.0
"""Work that is done sooner shows no bar."""

_REDRAW_S = 0.1
_RATE_WINDOW_S = 10.0
_BAR_WIDTH = 20
_LEAST_BAR = 6
_CLEAR = "\r\033[K"


class ProgressBar:
    """How far some work is. Calling it says so; `close` takes the line away."""

    def __init__(
        self,
        title: str,
        unit: str,
        stream: TextIO | None,
        *,
        width: Callable[[], int] = lambda: shutil.get_terminal_size((80, 24)).columns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stream` None: nothing is ever shown."""
        self._title, self._unit, self._stream = title, unit, stream
        self._width, self._clock = width, clock
        self._lock = threading.Lock()
        self._start = clock()
        self._drawn_at = -_REDRAW_S
        self._seen: deque[tuple[float, int]] = deque()
        self._is_shown = False

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Says how much is done, of how much (None: nobody knows), and what else there is to say of it."""
        if self._stream is None:
            return
        with self._lock:
            now = self._clock()
            if self._seen and done < self._seen[-1][1]:  # the work began anew
                self._seen.clear()
            if not self._seen or now - self._seen[-1][0] >= _REDRAW_S:
                self._seen.append((now, done))
            while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_WINDOW_S:
                self._seen.popleft()
            if total is not None and done >= total:
                self._begin_anew()
            elif now - self._start >= DELAY_S and now - self._drawn_at >= _REDRAW_S:
                self._drawn_at = now
                self._draw(self._line(done, total, note, self._rate(now, done)))

    def clear(self) -> None:
        """Takes the line away for now, so that something else can be said; the next call draws it again."""
        with self._lock:
            self._wipe()

    def close(self) -> None:
        """Takes the line away, as being done does; the next call is the beginning of other work."""
        with self._lock:
            self._begin_anew()

    def _wipe(self) -> None:
        if self._is_shown:
            self._draw("")
            self._is_shown = False
            self._drawn_at = -_REDRAW_S

    def _begin_anew(self) -> None:
        self._wipe()
        self._seen.clear()
        self._start = self._clock()

    def _draw(self, line: str) -> None:
        assert self._stream is not None  # noqa: S101  asked before
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(_CLEAR + line)
            self._stream.flush()
            self._is_shown = True

    def _rate(self, now: float, done: int) -> float | None:
        first_at, first = self._seen[0]
        return (done - first) / (now - first_at) if now - first_at >= _REDRAW_S and done > first else None

    def _line(self, done: int, total: int | None, note: str, rate: float | None) -> str:
        """Returns the line: bar, amounts, share, rate, time left; what matters least goes where space is short."""
        known = total if total and total >= done else None
        width = max(self._width() - 1, 10)
        amount = f"{self._amount(done)} of {self._amount(known)}" if known else self._amount(done)
        pieces = [f"{self._title} {amount}" + ("" if self._unit == BYTES else f" {self._unit}")]
        if known:
            pieces.append(f"{100 * done // known:3d}%")
        if rate:
            pieces.append(f"{self._amount(int(rate))}/s")
            if known:
                pieces.append(f"{duration(int(1000 * (known - done) / rate))} left")
        if note:
            pieces.append(printable(note))
        line = pieces[0]
        for piece in pieces[1:]:
            if columns_of(line) + 2 + columns_of(piece) <= width:
                line += f"  {piece}"
        room = min(width - columns_of(line) - 2, _BAR_WIDTH)
        if known and room >= _LEAST_BAR:
            line = f"{self._bar(done / known, room)}  {line}"
        return cut(line, width, self._ellipsis)

    def _amount(self, count: int) -> str:
        return size(count) if self._unit == BYTES else f"{count:,}"

    @property
    def _unicode(self) -> bool:
        return can_unicode(getattr(self._stream, "encoding", None))

    @property
    def _ellipsis(self) -> str:
        return "…" if self._unicode else "~"

    def _bar(self, share: float, width: int) -> str:
        full = min(int(share * width), width)
        return ("█" * full + "░" * (width - full)) if self._unicode else ("#" * full + "." * (width - full))


@contextlib.contextmanager
def progress_bar(title: str, unit: str, environ: Mapping[str, str], *, quiet: bool = False) -> Iterator[ProgressBar]:
    """Gives a bar that is shown where stderr is a terminal, and takes it away at the end."""
    bar = make_bar(title, unit, environ, quiet=quiet)
    try:
        yield bar
    finally:
        bar.close()


def make_bar(title: str, unit: str, environ: Mapping[str, str], *, quiet: bool = False) -> ProgressBar:
    """Returns a bar; whoever makes it closes it."""
    able = sys.stderr.isatty() and environ.get("TERM", "dumb") != "dumb" and not quiet
    return ProgressBar(title, unit, sys.stderr if able else None)
