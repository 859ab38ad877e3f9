"""A review as a record: what `git runs review --json` prints. The keys are documented in docs/json.md."""

from __future__ import annotations

from typing import Any

from gitruns.compare.render.records import (
    change_record,
    code_record,
    environment_record,
    number_or_text,
    side_record,
)
from gitruns.compare.review.choose import Side
from gitruns.compare.review.report import MetricReview, PairReview, Review, RuleResult
from gitruns.compare.review.revisions import Commit
from gitruns.compare.statistics import Sample


def review_record(review: Review) -> dict[str, Any]:
    """Returns the whole review."""
    return {
        "range": review.span.text,
        "verdict": review.verdict.value,
        "head": _side(review.head),
        "base": _side(review.base),
        "rules": [_rule(result) for result in review.rules],
        "groups": [_pair(pair) for pair in review.pairs],
        "more_groups": review.more_pairs,
        "code": code_record(review.code),
        "warnings": list(review.warnings),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "commit": _commit(side.commit),
        "ran": None if side.ran is None else _commit(side.ran),
        "exact": side.exact,
        "why": side.why,
        "runs": [side_record(run) for run in side.runs],
        "unfinished": [side_record(run) for run in side.unfinished],
    }


def _commit(commit: Commit) -> dict[str, Any]:
    return {"id": commit.id, "tree": commit.tree, "subject": commit.subject}


def _rule(result: RuleResult) -> dict[str, Any]:
    return {
        "metric": result.rule.metric,
        "rule": result.rule.text,
        "statistic": result.rule.statistic,
        "outcome": result.outcome.value,
        "why": result.why,
        "base": number_or_text(result.base),
        "head": number_or_text(result.head),
    }


def _pair(pair: PairReview) -> dict[str, Any]:
    base = pair.pair.base
    return {
        "base_runs": [] if base is None else [run.info.id for run in base.runs],
        "head_runs": [run.info.id for run in pair.pair.head.runs],
        "metrics": [_metric(metric) for metric in pair.metrics],
        "more_metrics": pair.more_metrics,
        "rules": [_rule(result) for result in pair.rules],
        "params": [change_record(change) for change in pair.params],
        "environment": environment_record(pair.environment),
        "datasets": [change_record(change) for change in pair.datasets],
    }


def _metric(metric: MetricReview) -> dict[str, Any]:
    test = metric.test
    return {
        "key": metric.key,
        "direction": metric.direction.value,
        "base": _sample(metric.base),
        "head": _sample(metric.head),
        "delta": number_or_text(metric.delta),
        "percent": number_or_text(metric.percent),
        "verdict": metric.verdict,
        "p_value": None if test is None else number_or_text(test.p_value),
        "interval": None if test is None else [number_or_text(test.low), number_or_text(test.high)],
    }


def _sample(sample: Sample | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    return {
        "values": list(sample.values),
        "mean": number_or_text(sample.mean),
        "spread": number_or_text(sample.spread),
        "missing": sample.missing,
        "broken": sample.broken,
    }
