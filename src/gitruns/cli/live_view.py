"""What can be said of a run while it goes on: how far it is, how fast, how long still, and how its metrics went.

Each look at a run adds to what is known; memory is bounded however long somebody watches.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitruns.entities.run import Run
    from gitruns.entities.values import Point

RATE_WINDOW_MS = 30_000
_MOST_VALUES = 128

_TOTALS = tuple(
    """
    total_steps max_steps num_steps n_steps steps train_steps num_train_steps total_iterations max_iterations
    num_iterations iterations max_iters n_iter total_epochs max_epochs num_epochs n_epochs num_train_epochs epochs
    """.split()
)
"""Params that say how many steps there will be, those that say so best first."""


class Curve:
    """All values of a metric in order, as at most 128 means of equally many."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._stride = 1
        self._open: list[float] = []
        self._last = math.nan

    def add(self, value: float) -> None:
        """Takes the next value."""
        self._last = value
        self._open.append(value)
        if len(self._open) < self._stride:
            return
        self.values.append(sum(self._open) / len(self._open))
        self._open = []
        if len(self.values) >= _MOST_VALUES:
            self.values = [(one + other) / 2 for one, other in zip(self.values[::2], self.values[1::2], strict=True)]
            self._stride *= 2

    def lead_to(self, value: float, points: int) -> None:
        """Takes the value that came after so many points that nobody looked at: a straight line stands for them."""
        points = max(min(points, _MOST_VALUES), 1)
        before = self._last if math.isfinite(self._last) and math.isfinite(value) else value
        for place in range(1, points):
            self.add(before + (value - before) * place / points)
        self.add(value)

    def shown(self) -> list[float]:
        """Returns the means, the last one of what has come so far."""
        return [*self.values, *([sum(self._open) / len(self._open)] if self._open else [])]


@dataclass(slots=True)
class LiveView:
    """One run that is watched. `run` is as it was seen last, `remote` whether that came as a checkpoint."""

    run: Run
    remote: bool = False
    curves: dict[str, Curve] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _steps: deque[tuple[int, int]] = field(default_factory=deque)

    def begin(self, points: Iterable[Point]) -> None:
        """Takes the points that were logged before anybody watched."""
        for point in points:
            self.curves.setdefault(point.metric, Curve()).add(point.value)
            if not point.metric.startswith("system/"):
                self._note_step(point.time_ms, point.step)
        self._counts = {key: summary.count for key, summary in self.run.metrics.items()}

    def see(self, run: Run, now_ms: int, *, remote: bool = False) -> bool:
        """Takes the run as it is now; returns whether there is anything new."""
        changed = run != self.run
        self.run, self.remote = run, remote
        for key, summary in run.metrics.items():
            more = summary.count - self._counts.get(key, 0)
            if more:
                self._counts[key] = summary.count
                self.curves.setdefault(key, Curve()).lead_to(summary.last, more)
        if self.step is not None:
            self._note_step(self._seen_ms(now_ms), self.step)
        return changed

    def _note_step(self, time_ms: int, step: int) -> None:
        if self._steps and (step <= self._steps[-1][1] or time_ms <= self._steps[-1][0]):
            return
        self._steps.append((time_ms, step))
        while len(self._steps) > 2 and time_ms - self._steps[1][0] > RATE_WINDOW_MS:
            self._steps.popleft()

    def _seen_ms(self, now_ms: int) -> int:
        """The time of the newest point: what a checkpoint says is older than the look at it."""
        times = [summary.time_ms for summary in self.run.metrics.values()]
        return min(max(times, default=now_ms), now_ms)

    @property
    def step(self) -> int | None:
        """The greatest step that was logged, None without any metric."""
        steps = [summary.step for key, summary in self.run.metrics.items() if not key.startswith("system/")]
        return max(steps, default=None)

    @property
    def total(self) -> int | None:
        """How many steps there will be, where a param says so and is not contradicted."""
        step = self.step or 0
        for key in _TOTALS:
            value = self.run.params.get(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= max(step, 1):
                return int(value)
        return None

    @property
    def rate(self) -> float | None:
        """Steps a second, lately; None when not enough was seen."""
        if len(self._steps) < 2:
            return None
        (first_ms, first), (last_ms, last) = self._steps[0], self._steps[-1]
        return (last - first) * 1000 / (last_ms - first_ms) if last_ms > first_ms and last > first else None

    def elapsed_ms(self, now_ms: int) -> int:
        """Returns how long the run has gone on, or took."""
        end_ms = self.run.info.end_time_ms
        return (now_ms if end_ms is None else end_ms) - self.run.info.start_time_ms

    def left_ms(self) -> int | None:
        """Returns how long the run will still go on at the present rate; None when nobody can say."""
        if self.total is None or self.rate is None or self.step is None:
            return None
        return int(max(self.total - self.step, 0) / self.rate * 1000)

    def record(self, now_ms: int) -> dict[str, Any]:
        """Returns what `--json` prints."""
        info = self.run.info
        return {
            "id": info.id,
            "name": info.name,
            "status": info.status.value,
            "live": self.run.live,
            "remote": self.remote,
            "host": info.host,
            "time_ms": now_ms,
            "elapsed_ms": self.elapsed_ms(now_ms),
            "step": self.step,
            "total": self.total,
            "rate": self.rate,
            "left_ms": self.left_ms(),
            "exit_code": info.exit_code,
            "error": info.error,
            "metrics": _finite({key: summary.last for key, summary in self.run.metrics.items()}),
        }


def _finite(values: Mapping[str, float]) -> dict[str, float | str]:
    """JSON has no number for these."""
    return {key: value if abs(value) < float("inf") else repr(value) for key, value in values.items()}
