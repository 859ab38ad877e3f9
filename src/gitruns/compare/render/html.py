"""Outlines as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

A content security policy in the file forbids whatever a hole in our escaping could ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gitruns.compare.render.elements import Markup, el, join
from gitruns.compare.render.outline import KEY, NUMBER, TEXT, Cell, Outline, Section
from gitruns.compare.render.stylesheet import NOTEBOOK_STYLE, STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


_WIDE = 5
"""Tables of so many columns become a card a row on a phone."""


def page(title: str, body: Iterable[Markup]) -> str:
    """Returns a whole document."""
    head = [
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", Markup(STYLE)),
    ]
    newline = Markup("\n")
    return join(
        [
            Markup('<!doctype html>\n<html lang="en">\n<head>\n'),
            [(part, newline) for part in head],
            Markup("</head>\n<body>\n<main>\n"),
            [(part, newline) for part in body],
            Markup("</main>\n</body>\n</html>\n"),
        ]
    )


def cell_markup(cell: Cell) -> Markup:
    """Returns one cell's text in its tone."""
    if not cell.text:
        return Markup("")
    kind = {KEY: "key", TEXT: "value"}.get(cell.kind)
    classes = " ".join(word for word in (kind, cell.tone) if word)
    return el("span", cell.text, class_=classes) if classes else join(cell.text)


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """Returns a table that scrolls by itself where it is wider than the screen; columns of numbers to the right."""
    if not rows:
        return Markup("")
    right = ["number" if any(row[place].kind == NUMBER for row in rows) else None for place in range(len(rows[0]))]
    titles = [el("th", title, scope="col", class_=class_) for title, class_ in zip(head, right, strict=True)]
    body = [
        el(
            "tr",
            [
                el("td", cell_markup(cell), class_=class_, data_label=title or None)
                for cell, class_, title in zip(row, right, head, strict=True)
            ],
        )
        for row in rows
    ]
    header = el("thead", el("tr", titles)) if any(head) else None
    wide = "wide" if len(head) >= _WIDE else None
    return el("div", el("table", header, el("tbody", body), class_=wide), class_="scroll")


_BODY = {"+": "added", "-": "removed", "@": "hunk", "\\": "hunk"}
_NOISE = ("index ", "similarity index ", "old mode ", "new mode ", "--- ", "+++ ")
_FILE = re.compile(r"diff --git a/(.+) b/\1")


def patch(text: str) -> Markup:
    """Returns a unified diff, a line a line, coloured; each file begins with its path."""
    return el("div", list(_patch_lines(text)), class_="patch", tabindex="0", role="region", aria_label="difference")


def _patch_lines(text: str) -> Iterator[Markup]:
    in_head = True  # a removed line of `-- x` looks like a head's `--- x`: where it stands tells
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("diff --git "):
            in_head = True
            named = _FILE.fullmatch(line)
            yield el("span", named[1] if named else line.removeprefix("diff --git "), class_="file")
            continue
        in_head = in_head and not line.startswith("@@")
        if in_head and line.startswith(_NOISE):
            continue
        yield el("span", line, class_="hunk" if in_head else _BODY.get(line[:1]))


def details(summary: object, *inside: object, is_open: bool = False) -> Markup:
    """Returns a block that folds."""
    return el("details", el("summary", summary), el("div", *inside, class_="inside"), open="" if is_open else None)


def section_markup(section: Section) -> Markup:
    """Returns one section: heading, table, notes, patches."""
    parts: list[Markup] = [el("h2", section.title)]
    if section.rows:
        parts.append(table(section.head or ("",) * len(section.rows[0]), section.rows))
    parts += [el("p", note, class_="note") for note in section.notes]
    for path, text in section.patches:
        parts.append(details(path or "Show the difference", patch(text), is_open=not path and text.count("\n") <= 60))
    return join(parts)


def fragment(outline: Outline) -> str:
    """Returns an outline for a page that is not ours: a notebook."""
    parts = [
        join([el("strong", section.title), table(section.head or ("",) * len(section.rows[0]), section.rows)])
        for section in outline.sections
        if section.rows
    ]
    title = [(cell_markup(cell), " ") for cell in outline.title]
    lead = el("p", outline.lead) if outline.lead else None
    return el("div", el("style", Markup(NOTEBOOK_STYLE)), el("p", title), lead, parts, class_="gitruns")


def facts_markup(outline: Outline) -> Markup:
    """Returns the facts on top."""
    if not outline.facts:
        return Markup("")
    pairs = [
        (el("dt", word), el("dd", [el("span", cell_markup(cell)) for cell in cells])) for word, cells in outline.facts
    ]
    return el("dl", pairs, class_="facts")


def outline_html(outline: Outline) -> str:
    """Returns the whole document."""
    title = " ".join(cell.text for cell in outline.title)
    body = [
        el("h1", [(cell_markup(cell), " ") for cell in outline.title]),
        facts_markup(outline),
        el("p", outline.lead) if outline.lead else Markup(""),
        *(section_markup(section) for section in outline.sections),
    ]
    return page(title, body)
