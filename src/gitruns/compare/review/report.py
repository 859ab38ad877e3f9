"""What a review found, as plain values: equal ones are written with equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gitruns.compare.changes import Change
from gitruns.compare.code import CodeDiff
from gitruns.compare.directions import Direction
from gitruns.compare.environment import EnvironmentDiff
from gitruns.compare.review.choose import Side
from gitruns.compare.review.groups import Pair
from gitruns.compare.review.revisions import Range
from gitruns.compare.review.rules import Rule
from gitruns.compare.statistics import Sample, Test
from gitruns.entities.values import Point, Scalar


class Outcome(str, Enum):
    """What became of a rule."""

    HELD = "held"
    BROKEN = "broken"
    UNDECIDED = "undecided"
    NO_BASE = "no base"

    def __str__(self) -> str:
        return self.value


class Verdict(str, Enum):
    """What became of the review. `UNDECIDED`: there are rules, and no run of this code to hold against them."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NO_RULES = "no rules"

    def __str__(self) -> str:
        return self.value

    @property
    def may_land(self) -> bool:
        """Whether the answer is yes."""
        return self in (Verdict.PASSED, Verdict.NO_RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule, what became of it, and why in words. The values are means of seeds; None where there is none."""

    rule: Rule
    outcome: Outcome
    why: str
    base: float | None = None
    head: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReview:
    """One metric of a pair: the last values of its runs, how their means differ, and whether that may be chance."""

    key: str
    direction: Direction
    base: Sample | None
    head: Sample | None
    delta: float | None
    percent: float | None
    verdict: str
    test: Test | None
    base_curve: tuple[float, ...] = ()
    head_curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One run's curve of a metric."""

    run_name: str
    of_head: bool
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The curves of one metric, the base's first."""

    metric: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReview:
    """One group of seeds of the head beside the base's: results, and what else differs between them."""

    pair: Pair
    metrics: tuple[MetricReview, ...]
    more_metrics: int
    rules: tuple[RuleResult, ...]
    params: tuple[Change[Scalar], ...]
    environment: EnvironmentDiff
    datasets: tuple[Change[str], ...]
    curves: tuple[Curves, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The whole report. `warnings` are sentences a reader must not miss; `more_pairs` were left out for length."""

    span: Range
    base: Side
    head: Side
    pairs: tuple[PairReview, ...]
    more_pairs: int
    rules: tuple[RuleResult, ...]
    code: CodeDiff
    warnings: tuple[str, ...]
    verdict: Verdict

    @property
    def counts(self) -> tuple[int, int]:
        """How many rules hold, and how many there are."""
        return sum(result.outcome is Outcome.HELD for result in self.rules), len(self.rules)


def verdict_of(rules: Sequence[RuleResult], *, judged: bool) -> Verdict:
    """Returns the verdict: one broken rule fails; with no run to judge nothing is decided."""
    if not rules:
        return Verdict.NO_RULES
    if any(result.outcome is Outcome.BROKEN for result in rules):
        return Verdict.FAILED
    if not judged or any(result.outcome is Outcome.UNDECIDED for result in rules):
        return Verdict.UNDECIDED
    return Verdict.PASSED
