"""Runs in the forms of others: what other trackers have kept comes in, tables and stores that others read go out.

What comes in is read as `foreign.ForeignStore` by one package or file for each tracker (`mlflow`, `tensorboard`,
`wandb`, `dvc`, `table`), and brought by `importing.import_all`: each run keeps what it is there, importing twice is
once, what is damaged is named and the rest goes on. Nothing that a source names is opened outside of it unasked.
What is written out is complete and says itself what it is; that changes no run. Readers are loaded when they are used.
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
