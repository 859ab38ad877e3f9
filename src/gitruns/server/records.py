"""What is counted and what is written down of requests: numbers for Prometheus, and a line each in the access log."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FLUSH_EVERY_S = 0.2


class Numbers:
    """Counts of the requests that one worker has answered, by route and status."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.buckets: Counter[int] = Counter()
        self.seconds = 0.0
        self.in_flight = 0
        self.started_s = time.time()

    def answered(self, message: str, status: int, seconds: float) -> None:
        """Counts one request."""
        self.requests[message, status] += 1
        self.seconds += seconds
        for place, bound in enumerate(BUCKETS_S):
            if seconds <= bound:
                self.buckets[place] += 1
                return

    def text(self, version: str) -> str:
        """Returns the numbers as Prometheus reads them; names are never renamed. Source: its text format 0.0.4."""
        return "".join(f"{line}\n" for line in self._lines(version))

    def _lines(self, version: str) -> Iterator[str]:
        worker = f'worker="{os.getpid()}"'
        yield from _head("gitruns_info", "gauge", "What this server is.")
        yield f'gitruns_info{{version="{version}",{worker}}} 1'
        yield from _head("gitruns_start_time_seconds", "gauge", "When this worker began, in seconds since 1970.")
        yield f"gitruns_start_time_seconds{{{worker}}} {self.started_s:.3f}"
        yield from _head("gitruns_requests_total", "counter", "Requests that were answered.")
        for (message, status), count in sorted(self.requests.items()):
            yield f'gitruns_requests_total{{message="{message}",status="{status}",{worker}}} {count}'
        yield from _head("gitruns_request_seconds", "histogram", "Time from the head of a request to its answer.")
        total = 0
        for place, bound in enumerate(BUCKETS_S):
            total += self.buckets[place]
            yield f'gitruns_request_seconds_bucket{{le="{bound}",{worker}}} {total}'
        count = sum(self.requests.values())
        yield f'gitruns_request_seconds_bucket{{le="+Inf",{worker}}} {count}'
        yield f"gitruns_request_seconds_sum{{{worker}}} {self.seconds:.6f}"
        yield f"gitruns_request_seconds_count{{{worker}}} {count}"
        yield from _head("gitruns_requests_in_flight", "gauge", "Requests that are being answered.")
        yield f"gitruns_requests_in_flight{{{worker}}} {self.in_flight}"


def _head(name: str, kind: str, says: str) -> Iterable[str]:
    return (f"# HELP {name} {says}", f"# TYPE {name} {kind}")


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
    return f'{now} {peer or "-"} {who or "-"} "{method} {path}" {status} {size} {1000 * seconds:.1f}ms {message}'
