"""Holds rules against two groups of seeds. Pure: summaries in, outcomes out."""

from __future__ import annotations

import math

from gitruns.compare.directions import Direction, Directions
from gitruns.compare.metrics import best_of
from gitruns.compare.review.groups import Group, Pair
from gitruns.compare.review.report import Outcome, RuleResult
from gitruns.compare.review.rules import RELATIVE, Demand, Rule
from gitruns.compare.statistics import Sample, p_text, sample_of, welch
from gitruns.entities.run import Run
from gitruns.entities.showing import number
from gitruns.errors import InvalidInputError

_DIGITS = 5


def check_directions(rules: tuple[Rule, ...], directions: Directions) -> None:
    """Raises `InvalidInputError` (kind `bad-rule`) for a rule about better and worse where nobody knows which."""
    for rule in rules:
        needs = rule.demand in RELATIVE or rule.statistic == "best"
        if needs and directions.of(rule.metric) is Direction.UNKNOWN:
            raise InvalidInputError(
                f"the rule '{rule.text}' needs to know which way '{rule.metric}' is better",
                kind="bad-rule",
                hint=f"say so in gitruns.yaml, metrics: {{{rule.metric}: lower}} or {{{rule.metric}: higher}}",
            )


def judge(rule: Rule, pair: Pair, direction: Direction) -> RuleResult:
    """Returns what becomes of a rule for a pair."""
    head = sample(pair.head, rule.metric, rule.statistic, direction)
    base = None if pair.base is None else sample(pair.base, rule.metric, rule.statistic, direction)
    if head.missing == len(pair.head.runs):
        return RuleResult(rule=rule, outcome=Outcome.BROKEN, why="no run of the head has this metric")
    if head.broken or not head.values:
        return RuleResult(rule=rule, outcome=Outcome.BROKEN, why="the head's value is not a finite number")
    if rule.demand in (Demand.AT_LEAST, Demand.AT_MOST):
        return _bound(rule, head)
    if base is None or not base.values:
        why = "there is no base run to compare with" if base is None else "the base has no such value"
        return RuleResult(rule=rule, outcome=Outcome.NO_BASE, why=why, head=head.mean)
    if rule.demand is Demand.NOT_SIGNIFICANTLY_WORSE:
        return _tested(rule, base, head, direction)
    return _relative(rule, base, head, direction)


def sample(group: Group, metric: str, statistic: str, direction: Direction) -> Sample:
    """Returns one statistic of a metric in the runs of a group."""
    return sample_of([_value(run, metric, statistic, direction) for run in group.runs])


def _value(run: Run, metric: str, statistic: str, direction: Direction) -> float | None:
    summary = run.metrics.get(metric)
    if summary is None:
        return None
    return best_of(summary, direction) if statistic == "best" else float(getattr(summary, statistic))


def _bound(rule: Rule, head: Sample) -> RuleResult:
    value = head.mean
    holds = value >= rule.amount if rule.demand is Demand.AT_LEAST else value <= rule.amount
    sign = "≥" if rule.demand is Demand.AT_LEAST else "≤"
    why = f"{number(value, _DIGITS)} is {'' if holds else 'not '}{sign} {number(rule.amount, _DIGITS)}"
    return RuleResult(rule=rule, outcome=_outcome(holds), why=why, head=value)


def _relative(rule: Rule, base: Sample, head: Sample, direction: Direction) -> RuleResult:
    old, new = base.mean, head.mean
    worse_by = new - old if direction is Direction.LOWER else old - new
    allowed = rule.amount / 100 * abs(old) if rule.percent else rule.amount
    if rule.demand is Demand.NO_WORSE:
        holds = worse_by <= allowed or math.isclose(worse_by, allowed, rel_tol=1e-12)
    else:
        gained = -worse_by
        holds = gained > 0 and (gained >= allowed or math.isclose(gained, allowed, rel_tol=1e-12))
    return RuleResult(rule=rule, outcome=_outcome(holds), why=_how_much(worse_by, old), base=old, head=new)


def _tested(rule: Rule, base: Sample, head: Sample, direction: Direction) -> RuleResult:
    old, new = base.mean, head.mean
    worse_by = new - old if direction is Direction.LOWER else old - new
    found = welch(base, head)
    how = _how_much(worse_by, old)
    if found is None and worse_by > 0:
        few = min(len(base.values), len(head.values)) < 2
        why = f"{how}; {'both sides need two seeds or more to test it' if few else 'there is no spread to test it by'}"
        outcome = Outcome.UNDECIDED if few else Outcome.BROKEN
        return RuleResult(rule=rule, outcome=outcome, why=why, base=old, head=new)
    broken = found is not None and found.significant and worse_by > 0
    why = how if found is None else f"{how}, {p_text(found.p_value)}"
    return RuleResult(rule=rule, outcome=_outcome(not broken), why=why, base=old, head=new)


def _how_much(worse_by: float, old: float) -> str:
    if worse_by == 0:
        return "the same"
    word = "worse" if worse_by > 0 else "better"
    amount = abs(worse_by)
    return f"{amount / abs(old) * 100:.3g}% {word}" if old else f"{number(amount)} {word}"


def _outcome(holds: bool) -> Outcome:
    return Outcome.HELD if holds else Outcome.BROKEN
