"""A review as Markdown for a comment: what matters first, the rest folded, never longer than a host takes."""

from __future__ import annotations

from collections.abc import Iterator

from gitruns.compare.render.diff_outline import code_section
from gitruns.compare.render.markdown import cell_text, details, fence, plain, section_markdown, table
from gitruns.compare.render.outline import Section, counted
from gitruns.compare.render.review_outline import (
    commit_cells,
    difference_sections,
    headline,
    result_section,
    rule_section,
    run_section,
    side_cells,
)
from gitruns.compare.review.report import Review, Verdict

MAX_LENGTH = 60_000
"""GitHub takes 65,536 characters in a comment; GitLab more."""

_MAX_PATCH = 20_000
_MARKS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.UNDECIDED: "⚠️", Verdict.NO_RULES: "ℹ️"}


def review_markdown(review: Review, *, patch: bool = True) -> str:
    """Returns the report; what would make it too long is left out from the end, and that is said."""
    text, left_out = "", 0
    for part in _parts(review, patch):
        if len(text) + len(part) > MAX_LENGTH:
            left_out += 1
            continue
        text += ("\n" if text else "") + part
    if left_out:
        text += f"\n{plain(counted(left_out, 'more part'))} left out for length: see `git runs review`.\n"
    return text


def _parts(review: Review, patch: bool) -> Iterator[str]:
    yield f"### {_MARKS[review.verdict]} {plain(headline(review))}\n"
    sides = (("head", review.head), ("base", review.base))
    yield "".join(f"- **{word}** {' '.join(map(cell_text, side_cells(side)))}\n" for word, side in sides)
    if review.warnings:
        yield "".join(f"> ⚠️ {plain(warning)}\n>\n" for warning in review.warnings).removesuffix(">\n")
    rules = rule_section(review.rules)
    if rules:
        yield table(("", "metric", "rule", "", ""), rules.rows)
    for place, pair in enumerate(review.pairs):
        title = "Results" if len(review.pairs) == 1 else f"Results, group {place + 1} of {len(review.pairs)}"
        yield section_markdown(result_section(pair, title=title), level=4)
        for section in difference_sections(pair):
            if section:
                yield _folded(section, _title(section))
    if review.more_pairs:
        yield f"{plain(counted(review.more_pairs, 'more group'))} of runs not shown.\n"
    yield from _code(review, patch)
    runs = run_section(review)
    if runs:
        yield _folded(runs, f"Runs ({len(runs.rows)}), and how they were chosen", before=_chosen(review))


def _title(section: Section) -> str:
    return f"{section.title}: {counted(len(section.rows), 'change')}" if section.rows else section.title


def _folded(section: Section, title: str, before: str = "") -> str:
    body = table(section.head or ("",) * len(section.rows[0]), section.rows) if section.rows else ""
    notes = "".join(f"{plain(note)}\n" for note in section.notes)
    return details(title, "\n".join(part for part in (before, body, notes) if part))


def _chosen(review: Review) -> str:
    return f"- head: {plain(review.head.why)}\n- base: {plain(review.base.why)}\n"


def _code(review: Review, patch: bool) -> Iterator[str]:
    code = review.code
    if not code:
        return
    section = code_section(code)
    if code.unavailable:
        yield section_markdown(section, level=4)
        return
    since = ""
    if review.base.ran is not None and review.base.ran.id != review.base.commit.id:
        since = f"Since {' '.join(map(cell_text, commit_cells(review.base.ran)))}.\n"
    body = table(section.head, section.rows)
    notes = "".join(f"{plain(note)}\n" for note in section.notes)
    shown = code.patch if patch else ""
    cut = len(shown) > _MAX_PATCH
    if cut:
        shown = shown[: shown.rfind("\n", 0, _MAX_PATCH) + 1]
    more = "The difference is longer than is shown here.\n" if cut else ""
    title = f"Code: {counted(len(code.files), 'file')}, +{code.added} −{code.removed}"
    yield details(title, "\n".join(part for part in (since, body, notes, fence(shown) if shown else "", more) if part))
