"""Builds a review: reads what it needs through the repository, then judges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitruns.compare.changes import changes
from gitruns.compare.code import CodeDiff, diff_commits, without_object_ids
from gitruns.compare.datasets import diff_datasets
from gitruns.compare.directions import Direction, Directions
from gitruns.compare.environment import EnvironmentDiff, diff_environments
from gitruns.compare.metrics import SYSTEM, percent_of
from gitruns.compare.metrics import verdict_of as verdict_of_values
from gitruns.compare.review.choose import Chooser, Side
from gitruns.compare.review.groups import Group, Pair, group_runs, pair_groups
from gitruns.compare.review.judge import check_directions, judge, sample
from gitruns.compare.review.report import (
    Curves,
    MetricReview,
    Outcome,
    PairReview,
    Review,
    RuleResult,
    Series,
    verdict_of,
)
from gitruns.compare.review.revisions import Range, read_range
from gitruns.compare.review.rules import SIGNED_RULE, ReviewSettings, Rule, parse_review
from gitruns.compare.review.same_code import CodeKeys
from gitruns.compare.run_diff import diff_params
from gitruns.compare.runs_by_code import RunsByCode
from gitruns.compare.seeds import is_seed
from gitruns.compare.settings import Settings, read_settings
from gitruns.compare.statistics import Sample, welch
from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import Run
from gitruns.entities.values import Point
from gitruns.gitstore.signatures import Trust
from gitruns.repo.curves import curve_points

if TYPE_CHECKING:
    from gitruns.repo import Repo

MAX_PAIRS = 8
MAX_METRICS = 30
MAX_CURVES = 8
MAX_SEEDS_DRAWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: a range (None: HEAD against the main branch), and what overrides `gitruns.yaml`."""

    span: str | None = None
    experiment: str | None = None
    rules: tuple[Rule, ...] = ()
    nearest: bool = False


def build_review(repo: Repo, request: Request) -> Review:
    """Returns the review of a range; equal commits, runs and settings give equal reviews.

    Raises `NotFoundError` (kinds `commit-not-found`, `no-merge-base`, `experiment-not-found`) and `InvalidInputError`
    (kinds `bad-rule`, `bad-setting`).
    """
    span = read_range(repo, request.span)
    settings, warnings = _settings(repo, span)
    found = _overridden(parse_review(settings.review), request)
    check_directions(found.rules, settings.directions)
    chooser = Chooser(repo, _runs(repo, found.experiment), CodeKeys(repo, found.code), span)
    head = chooser.head()
    base = chooser.base(head)
    pairs = pair_groups(group_runs(base.runs), group_runs(head.runs))
    shown = [_pair_review(repo, pair, found, settings.directions) for pair in pairs[:MAX_PAIRS]]
    judged = bool(pairs) and (head.exact or found.nearest)
    rules = _all_rules(pairs, found, settings.directions, judged=judged)
    if found.signed:
        rules = (*rules, _signatures(repo, base, head))
    return Review(
        span=span,
        base=base,
        head=head,
        pairs=tuple(shown),
        more_pairs=len(pairs) - len(shown),
        rules=rules,
        code=_code(repo, span, base),
        warnings=(*_warnings(base, head, found), *warnings),
        verdict=verdict_of(rules, judged=judged),
    )


# Settings


def _settings(repo: Repo, span: Range) -> tuple[Settings, list[str]]:
    """The settings of the head: of the work tree where that is what is reviewed, else of the commit."""
    work_tree = repo.store.paths.work_tree is not None and repo.store.head().commit == span.head.id
    now = read_settings(repo) if work_tree else read_settings(repo, span.head.id)
    before = read_settings(repo, span.base.id)
    changed = bool(before.review) and before.review != now.review
    return now, ["The rules of this review are changed by what it reviews: look at gitruns.yaml."] if changed else []


def _overridden(found: ReviewSettings, request: Request) -> ReviewSettings:
    return replace(
        found,
        rules=(*found.rules, *request.rules),
        nearest=found.nearest or request.nearest,
        experiment=request.experiment or found.experiment,
    )


def _runs(repo: Repo, experiment: str | None) -> RunsByCode:
    if experiment is None:
        return RunsByCode(repo)
    found = repo.find_experiment(experiment) or repo.get_experiment(ExperimentId(experiment))
    return RunsByCode(repo, experiments=[found.id])


# Warnings


def _warnings(base: Side, head: Side, settings: ReviewSettings) -> Iterable[str]:
    if not head.exact:
        yield head.why[:1].upper() + head.why[1:] + "."
        if settings.rules and not settings.nearest:
            yield "Rules are not held against runs of other code. Run it: git runs exec -- COMMAND, then push the run."
    if not base.runs:
        yield base.why[:1].upper() + base.why[1:] + ": there is nothing to compare with."
    for side, word in ((base, "base"), (head, "head")):
        if side.unfinished:
            count = len(side.unfinished)
            yield f"{count} run{'' if count == 1 else 's'} of the {word} did not finish and {_is(count)} left out."
        incomplete = sum(run.info.source.incomplete for run in side.runs)
        if incomplete:
            yield f"The source of {incomplete} run{'' if incomplete == 1 else 's'} of the {word} is incomplete."


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


# Pairs


