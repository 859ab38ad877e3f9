"""Outlines as Markdown that GitHub and GitLab show well.

Everything from outside stands in code spans or fenced blocks, where it is neither Markdown nor HTML, mentions nobody,
closes no issue and loads no picture. A span gets more backticks than the text has, a fence too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gitruns.compare.render.outline import KEY, NUMBER, TEXT, Cell, Outline, Section
from gitruns.entities.showing import printable

_TICKS = re.compile("`+")
_MAX_CELL = 120
_LINKED = re.compile(r"[@#!](?=\w)|:(?=//)|\bwww(?=\.)")
_OURS = re.compile(r"([\\`*_{}\[\]<>|~])")


def code(text: str, limit: int = _MAX_CELL) -> str:
    """Returns any text as a code span that may stand in a table; empty text as nothing."""
    shown = printable(text)
    shown = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    if not shown.strip():
        return "`␠`" if shown else ""
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}".replace("|", "\\|")


def plain(text: str) -> str:
    """Returns a sentence of ours with what Markdown would act on escaped.

    A branch's name may stand in it: a host would mention somebody for `@`, link an issue for `#1` or an address, and
    no escape stops that, but a space of no width does.
    """
    return _OURS.sub(r"\\\1", _LINKED.sub("\\g<0>\u200b", printable(text)))


def fence(text: str, language: str = "diff") -> str:
    """Returns a text as a fenced block."""
    body = printable(text, keep="\n\t")
    ticks = "`" * max(3, max((len(run) for run in _TICKS.findall(body)), default=0) + 1)
    return f"{ticks}{language}\n{body}{'' if body.endswith(chr(10)) else chr(10)}{ticks}\n"


def details(summary: str, body: str, *, is_open: bool = False) -> str:
    """Returns a block that folds; `summary` is a sentence of ours. The empty lines make Markdown of what is inside."""
    safe = summary.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details{' open' if is_open else ''}>\n<summary>{safe}</summary>\n\n{body.strip(chr(10))}\n\n</details>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Returns a table; columns of numbers are set to the right."""
    listed = [list(row) for row in rows]
    if not listed:
        return ""
    kinds = [_kind_of(column) for column in zip(*listed, strict=True)]
    lines = [
        f"| {' | '.join(plain(title) or ' ' for title in head)} |",
        f"|{'|'.join(' ---: ' if kind == NUMBER else ' :--- ' for kind in kinds)}|",
        *(f"| {' | '.join(cell_text(cell) for cell in row)} |" for row in listed),
    ]
    return "".join(f"{line}\n" for line in lines)


def _kind_of(column: Sequence[Cell]) -> str:
    return NUMBER if any(cell.kind == NUMBER for cell in column) else TEXT


def cell_text(cell: Cell) -> str:
    """Returns one cell."""
    if cell.kind in (KEY, TEXT):
        return code(cell.text)
    text = plain(cell.text)
    text = text.replace(" ", "\u00a0") if cell.kind == NUMBER else text
    return f"**{text}**" if text and cell.tone in ("worse", "strong") else text


def section_markdown(section: Section, level: int = 3) -> str:
    """Returns one section: heading, table, notes, then patches, each folded."""
    parts = [f"{'#' * level} {plain(section.title)}\n"]
    if section.rows:
        parts.append(table(section.head or ("",) * len(section.rows[0]), section.rows))
    parts += [f"{plain(note)}\n" for note in section.notes]
    for path, patch in section.patches:
        lines = patch.count("\n")
        title = f"Difference ({lines} lines)"
        parts.append((f"{code(path)}\n\n" if path else "") + details(title, fence(patch)))
    return "\n".join(parts)


def outline_markdown(outline: Outline) -> str:
    """Returns the whole document."""
    parts = [f"## {' '.join(cell_text(cell) for cell in outline.title)}\n"]
    if outline.facts:
        facts = [f"- **{plain(word)}**: {' '.join(map(cell_text, cells))}" for word, cells in outline.facts]
        parts.append("".join(f"{fact}\n" for fact in facts))
    if outline.lead:
        parts.append(plain(outline.lead) + "\n")
    parts += [section_markdown(section) for section in outline.sections]
    return "\n".join(parts)
