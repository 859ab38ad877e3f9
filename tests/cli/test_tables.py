"""Tables fit, and what matters most stays."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gitruns.cli.cells import columns_of
from gitruns.cli.tables import Column, fit, render, tab_separated
from gitruns.cli.terminal import Terminal

COLUMNS = [
    Column(title="RUN", cells=["3f2a9c1e", "91bc0d2f"], styles="id"),
    Column(title="NAME", cells=["bold-otter-12", "日本語"], rank=1, least=6),
    Column(title="acc", cells=["0.9", "-"], rank=2, right=True),
]


def test_everything_is_shown_where_there_is_room() -> None:
    assert render(COLUMNS, Terminal(width=80)) == (
        "RUN       NAME           acc\n3f2a9c1e  bold-otter-12  0.9\n91bc0d2f  日本語           -\n"
    )


def test_the_elastic_column_shrinks_then_the_last_goes() -> None:
    assert (
        render(COLUMNS, Terminal(width=21)) == "RUN       NAME    acc\n3f2a9c1e  bold-…  0.9\n91bc0d2f  日本語    -\n"
    )
    assert render(COLUMNS, Terminal(width=20)) == "RUN       NAME\n3f2a9c1e  bold-otte…\n91bc0d2f  日本語\n"
    assert render(COLUMNS, Terminal(width=5)) == "RUN\n3f2a9c1e\n91bc0d2f\n"


def test_colours_take_no_room() -> None:
    plain = render(COLUMNS, Terminal(width=40))
    coloured = render(COLUMNS, Terminal(width=40, colour=True))
    assert coloured != plain
    assert re.sub("\033\\[[0-9;]*m", "", coloured) == plain


def test_an_ellipsis_is_ascii_where_nothing_else_can_be_shown() -> None:
    assert "bold-~" in render(COLUMNS, Terminal(width=21, unicode=False))


def test_no_rows_no_table() -> None:
    assert render([Column(title="RUN", cells=[])], Terminal()) == ""


CELLS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]), max_size=20), max_size=8)


@given(CELLS, st.integers(min_value=9, max_value=60))
def test_no_line_is_wider_than_the_terminal(cells: list[str], width: int) -> None:
    columns = [Column(title="RUN", cells=["3f2a9c1e"])]
    columns += [Column(title="x", cells=[cell], rank=place + 1, least=4) for place, cell in enumerate(cells)]
    for line in render(columns, Terminal(width=width)).splitlines():
        assert columns_of(line) <= width
    assert all(given >= column.smallest for column, given in fit(columns, width))


def test_a_pipe_gets_tabs() -> None:
    assert tab_separated([["a", "b"], ["c", ""]]) == "a\tb\nc\t\n"
