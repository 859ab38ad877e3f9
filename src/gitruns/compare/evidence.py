"""What other runs say of one change: runs that differ in it and agree in the rest are an experiment.

A factor is anything that had one value before and another after: a param, a package, a dataset, a file. For a factor
runs are put into strata that agree in the other factors; in each stratum the means of those with the old and those with
the new value are compared. That is matching, not proof: what was never varied alone stays open.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Factor = tuple[str, str]
"""What it is (`param`, `package`, `data`, `code`) and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One run: its result, and the values of the factors, None where nobody knows."""

    value: float
    factors: Mapping[Factor, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much a factor's change moved the metric in runs that agree in the rest, and in how many of them."""

    amount: float
    runs: int


def effect_of(
    factor: Factor, before: str, after: str, others: Sequence[Factor], observed: Iterable[Observation]
) -> Effect | None:
    """Returns what runs say of a factor's change; None when none of them differ in it alone."""
    strata: dict[tuple[str | None, ...], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for one in observed:
        value = one.factors.get(factor)
        if value not in (before, after) or not math.isfinite(one.value):
            continue
        key = tuple(one.factors.get(other) for other in others)
        if None not in key:
            strata[key][value == after].append(one.value)
    total = weight = 0.0
    count = 0
    for old, new in strata.values():
        if old and new:
            part = min(len(old), len(new))
            total += part * (math.fsum(new) / len(new) - math.fsum(old) / len(old))
            weight += part
            count += len(old) + len(new)
    return Effect(amount=total / weight, runs=count) if weight else None
