"""Tables that fit the terminal: the columns that matter most are kept, and the elastic ones shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitruns.cli.cells import columns_of, cut
from gitruns.cli.terminal import Terminal

GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: plain cells, top to bottom, and how they may be shown.

    `rank` says how much it matters: 0 is always shown, the greatest goes first where space is short. `least` is the
    width it can shrink to (None: it does not). `styles` is one style for all cells or one for each.
    """

    title: str
    cells: Sequence[str]
    rank: int = 0
    least: int | None = None
    most: int | None = None
    right: bool = False
    styles: str | Sequence[str | None] | None = None

    @property
    def natural(self) -> int:
        """The width that shows every cell whole, up to `most`."""
        widest = max((columns_of(cell) for cell in self.cells), default=0)
        wanted = max(widest, columns_of(self.title))
        return min(wanted, self.most) if self.most is not None else wanted

    @property
    def smallest(self) -> int:
        """The width that it can shrink to."""
        return self.natural if self.least is None else min(self.natural, self.least)

    def style_of(self, row: int) -> str | None:
        """Returns the style of one cell."""
        return self.styles if isinstance(self.styles, str) or self.styles is None else self.styles[row]


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """Returns the columns that fit side by side into `width`, in their order, each with the width it gets.

    Columns are taken by rank while they fit at their smallest; then those in play grow to their natural width, the
    more important first.
    """
    chosen: list[Column] = []
    used = 0
    for column in sorted(columns, key=lambda column: column.rank):
        room = column.smallest + (GAP if chosen else 0)
        if used + room <= width or column.rank == 0:
            chosen.append(column)
            used += room
    spare = max(width - used, 0)
    widths = {}
    for column in chosen:  # by rank
        widths[id(column)] = column.smallest + min(spare, column.natural - column.smallest)
        spare -= widths[id(column)] - column.smallest
    return [(column, widths[id(column)]) for column in columns if id(column) in widths]


def render(columns: Sequence[Column], terminal: Terminal, *, indent: int = 0, header: bool = True) -> str:
    """Returns a table without lines, ended by a newline; empty when there is no row."""
    if not columns or not columns[0].cells:
        return ""
    from prettytable import PrettyTable

    fitted = fit(columns, terminal.width - indent)
    ellipsis = "…" if terminal.unicode else "~"
    table = PrettyTable(border=False, header=False, preserve_internal_border=False)
    table.left_padding_width, table.right_padding_width = 0, GAP
    table.field_names = [str(place) for place in range(len(fitted))]
    for place, (column, width) in enumerate(fitted):
        table.align[str(place)] = "r" if column.right else "l"
        table.min_width[str(place)] = width
    if header:
        table.add_row([terminal.paint(cut(column.title, width, ellipsis), "head") for column, width in fitted])
    for row in range(len(columns[0].cells)):
        table.add_row(
            [terminal.paint(cut(column.cells[row], width, ellipsis), column.style_of(row)) for column, width in fitted]
        )
    return "".join(" " * indent + line.rstrip() + "\n" for line in table.get_string().split("\n"))


def tab_separated(columns: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells for a pipe: a tab between cells, a newline after each row."""
    return "".join("\t".join(row) + "\n" for row in columns)
