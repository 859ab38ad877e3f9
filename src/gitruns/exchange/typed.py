"""Columns for tables whose columns have one type each: parquet, SQLite, arrow, polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitruns.entities.values import Scalar, param_text
from gitruns.exchange.extras import import_extra

TIMES = ("start_time", "end_time")
_INT64, _EXACT = 2**63, 2**53


def of_one_kind(values: Sequence[Scalar]) -> list[Scalar]:
    """Returns a column of one type: integers beside floats become floats, what is mixed otherwise becomes text.

    So do integers that would lose digits: those beyond 64 bits, and beside floats those beyond 53.
    """
    kinds = {type(value) for value in values} - {type(None)}
    limit = _EXACT if float in kinds else _INT64
    fits = all(-limit <= value < limit for value in values if isinstance(value, int))
    if kinds == {int, float} and fits:
        return [float(value) if isinstance(value, int) else value for value in values]
    if len(kinds) > 1 or not fits:
        return [None if value is None else param_text(value) for value in values]
    return list(values)


def arrow_table(columns: Mapping[str, list[Scalar]], times: Sequence[str] = TIMES) -> Any:
    """Returns a `pyarrow.Table`; columns named in `times` are milliseconds UTC and become timestamps.

    Raises `InvalidInputError` (kind `extra-missing`) without pyarrow.
    """
    pyarrow = import_extra("pyarrow", "arrow", "an arrow table")

    def array(name: str, values: list[Scalar]) -> Any:
        if name in times:
            return pyarrow.array(values, type=pyarrow.timestamp("ms", tz="UTC"))
        if name.startswith("metrics."):
            return pyarrow.array(values, type=pyarrow.float64())
        return pyarrow.array(of_one_kind(values))

    return pyarrow.table({name: array(name, values) for name, values in columns.items()})
