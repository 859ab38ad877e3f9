"""A review as one HTML file: verdict, rules, results and curves on top, differences below, no script."""

from __future__ import annotations

from collections.abc import Iterator

from gitruns.compare.render.curves import curve_svg
from gitruns.compare.render.diff_outline import code_section
from gitruns.compare.render.elements import Markup, el, join
from gitruns.compare.render.html import cell_markup, details, page, patch, section_markup, table
from gitruns.compare.render.outline import Cell, Section, counted
from gitruns.compare.render.review_outline import (
    MARKS,
    commit_cells,
    difference_sections,
    headline,
    result_section,
    run_section,
    side_cells,
)
from gitruns.compare.review.choose import Side
from gitruns.compare.review.report import Curves, Outcome, PairReview, Review, RuleResult, Verdict

_CLASSES = {Verdict.PASSED: "passed", Verdict.FAILED: "failed", Verdict.UNDECIDED: "undecided", Verdict.NO_RULES: ""}
_MAX_PATCH = 400_000
_OPEN_LINES = 200


def review_html(review: Review, *, curves: bool = True) -> str:
    """Returns the whole document; raises `InvalidInputError` (kind `extra-missing`) where curves cannot be drawn."""
    return page(f"{headline(review)} ({review.span.text})", _body(review, curves))


def _body(review: Review, curves: bool) -> Iterator[Markup]:
    yield el("h1", "Model review of ", el("span", review.span.text, class_="key"))
    yield el(
        "dl",
        [(el("dt", word), el("dd", _side(side))) for word, side in (("Head", review.head), ("Base", review.base))],
        class_="facts",
    )
    yield el(
        "div",
        el("strong", headline(review)),
        class_=f"verdict {_CLASSES[review.verdict]}".strip(),
        role="status",
    )
    for warning in review.warnings:
        yield el("p", warning, class_="warning")
    if review.rules:
        yield el("h2", "Rules")
        yield el("ul", [_rule(result) for result in review.rules], class_="rules")
    for place, pair in enumerate(review.pairs):
        yield from _pair(pair, place, len(review.pairs), curves)
    if review.more_pairs:
        yield el("p", f"{counted(review.more_pairs, 'more group')} of runs not shown", class_="note")
    yield from _code(review)
    runs = run_section(review)
    if runs:
        yield el("h2", "Runs")
        yield _plain_table(runs)
    yield el(
        "footer",
        el("p", f"Head: {review.head.why}."),
        el("p", f"Base: {review.base.why}."),
        el("p", "Made by ", el("code", f"git runs review {review.span.text}")),
    )


def _rule(result: RuleResult) -> Markup:
    tone = {Outcome.HELD: "better", Outcome.BROKEN: "worse"}.get(result.outcome, "faint")
    return el(
        "li",
        el("span", MARKS[result.outcome], class_=f"mark {tone}", aria_hidden="true"),
        el("span", el("span", result.rule.metric, class_="key"), result.rule.text, class_="rule"),
        el("span", result.why, class_="why"),
        el("span", result.outcome.value, class_=tone),
    )


def _side(side: Side) -> Markup:
    return join([(el("span", cell_markup(cell)), " ") for cell in side_cells(side)])


def _pair(pair: PairReview, place: int, count: int, curves: bool) -> Iterator[Markup]:
    title = "Results" if count == 1 else f"Results, group {place + 1} of {count}"
    drawn = curves and bool(pair.curves)
    yield section_markup(result_section(pair, title=title, curves=not drawn))
    if drawn:
        yield from _figures(pair)
    for section in difference_sections(pair):
        if section:
            yield section_markup(section)


def _figures(pair: PairReview) -> Iterator[Markup]:
    yield el("h2", "Curves")
    base = el("span", f"base, {counted(len(pair.pair.base.runs), 'run')}") if pair.pair.base is not None else None
    yield el(
        "p", base, " ", el("span", f"head, {counted(len(pair.pair.head.runs), 'run')}", class_="head"), class_="legend"
    )
    yield el("div", [_figure(curves) for curves in pair.curves], class_="curves")


def _figure(curves: Curves) -> Markup:
    caption = el("figcaption", el("span", curves.metric, class_="key"), el("span", " by step", class_="soft"))
    return el("figure", caption, curve_svg(curves))


def _code(review: Review) -> Iterator[Markup]:
    code = review.code
    if not code:
        return
    section = code_section(code)
    yield el("h2", "Code")
    if review.base.ran is not None and review.base.ran.id != review.base.commit.id:
        cells = [Cell("since", "word"), *commit_cells(review.base.ran)]
        yield el("p", [(cell_markup(cell), " ") for cell in cells], class_="note")
    yield _plain_table(section)
    if code.patch:
        text, lines = code.patch, code.patch.count("\n")
        cut = len(text) > _MAX_PATCH
        shown = text[: text.rfind("\n", 0, _MAX_PATCH) + 1] if cut else text
        more = el("p", "The difference is longer than is shown here.", class_="note") if cut else None
        summary = f"{counted(len(code.files), 'file')}, +{code.added} −{code.removed}"
        yield details(summary, patch(shown), more, is_open=lines <= _OPEN_LINES)


def _plain_table(section: Section) -> Markup:
    rows = table(section.head, section.rows) if section.rows else Markup("")
    return join([rows, [el("p", note, class_="note") for note in section.notes]])
