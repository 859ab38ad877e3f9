"""An outline of a comparison on a terminal: aligned tables under headings, colours for better and worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gitruns.cli.cells import printable
from gitruns.cli.tables import Column, render
from gitruns.cli.terminal import Terminal

if TYPE_CHECKING:
    from gitruns.compare.render.outline import Cell, Outline, Section
    from gitruns.compare.review import Review

_INDENT = 4
_ASCII = {"→": "->", "–": "-", "…": "...", "±": "+-", "−": "-"}
_STYLES = {
    "better": "added",
    "added": "added",
    "worse": "removed",
    "removed": "removed",
    "faint": "faint",
    "strong": "metric",
}
_PATCH = (("+++", "heading"), ("---", "heading"), ("+", "added"), ("-", "removed"), ("@@", "key"), ("diff ", "heading"))


def outline_page(outline: Outline, terminal: Terminal) -> str:
    """Returns the whole page."""
    page = _Page(terminal)
    return "\n".join(block for block in page.blocks(outline) if block)


class _Page:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def blocks(self, outline: Outline) -> Iterator[str]:
        head = "".join(
            f"{word + ':':<12}{' '.join(self._painted(cell) for cell in cells)}\n" for word, cells in outline.facts
        )
        yield head
        yield outline.lead and self._plain(outline.lead) + "\n"
        for section in outline.sections:
            yield self._section(section)

    def _section(self, section: Section) -> str:
        text = self._terminal.paint(self._plain(section.title), "heading") + "\n"
        if section.rows:
            text += render(self._columns(section), self._terminal, indent=_INDENT, header=any(section.head))
        text += "".join(f"{'':{_INDENT}}{self._terminal.paint(self._plain(note), 'faint')}\n" for note in section.notes)
        for path, patch in section.patches:
            text += f"\n{'':{_INDENT}}{self._terminal.paint(printable(path), 'key')}\n" if path else "\n"
            text += "".join(self._patch_line(line) for line in patch.removesuffix("\n").split("\n"))
        return text

    def _columns(self, section: Section) -> list[Column]:
        columns = []
        head = section.head or ("",) * len(section.rows[0])
        for place, title in enumerate(head):
            cells = [row[place] for row in section.rows]
            numbers = any(cell.kind == "number" for cell in cells)
            verdict = place > 2 and all(cell.kind == "word" for cell in cells)  # worth more than any digits
            texts = [self._text(cell) for cell in cells]
            columns.append(
                Column(
                    title=title,
                    cells=texts,
                    rank=2 if verdict else place,
                    least=None
                    if numbers or title.startswith("curve")
                    else 16
                    if place == 0
                    else 12,  # half a curve says nothing
                    most=None if numbers else 60,
                    right=numbers,
                    styles=[_STYLES.get(cell.tone, "key" if cell.kind == "key" else None) for cell in cells],
                )
            )
        return columns

    def _text(self, cell: Cell) -> str:
        return self._plain(cell.text) if cell.kind == "word" else printable(cell.text)

    def _painted(self, cell: Cell) -> str:
        style = _STYLES.get(cell.tone, {"key": "id"}.get(cell.kind))
        return self._terminal.paint(self._text(cell), style)

    def _plain(self, text: str) -> str:
        if not self._terminal.unicode:
            for character, spelled in _ASCII.items():
                text = text.replace(character, spelled)
        return printable(text)

    def _patch_line(self, line: str) -> str:
        style = next((style for start, style in _PATCH if line.startswith(start)), None)
        return self._terminal.paint(printable(line, keep="\t"), style) + "\n"


def review_page(review: Review, terminal: Terminal) -> str:
    """Returns a review for a terminal: the verdict in its colour, then as any outline, without the code's lines."""
    from gitruns.compare.render.review_outline import review_outline

    outline = review_outline(review, curves=terminal.unicode)
    sections = [replace(section, patches=()) for section in outline.sections]
    style = {"passed": "FINISHED", "failed": "error", "undecided": "hint"}.get(review.verdict.value, "heading")
    shown = replace(outline, lead="", sections=tuple(sections))
    return f"{terminal.paint(outline.lead, style)}\n\n{outline_page(shown, terminal)}"
