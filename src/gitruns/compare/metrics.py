"""How metrics differ between two runs: by how much, and whether that is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gitruns.compare.directions import Direction, Directions
from gitruns.entities.values import MetricSummary

SYSTEM = "system/"
"""Samples of the machine begin so: they are no result and are left out unless asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDiff:
    """One metric of two runs; a side that does not have it is None."""

    key: str
    direction: Direction
    before: MetricSummary | None
    after: MetricSummary | None

    @property
    def delta(self) -> float | None:
        """How much the last value has grown, None where a side has none."""
        return _delta(last_of(self.before), last_of(self.after))

    @property
    def percent(self) -> float | None:
        """The same in percent of what it was; None where that was zero or no finite number."""
        return percent_of(last_of(self.before), last_of(self.after))

    @property
    def best_before(self) -> float | None:
        """The best value of the first run; None where the direction is not known."""
        return best_of(self.before, self.direction)

    @property
    def best_after(self) -> float | None:
        """The best value of the second run; None where the direction is not known."""
        return best_of(self.after, self.direction)

    @property
    def best_delta(self) -> float | None:
        """How much the best value has grown."""
        return _delta(self.best_before, self.best_after)

    @property
    def differs(self) -> bool:
        """Whether the two runs differ in last or best value."""
        if self.before is None or self.after is None:
            return True
        pairs = ((self.before.last, self.after.last), (self.best_before, self.best_after))
        return any(one != other and not (_is_nan(one) and _is_nan(other)) for one, other in pairs)

    @property
    def verdict(self) -> str:
        """`better` or `worse` by the last value, `same`, `added`, `removed`, or `changed` where nobody knows."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return verdict_of(self.before.last, self.after.last, self.direction)


def verdict_of(before: float, after: float, direction: Direction) -> str:
    """Returns `same`, `better`, `worse`, or `changed` where the direction is not known."""
    if before == after or (_is_nan(before) and _is_nan(after)):
        return "same"
    if direction is Direction.UNKNOWN:
        return "changed"
    return "better" if direction.is_better(after, before) else "worse"


def best_of(summary: MetricSummary | None, direction: Direction) -> float | None:
    """Returns the best value of a metric; None where there is none, or nobody knows which one is the best."""
    if summary is None or direction is Direction.UNKNOWN:
        return None
    return summary.min if direction is Direction.LOWER else summary.max


def percent_of(before: float | None, after: float | None) -> float | None:
    """Returns the growth in percent; None where it has no meaning."""
    if before is None or after is None or not before or not math.isfinite(before) or not math.isfinite(after):
        return None
    percent = (after - before) / abs(before) * 100
    return percent if math.isfinite(percent) else None


def diff_metrics(
    before: Mapping[str, MetricSummary], after: Mapping[str, MetricSummary], directions: Directions
) -> tuple[MetricDiff, ...]:
    """Returns every metric that one of the two has: those that both have first, then by key; the machine's last."""
    keys = sorted(
        {*before, *after}, key=lambda key: (key.startswith(SYSTEM), not (key in before and key in after), key)
    )
    return tuple(
        MetricDiff(key=key, direction=directions.of(key), before=before.get(key), after=after.get(key)) for key in keys
    )


def last_of(summary: MetricSummary | None) -> float | None:
    """Returns the last value, None where there is no metric."""
    return None if summary is None else summary.last


def _delta(before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    return 0.0 if before == after else after - before


def _is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)
