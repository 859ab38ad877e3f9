"""A review as an outline: verdict, rules, results, then what else changed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gitruns.compare.render.diff_outline import (
    NONE,
    code_section,
    environment_section,
    param_section,
    percent_cell,
    signed,
    text_section,
)
from gitruns.compare.render.outline import (
    BETTER,
    FAINT,
    KEY,
    NUMBER,
    STRONG,
    TEXT,
    WORD,
    WORSE,
    Cell,
    Outline,
    Section,
    counted,
)
from gitruns.compare.review.choose import Side
from gitruns.compare.review.report import MetricReview, Outcome, PairReview, Review, RuleResult, Verdict
from gitruns.compare.review.revisions import Commit
from gitruns.compare.statistics import Sample, p_text
from gitruns.entities.showing import number, sparkline

_DIGITS = 5
_CURVE_WIDTH = 10
_MAX_DECIMALS = 6
_LARGE = 1e7
_PLAIN = 8

MARKS = {Outcome.HELD: "✓", Outcome.BROKEN: "✗", Outcome.UNDECIDED: "?", Outcome.NO_BASE: "–"}
_TONES = {Outcome.HELD: BETTER, Outcome.BROKEN: WORSE}


def headline(review: Review) -> str:
    """Returns the verdict as one sentence."""
    held, count = review.counts
    broken = sum(result.outcome is Outcome.BROKEN for result in review.rules)
    if review.verdict is Verdict.PASSED:
        alone = f"{held} of {count} rules hold" if held < count else f"{_all(count)} hold{'s' if count == 1 else ''}"
        return f"Passed: {alone}"
    if review.verdict is Verdict.FAILED:
        return f"Failed: {broken} of {counted(count, 'rule')} {'is' if broken == 1 else 'are'} broken"
    if review.verdict is Verdict.UNDECIDED:
        if review.pairs and review.head.exact:
            return "Undecided: not every rule can be held against these runs"
        return "Undecided: there is no run of this code to hold the rules against"
    return "Compared: no rules are set"


def _all(count: int) -> str:
    return "the rule" if count == 1 else "both rules" if count == 2 else f"all {count} rules"


def review_outline(review: Review, *, curves: bool = True) -> Outline:
    """Returns the outline; with `curves`, sparklines stand in the table of results."""
    return Outline(
        title=(Cell("Model review of", WORD), Cell(review.span.text, KEY)),
        facts=(
            ("head", side_cells(review.head)),
            ("base", side_cells(review.base)),
        ),
        lead=headline(review),
        sections=tuple(section for section in _sections(review, curves) if section),
    )


def side_cells(side: Side) -> tuple[Cell, ...]:
    """Returns one side in a line: the commit, its subject, how many runs of what code."""
    ran, runs = side.ran, counted(len(side.runs), "run")
    if ran is not None and ran.id != side.commit.id:
        return (*commit_cells(side.commit), Cell(f"– {runs} of", WORD, FAINT), *commit_cells(ran))
    of = " of other code" if side.runs and not side.exact else ""
    return (*commit_cells(side.commit), Cell(f"– {runs}{of}", WORD, FAINT))


def commit_cells(commit: Commit) -> tuple[Cell, ...]:
    """Returns a commit: short id and subject."""
    return (Cell(commit.id[:_PLAIN], KEY), Cell(commit.subject, TEXT))


def _sections(review: Review, curves: bool) -> Iterator[Section]:
    yield Section(title="Note", notes=review.warnings)
    yield rule_section(review.rules)
    for place, pair in enumerate(review.pairs):
        title = "Results" if len(review.pairs) == 1 else f"Results, group {place + 1} of {len(review.pairs)}"
        yield result_section(pair, title=title, curves=curves)
        yield from difference_sections(pair)
    if review.more_pairs:
        yield Section(title="More", notes=(f"{counted(review.more_pairs, 'more group')} of runs not shown",))
    yield code_section(review.code)
    yield run_section(review)


def rule_section(rules: tuple[RuleResult, ...]) -> Section:
    """Returns the rules and what became of them."""
    rows = tuple(
        (
            Cell(MARKS[result.outcome], WORD, _TONES.get(result.outcome, "")),
            Cell(result.rule.metric, KEY),
            Cell(result.rule.text, TEXT),
            Cell(result.outcome.value, WORD, _TONES.get(result.outcome, "")),
            Cell(result.why, WORD),
        )
        for result in rules
    )
    return Section(title="Rules", head=("", "metric", "rule", "", ""), rows=rows)


def result_section(pair: PairReview, *, title: str = "Results", curves: bool = True) -> Section:
    """Returns the table of results of one pair, and how many seeds it is of."""
    drawn = curves and any(metric.base_curve or metric.head_curve for metric in pair.metrics)
    tested = any(metric.test for metric in pair.metrics)
    head = ["metric", "base", "head", "change", "%", *(("chance",) if tested else ()), ""]
    if drawn:
        head.append("curve, base → head")
    notes = [seeds_text(pair)]
    if tested:
        notes.append("± is the standard deviation of seeds; chance is Welch's t-test of the means")
    if pair.more_metrics:
        notes.append(f"{counted(pair.more_metrics, 'more metric')} not shown")
    rows = tuple(_metric_row(metric, tested=tested, drawn=drawn) for metric in pair.metrics)
    return Section(title=title, head=tuple(head), rows=rows, notes=tuple(notes))


def seeds_text(pair: PairReview) -> str:
    """Returns how many runs stand on each side."""
    head = counted(len(pair.pair.head.runs), "run")
    if pair.pair.base is None:
        return f"{head}; the base has none like it"
    return f"{counted(len(pair.pair.base.runs), 'run')} of the base, {head} of the head"


def _metric_row(metric: MetricReview, *, tested: bool, drawn: bool) -> tuple[Cell, ...]:
    tone = {"better": BETTER, "worse": WORSE, "diverged": WORSE}.get(metric.verdict, "")
    word = "" if metric.verdict == "changed" else metric.verdict
    cells = [
        Cell(metric.key, KEY),
        sample_cell(metric.base),
        sample_cell(metric.head, tone or STRONG),
        signed(metric.delta, tone),
        percent_cell(metric.percent, tone),
        *((Cell(p_text(metric.test.p_value) if metric.test else "", NUMBER, FAINT),) if tested else ()),
        Cell(word, WORD, tone or FAINT),
    ]
    if drawn:
        drawings = (sparkline(curve, _CURVE_WIDTH) for curve in (metric.base_curve, metric.head_curve))
        cells.append(Cell(" → ".join(drawing for drawing in drawings if drawing), TEXT))
    return tuple(cells)


def sample_cell(sample: Sample | None, tone: str = "") -> Cell:
    """Returns mean and spread of a sample: `0.123 ± 0.004`."""
    if sample is None or not (sample.values or sample.broken):
        return NONE
    if not sample.values:
        return Cell("not finite", NUMBER, WORSE)
    text = mean_and_spread(sample.mean, sample.spread)
    return Cell(text + (f" ({sample.broken} not finite)" if sample.broken else ""), NUMBER, tone)


def mean_and_spread(mean: float, spread: float | None) -> str:
    """Returns a mean with as many decimals as its spread lets one know: `0.067 ± 0.021`."""
    if spread is None:
        return number(mean, _DIGITS)
    decimals = 1 - math.floor(math.log10(spread)) if spread and math.isfinite(spread) else -1
    if not 0 <= decimals <= _MAX_DECIMALS or abs(mean) >= _LARGE:
        return f"{number(mean, _DIGITS)} ± {number(spread, 2)}"
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}"


def difference_sections(pair: PairReview) -> Iterator[Section]:
    """Yields what else differs between the two sides of a pair."""
    yield param_section(pair.params)
    yield text_section("Data", pair.datasets)
    yield environment_section(pair.environment)


def run_section(review: Review) -> Section:
    """Returns the runs that were looked at."""
    rows = tuple(
        (
            Cell(run.info.id[:_PLAIN], KEY),
            Cell(run.info.name, TEXT),
            Cell(word, WORD, FAINT),
            Cell(run.info.status.value.lower(), WORD, FAINT),
        )
        for word, side in (("base", review.base), ("head", review.head))
        for run in sorted((*side.runs, *side.unfinished), key=lambda run: (run.info.start_time_ms, run.info.id))
    )
    return Section(title="Runs", head=("", "", "", ""), rows=rows, folded=True)
