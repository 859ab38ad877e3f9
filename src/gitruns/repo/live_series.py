"""The points of one live run, followed: each look reads what was added to the journal since the one before."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Collection, Mapping
from pathlib import Path

from gitruns.journal import LiveRun, points_between, unsealed_from

KEPT_POINTS = 20_000
"""More points of a metric are thinned to half as many: enough for any screen, at any time."""

Column = tuple["array[int]", "array[int]", "array[float]"]
"""Steps, times and values of one metric."""


class LiveSeries:
    """Follows the journal in `run_dir`, and keeps so many points of each metric (None: all). Threads may share it."""

    def __init__(self, run_dir: Path, keep: int | None = KEPT_POINTS) -> None:
        self._run_dir = run_dir
        self._keep = keep
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._starts: dict[Path, int] = {}
        self._offsets: dict[Path, int] = {}
        self._columns: dict[str, Column] = {}

    def read(self, live: LiveRun, metrics: Collection[str]) -> Mapping[str, Column]:
        """Returns the points of some metrics that are in the journal and not sealed, up to where `live` has read."""
        with self._lock:
            self._read_on(live)
            return {
                metric: (found[0][:], found[1][:], found[2][:])
                for metric in metrics
                if (found := self._columns.get(metric)) is not None
            }

    def count_points(self) -> int:
        """Returns how many points are kept."""
        return sum(len(column[0]) for column in list(self._columns.values()))

    def _read_on(self, live: LiveRun) -> None:
        starts = unsealed_from(self._run_dir, live)
        if any(starts.get(path) != start for path, start in self._starts.items()):
            self._begin()  # what was sealed meanwhile is in git now
        self._starts.update(starts)
        for path, start in starts.items():
            since = self._offsets.get(path, start)
            stop = max(live.covers[path.name], since)
            for points in points_between(path, since, stop):
                self._add(points)
            self._offsets[path] = stop

    def _add(self, points: Mapping[str, list[tuple[int, int, float]]]) -> None:
        for metric, some in points.items():
            column = self._columns.setdefault(metric, (array("q"), array("q"), array("d")))
            steps, times_ms, values = zip(*some, strict=True)
            column[0].extend(steps)
            column[1].extend(times_ms)
            column[2].extend(values)
            if self._keep is not None and len(column[0]) > self._keep:
                self._columns[metric] = thinned(column, self._keep // 4)


def thinned(column: Column, buckets: int) -> Column:
    """Returns at most twice as many points as there are buckets of equally many, and the first and last one.

    Each bucket keeps its least and its greatest value, a NaN only where it has nothing else.
    """
    values = column[2]
    count = len(values)
    chosen = {0, count - 1}
    for bucket in range(buckets):
        start, end = bucket * count // buckets, (bucket + 1) * count // buckets
        numbers = [place for place in range(start, end) if values[place] == values[place]]
        if numbers:
            chosen.update((min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)))
        elif start < end:
            chosen.add(start)
    places = sorted(chosen)
    return (
        array("q", map(column[0].__getitem__, places)),
        array("q", map(column[1].__getitem__, places)),
        array("d", map(values.__getitem__, places)),
    )
