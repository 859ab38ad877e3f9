"""Runs in the forms of others: tables for analysts, files that other programs read.

What is written out is complete and says itself what it is; nothing here changes a run.
"""

from gitruns.exchange.columns import ATTRIBUTES, RunColumns, read_columns
from gitruns.exchange.csv_text import csv_row, csv_rows
from gitruns.exchange.extras import import_extra
from gitruns.exchange.files import check_free, new_file
from gitruns.exchange.points import points_of
from gitruns.exchange.typed import arrow_table, of_one_kind

__all__ = [
    "ATTRIBUTES",
    "RunColumns",
    "arrow_table",
    "check_free",
    "csv_row",
    "csv_rows",
    "import_extra",
    "new_file",
    "of_one_kind",
    "points_of",
    "read_columns",
]
