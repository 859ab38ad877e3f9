"""Runs side by side as an outline: fields are rows and runs columns, or runs rows where there are many."""

from __future__ import annotations

from gitruns.compare.render.diff_outline import NONE
from gitruns.compare.render.outline import FAINT, KEY, NUMBER, STRONG, TEXT, WORD, Cell, Outline, Section, counted
from gitruns.compare.table import Comparison, Row
from gitruns.entities.showing import number, param
from gitruns.entities.values import Scalar, param_text

MAX_COLUMNS = 6
"""Above so many runs, runs are rows: a table that is wider than a page is no table."""

_DIGITS = 5
_MAX_FIELDS = 60
_PLAIN = 8
_SHORT = ("commit", "code")


def comparison_outline(comparison: Comparison, *, width: int = MAX_COLUMNS) -> Outline:
    """Returns the outline; `width` is how many runs stand side by side at most."""
    title = (Cell(f"{counted(len(comparison.runs), 'run')} compared", WORD),)
    if len(comparison.runs) > width:
        return Outline(title=title, sections=(_runs_as_rows(comparison),))
    sections = [_head(comparison), *(_group(comparison, name) for name in _groups(comparison))]
    lead = "" if any(sections[1:]) else "Nothing differs."
    return Outline(title=title, lead=lead, sections=tuple(section for section in sections if section))


def _groups(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(row.group for row in comparison.rows))


def _head(comparison: Comparison) -> Section:
    rows = [
        (Cell("name", WORD, FAINT), *(Cell(run.info.name, TEXT) for run in comparison.runs)),
        (Cell("status", WORD, FAINT), *(Cell(run.info.status.value.lower(), WORD) for run in comparison.runs)),
    ]
    return Section(title="Runs", head=("", *_ids(comparison)), rows=tuple(rows))


def _ids(comparison: Comparison) -> tuple[str, ...]:
    return tuple(run.info.id[:_PLAIN] for run in comparison.runs)


def _group(comparison: Comparison, name: str) -> Section:
    rows = comparison.group(name)
    same = [row for row in rows if name == "environment" and not row.varies and row.key not in ("python", "platform")]
    rows = tuple(row for row in rows if row not in same)
    shown = [(Cell(row.key, KEY), *_cells(row)) for row in rows[:_MAX_FIELDS]]
    notes: tuple[str, ...] = (f"and {len(rows) - _MAX_FIELDS} more",) if len(rows) > _MAX_FIELDS else ()
    notes += (f"{counted(len(same), 'package')} the same",) if same else ()
    return Section(title=name.capitalize(), head=("", *_ids(comparison)), rows=tuple(shown), notes=notes)


def _cells(row: Row) -> list[Cell]:
    return [_cell(row, place) for place in range(len(row.values))]


def _cell(row: Row, place: int) -> Cell:
    if not row.present[place]:
        return NONE
    value = row.values[place]
    if row.group == "metrics" and isinstance(value, float):
        return Cell(number(value, _DIGITS), NUMBER, STRONG if place in row.best else "")
    return Cell(_shown(row, value), TEXT)


def _shown(row: Row, value: Scalar) -> str:
    if row.group == "code" and row.key in _SHORT and isinstance(value, str):
        return value[:_PLAIN]
    return param(value)


def _runs_as_rows(comparison: Comparison) -> Section:
    """Metrics and params that differ are the columns; what else differs is for a comparison of few."""
    fields = [row for row in comparison.rows if row.group in ("metrics", "params")]
    head = ("run", "name", *(row.key for row in fields))
    rows = [
        (Cell(run.info.id[:_PLAIN], KEY), Cell(run.info.name, TEXT), *(_cell(row, place) for row in fields))
        for place, run in enumerate(comparison.runs)
    ]
    return Section(title="Runs", head=head, rows=tuple(rows))


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """Returns a row a run and a column a field, numbers with all their digits; the first row names the columns."""
    head = ["id", "name", "status", *(f"{row.group}.{row.key}" for row in comparison.rows)]
    return [head, *(_csv_row(comparison, place) for place in range(len(comparison.runs)))]


def _csv_row(comparison: Comparison, place: int) -> list[str]:
    info = comparison.runs[place].info
    return [info.id, info.name, info.status.value, *(_csv_cell(row, place) for row in comparison.rows)]


def _csv_cell(row: Row, place: int) -> str:
    return param_text(row.values[place]) if row.present[place] else ""
