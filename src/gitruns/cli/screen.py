"""A few lines at the end of the terminal that are drawn again and again, without flicker and without a trace above."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from gitruns.cli.cells import columns_of

_HIDE, _SHOW = "\033[?25l", "\033[?25h"
_REST_OF_LINE, _ALL_BELOW = "\033[K", "\033[J"


class Screen:
    """Draws lines over the ones that it drew before, each frame in one write."""

    def __init__(self) -> None:
        self._drawn: list[int] = []

    @staticmethod
    def size() -> tuple[int, int]:
        """Returns columns and rows as they are now: windows are resized."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return 80, 24
        return found.columns or 80, found.lines or 24

    def draw(self, lines: Sequence[str], plain: Sequence[str]) -> None:
        """Shows the lines in place of those before; `plain` are the same without colours."""
        columns, rows = self.size()
        shown = list(zip(lines, plain, strict=True))[: max(rows - 1, 1)]
        # What was drawn wider than the window is now takes more than one row of it.
        up = sum(max(-(-width // columns), 1) for width in self._drawn)
        frame = (f"\033[{up}A" if up else "") + "\r"
        frame += "".join(f"{line}{_REST_OF_LINE}\n" for line, _ in shown) + _ALL_BELOW
        self._drawn = [columns_of(text) for _, text in shown]
        sys.stdout.write(frame)
        sys.stdout.flush()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Hides the cursor inside, and brings it back whatever happens."""
        sys.stdout.write(_HIDE)
        try:
            yield
        finally:
            sys.stdout.write(_SHOW)
            sys.stdout.flush()
