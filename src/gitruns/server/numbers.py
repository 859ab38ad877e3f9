"""What is counted of requests, as Prometheus reads it. Source: its text format 0.0.4.

Each worker counts for itself. Where there are several they write their counts into a folder, as a scrape reaches one of
them and has to see all; each worker's are told apart by a label, so that none of them ever goes backwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WRITE_AFTER_S = 1.0

Counts = Mapping[str, Any]
Samples = Iterator[tuple[str, float]]


class Numbers:
    """Counts of one worker; `folder` is where those of all of them meet."""

    def __init__(self, folder: Path | None = None) -> None:
        self.in_flight = 0
        self._folder = folder
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self._started_s = time.time()
        self._write_is_due = False

    def answered(self, message: str, status: int, seconds: float) -> None:
        """Counts one request."""
        self._requests[message, status] += 1
        self._seconds += seconds
        place = next((place for place, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))
        self._buckets[place] += 1
        if self._folder is not None and not self._write_is_due:
            self._write_is_due = True
            asyncio.get_running_loop().call_later(_WRITE_AFTER_S, self._write)

    def _counts(self) -> Counts:
        return {
            "worker": os.getpid(),
            "started_s": self._started_s,
            "requests": [[message, status, count] for (message, status), count in sorted(self._requests.items())],
            "buckets": self._buckets,
            "seconds": self._seconds,
            "in_flight": self.in_flight,
        }

    def _write(self) -> None:
        self._write_is_due = False
        if self._folder is None:
            return
        with contextlib.suppress(OSError):  # numbers that cannot be written stop no server
            new = self._folder / f"{os.getpid()}.new"
            new.write_text(json.dumps(self._counts()), encoding="utf-8")
            new.replace(new.with_suffix(".json"))

    def _all(self) -> Iterator[Counts]:
        yield self._counts()
        for path in sorted(self._folder.glob("*.json")) if self._folder is not None else ():
            if path.stem != str(os.getpid()):
                with contextlib.suppress(OSError, ValueError):
                    yield json.loads(path.read_text(encoding="utf-8"))

    def text(self, version: str) -> str:
        """Returns the numbers of all workers. Names are added to and never renamed."""
        workers = list(self._all())
        lines = [
            *_head("gitruns_info", "gauge", "What this server is."),
            *(f'gitruns_info{{version="{version}",worker="{counts["worker"]}"}} 1' for counts in workers),
        ]
        for name, kind, says, samples in _METRICS:
            lines += _head(name, kind, says)
            lines += [sample for counts in workers for sample in _lines(name, counts, samples(counts))]
        return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, says: str) -> tuple[str, str]:
    return f"# HELP {name} {says}", f"# TYPE {name} {kind}"


def _lines(name: str, counts: Counts, samples: Samples) -> Iterator[str]:
    for labels, value in samples:
        suffix, _, own = labels.partition("{")
        yield f'{name}{suffix}{{{own}{"," if own else ""}worker="{counts["worker"]}"}} {value}'


def _requests(counts: Counts) -> Samples:
    for message, status, count in counts["requests"]:
        yield f'{{message="{message}",status="{status}"', count


def _histogram(counts: Counts) -> Samples:
    total = 0
    for bound, count in zip([*BUCKETS_S, "+Inf"], counts["buckets"], strict=True):
        total += count
        yield f'_bucket{{le="{bound}"', total
    yield "_sum", round(counts["seconds"], 6)
    yield "_count", total


def _one(name: str) -> Callable[[Counts], Samples]:
    return lambda counts: iter([("", counts[name])])


_METRICS: tuple[tuple[str, str, str, Callable[[Counts], Samples]], ...] = (
    ("gitruns_start_time_seconds", "gauge", "When a worker began, in seconds since 1970.", _one("started_s")),
    ("gitruns_requests_total", "counter", "Requests that were answered.", _requests),
    ("gitruns_request_seconds", "histogram", "Time from the head of a request to its answer.", _histogram),
    ("gitruns_requests_in_flight", "gauge", "Requests that are being answered.", _one("in_flight")),
)
