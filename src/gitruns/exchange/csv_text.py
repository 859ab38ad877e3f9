"""CSV as spreadsheets, pandas and DuckDB read it: UTF-8, a head, fields in quotes where they must be, `\\n` at the end.

Numbers are written so that they come back the same; what a run does not have is empty, and so told from the text "".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gitruns.entities.values import Scalar, int_text


def csv_rows(columns: Mapping[str, Sequence[Scalar]]) -> Iterator[str]:
    """Yields the head and a line for each row."""
    yield csv_row(list(columns))
    for row in zip(*columns.values(), strict=True):
        yield csv_row(row)


def csv_row(values: Iterable[Scalar]) -> str:
    """Returns one line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Scalar) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return int_text(value) if isinstance(value, int) else repr(value)
