"""What a comparison shows, whatever the medium: a title, facts, and sections of tables.

Texts in here are as they were logged, hostile ones too: renderers escape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

KEY, NUMBER, TEXT, WORD = "key", "number", "text", "word"
"""What a cell is: a name from outside, a number, a value from outside, a word of ours."""

BETTER, WORSE, ADDED, REMOVED, FAINT, STRONG = "better", "worse", "added", "removed", "faint", "strong"
"""How a cell is toned."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `kind` says what it is and `tone` how it is to be taken."""

    text: str
    kind: str = TEXT
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table under a heading.

    `head` are the titles of the columns, all empty where none are needed. `notes` are sentences of ours below it,
    `patches` unified diffs. `folded` says that it is a detail: documents that can fold it do.
    """

    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()
    patches: tuple[tuple[str, str], ...] = ()
    folded: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows or self.notes or self.patches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A whole document. `facts` stand on top, a word of ours and cells each; `lead` is one sentence below the title."""

    title: tuple[Cell, ...]
    facts: tuple[tuple[str, tuple[Cell, ...]], ...] = ()
    lead: str = ""
    sections: tuple[Section, ...] = field(default_factory=tuple)


def counted(count: int, noun: str) -> str:
    """Returns `1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def folded_rows(rows: Sequence[tuple[Cell, ...]], limit: int) -> tuple[tuple[tuple[Cell, ...], ...], tuple[str, ...]]:
    """Returns the first rows, and a note that says how many were left out."""
    if len(rows) <= limit:
        return tuple(rows), ()
    return tuple(rows[:limit]), (f"and {len(rows) - limit} more",)
