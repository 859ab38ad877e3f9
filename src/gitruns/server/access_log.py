"""The access log: a line for each request."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

_FLUSH_EVERY_S = 0.2


class AccessLog:
    """A line for each request, written a few times a second. No query and no header is in it: they hold secrets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []
        self._written_s = 0.0

    @classmethod
    def open(cls, place: str) -> AccessLog:
        """Returns the log in a file, which is added to, or on stderr for `-`."""
        return cls(sys.stderr if place == "-" else Path(place).open("a", encoding="utf-8"))

    def add(self, line: str) -> bool:
        """Adds a line; returns whether somebody should call `flush` in a moment."""
        self._waiting.append(line)
        if time.monotonic() - self._written_s >= _FLUSH_EVERY_S:
            self.flush()
            return False
        return len(self._waiting) == 1

    def flush(self) -> None:
        """Writes what waits. A log that cannot be written to stops no server."""
        waiting, self._waiting = self._waiting, []
        self._written_s = time.monotonic()
        try:
            self._stream.write("".join(f"{line}\n" for line in waiting))
            self._stream.flush()
        except (OSError, ValueError):
            pass


def access_line(
    peer: str, who: str, method: str, raw_path: bytes, status: int, size: int, seconds: float, message: str
) -> str:
    """Returns the line of one request: time, who, what was asked, and what came of it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    path = raw_path[:500].decode("ascii", "backslashreplace")
    path = path if path.isprintable() else ascii(path)
    who = who if who.isprintable() and " " not in who else ascii(who)
    return f'{now} {peer or "-"} {who or "-"} "{method} {path}" {status} {size} {1000 * seconds:.1f}ms {message}'