def _pair_review(repo: Repo, pair: Pair, settings: ReviewSettings, directions: Directions) -> PairReview:
    keys = _metric_keys(pair, settings)
    reviewed = [_metric(repo, pair, key, directions.of(key)) for key in keys[:MAX_METRICS]]
    drawn = [metric.key for metric in reviewed if metric.base_curve or metric.head_curve][:MAX_CURVES]
    first = pair.base.first if pair.base is not None else None
    head = pair.head.first
    return PairReview(
        pair=pair,
        metrics=tuple(reviewed),
        more_metrics=max(len(keys) - MAX_METRICS, 0),
        rules=tuple(judge(rule, pair, directions.of(rule.metric)) for rule in settings.rules),
        params=tuple(change for change in diff_params(first, head) if not is_seed(change.key)) if first else (),
        environment=diff_environments(first.environment, head.environment) if first else EnvironmentDiff(),
        datasets=diff_datasets(first.inputs, head.inputs) if first else changes({}, {}),
        curves=tuple(_curves(repo, pair, key) for key in drawn),
    )


def _metric_keys(pair: Pair, settings: ReviewSettings) -> list[str]:
    """What rules are about goes first, then what is on both sides, then by name; the machine's is left out."""
    sides = [group for group in (pair.base, pair.head) if group is not None]
    having = [{key for run in group.runs for key in run.metrics if not key.startswith(SYSTEM)} for group in sides]
    known = set().union(*having)
    ruled = [rule.metric for rule in settings.rules]
    first = [key for key in dict.fromkeys((*ruled, *settings.metrics)) if key in known]
    if settings.metrics:
        return first
    both = set.intersection(*having)
    return [*first, *sorted(known - set(first), key=lambda key: (key not in both, key))]


def _metric(repo: Repo, pair: Pair, key: str, direction: Direction) -> MetricReview:
    head = sample(pair.head, key, "last", direction)
    base = None if pair.base is None else sample(pair.base, key, "last", direction)
    old = base.mean if base is not None and base.values else None
    new = head.mean if head.values else None
    test = welch(base, head) if base is not None else None
    return MetricReview(
        key=key,
        direction=direction,
        base=base,
        head=head,
        delta=None if old is None or new is None else new - old,
        percent=percent_of(old, new),
        verdict=_verdict(base, head, direction, old, new, chance=test is not None and not test.significant),
        test=test,
        base_curve=() if pair.base is None else _values(repo, pair.base, key),
        head_curve=_values(repo, pair.head, key),
    )


def _verdict(
    base: Sample | None, head: Sample, direction: Direction, old: float | None, new: float | None, *, chance: bool
) -> str:
    if new is None:
        return "diverged" if head.broken else "removed"
    if old is None:
        return "diverged before" if base is not None and base.broken else "added"
    if head.broken:
        return "worse" if direction is not Direction.UNKNOWN else "changed"
    said = verdict_of_values(old, new, direction)
    return "unclear" if chance and said != "same" else said


def _values(repo: Repo, group: Group, key: str) -> tuple[float, ...]:
    """The curve of the first run that has one."""
    for run in group.runs:
        if key in run.metrics and run.metrics[key].count > 1:
            return tuple(point.value for point in curve_points(repo, run, key))
    return ()


def _curves(repo: Repo, pair: Pair, key: str) -> Curves:
    sides = ((pair.base.runs if pair.base else (), False), (pair.head.runs, True))
    return Curves(
        metric=key,
        series=tuple(
            Series(run_name=run.info.name, of_head=of_head, points=points)
            for runs, of_head in sides
            for run in runs[:MAX_SEEDS_DRAWN]
            if (points := _points(repo, run, key))
        ),
    )


def _points(repo: Repo, run: Run, key: str) -> tuple[Point, ...]:
    return tuple(curve_points(repo, run, key)) if key in run.metrics else ()


# Rules and code


def _all_rules(
    pairs: Sequence[Pair], settings: ReviewSettings, directions: Directions, *, judged: bool
) -> tuple[RuleResult, ...]:
    """Each rule once: of many groups the worst outcome counts, and how many there were is said."""
    if not judged:
        why = "there is no run of this code to judge"
        return tuple(RuleResult(rule=rule, outcome=Outcome.UNDECIDED, why=why) for rule in settings.rules)
    return tuple(_worst([judge(rule, pair, directions.of(rule.metric)) for pair in pairs]) for rule in settings.rules)


def _signatures(repo: Repo, base: Side, head: Side) -> RuleResult:
    """Whether all runs that count, of both sides, are signed with a key that git knows."""
    wanted = {run.info.id for side in (base, head) for run in side.runs}
    if not head.runs:
        return RuleResult(rule=SIGNED_RULE, outcome=Outcome.UNDECIDED, why="there is no run of this code to look at")
    good = {
        signed.run_id
        for signed in repo.check_signatures(wanted)
        if signed.run_id in wanted and signed.signature.trust is Trust.GOOD
    }
    lacking = len(wanted) - len(good)
    why = f"{lacking} of {len(wanted)} runs are not" if lacking else f"all {len(wanted)} runs are"
    return RuleResult(rule=SIGNED_RULE, outcome=Outcome.BROKEN if lacking else Outcome.HELD, why=why)


_BADNESS = (Outcome.BROKEN, Outcome.UNDECIDED, Outcome.NO_BASE, Outcome.HELD)


def _worst(results: Sequence[RuleResult]) -> RuleResult:
    worst = min(results, key=lambda result: _BADNESS.index(result.outcome))
    alike = sum(result.outcome is worst.outcome for result in results)
    if len(results) == 1 or worst.outcome is Outcome.HELD:
        return worst
    return replace(worst, why=f"{worst.why} ({alike} of {len(results)} groups)")


def _code(repo: Repo, span: Range, base: Side) -> CodeDiff:
    """What the change does to the code: from what the base's runs ran, where that is a commit, to the head."""
    before = base.ran.id if base.ran is not None else span.base.id
    found = diff_commits(repo, before, span.head.id, patch=True)
    return replace(found, patch=without_object_ids(found.patch))
