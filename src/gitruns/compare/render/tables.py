"""Rows as CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io

from gitruns.entities.showing import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so."""


def csv_text(rows: list[list[str]]) -> str:
    """Returns rows as CSV; text from outside that a spreadsheet would run gets a quote in front."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[_harmless(cell) for cell in row] for row in rows])
    return stream.getvalue()


def _harmless(text: str) -> str:
    shown = printable(text, keep="\n\t")
    if not shown.startswith(_FORMULA):
        return shown
    try:
        float(shown.rstrip("%"))
    except ValueError:
        return "'" + shown
    return shown
