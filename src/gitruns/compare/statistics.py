"""Is the difference of two groups of seeds more than chance? SciPy answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gitruns.compare.extras import load

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The values of one metric in some runs that differ by their seed alone. `values` are the finite ones.

    `missing` counts runs that have no such metric, `broken` those where it is NaN or infinite.
    """

    values: tuple[float, ...]
    missing: int = 0
    broken: int = 0

    @property
    def mean(self) -> float:
        """The mean, NaN where there is no value."""
        return math.fsum(self.values) / len(self.values) if self.values else math.nan

    @property
    def spread(self) -> float | None:
        """The standard deviation of the sample, None for fewer than two values."""
        if len(self.values) < 2:
            return None
        mean = self.mean
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.values) / (len(self.values) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What Welch's t-test says of the difference (second minus first): the p-value, and its 95% interval."""

    __test__ = False  # for pytest: its name only looks like one of its own

    p_value: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether chance alone would rarely make such a difference."""
        return self.p_value < SIGNIFICANT


def welch(first: Sample, second: Sample) -> Test | None:
    """Returns Welch's unequal-variances t-test of two samples, or None where there is nothing to test.

    Both need two values or more, and one of them a spread. Source: B. L. Welch, Biometrika 34 (1947); SciPy computes.
    """
    if min(len(first.values), len(second.values)) < 2 or not (first.spread or second.spread):
        return None
    stats = load("scipy.stats", "review", "a test of the difference between seeds")
    found = stats.ttest_ind(second.values, first.values, equal_var=False)
    interval = found.confidence_interval(0.95)
    p_value = float(found.pvalue)
    if math.isnan(p_value):
        return None
    return Test(p_value=p_value, low=float(interval.low), high=float(interval.high))


def p_text(p_value: float) -> str:
    """Returns a p-value for people: `p = 0.03`, `p < 0.001`."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.2g}" if p_value < 0.1 else f"p = {p_value:.2f}"


def sample_of(values: Sequence[float | None]) -> Sample:
    """Returns a sample of the values that runs have, None for one that has none."""
    there = [value for value in values if value is not None]
    finite = tuple(value for value in there if math.isfinite(value))
    return Sample(values=finite, missing=len(values) - len(there), broken=len(there) - len(finite))
