"""Tables as JSON that every MLflow reader knows: `{"columns": [...], "data": [row, ...]}`, one row a line.

Source: `mlflow.log_table`, which is pandas' orientation "split" without index. Numbers keep all their digits here,
and a row a line lets `git diff` show what was added.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from gitruns.errors import InvalidInputError
from gitruns.tracking.plain import is_missing, missing_package, plain_value


class _Table(NamedTuple):
    columns: list[Any]
    rows: list[list[Any]]


def table_bytes(data: Any, file_name: str, before: bytes | None = None) -> bytes:
    """Returns a pandas DataFrame, or a dict of lists, as a table; the rows follow those of the table `before`.

    A dict of single values is one row; single values beside lists are repeated. Columns that one of the two tables
    lacks are null there. The name ends in `.json`, or in `.parquet` (needs pandas and pyarrow). Raises
    `InvalidInputError` for other data, other endings, lists of different lengths and a `before` that is no table.
    """
    ending = PurePosixPath(file_name).suffix
    if ending not in (".json", ".parquet"):
        raise InvalidInputError(
            f"cannot store a table as '{file_name}': its name must end in '.json' or '.parquet'", kind="bad-ending"
        )
    if not _is_frame(data) and not isinstance(data, Mapping):
        raise InvalidInputError(
            f"a table must be a pandas DataFrame or a dict of lists, not '{type(data).__name__}'", kind="wrong-type"
        )
    if ending == ".parquet":
        return _parquet_bytes(data, before, file_name)
    table = _table_of_frame(data) if _is_frame(data) else _table_of_dict(data)
    if before is not None:
        table = _joined(_decoded(before, file_name), table)
    return _encoded(table)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "columns")


def _table_of_frame(frame: Any) -> _Table:
    columns = [_column_name(name) for name in frame.columns]
    cells = [[_cell(value) for value in frame.iloc[:, place].tolist()] for place in range(len(columns))]
    rows = [list(row) for row in zip(*cells, strict=True)] if columns else [[] for _ in range(len(frame))]
    return _Table(_unique(columns), rows)


def _table_of_dict(data: Mapping[Any, Any]) -> _Table:
    columns = {_column_name(name): _column(values) for name, values in data.items()}
    if len(columns) != len(data):
        raise InvalidInputError("a table has two columns of one name", kind="bad-table")
    lengths = {len(values) for values in columns.values() if values is not None}
    if len(lengths) > 1:
        sizes = ", ".join(f"'{name}' {len(values)}" for name, values in columns.items() if values is not None)
        raise InvalidInputError(f"columns of a table must be equally long: {sizes}", kind="bad-table")
    length = lengths.pop() if lengths else 1 if columns else 0
    cells = [
        [_cell(data_value)] * length if values is None else [_cell(value) for value in values]
        for values, data_value in zip(columns.values(), data.values(), strict=True)
    ]
    return _Table(list(columns), [list(row) for row in zip(*cells, strict=True)])


def _column(values: Any) -> list[Any] | None:
    """Returns the values of a column; None when it is a single value."""
    if isinstance(values, (str, bytes, Mapping)):
        return None
    if getattr(values, "ndim", 1) == 0 or not isinstance(values, Iterable):
        return None
    return list(values)


def _column_name(name: Any) -> Any:
    plain = plain_value(name) if not isinstance(name, tuple) else str(name)
    return plain if isinstance(plain, (str, int, float)) else str(name)


def _unique(columns: list[Any]) -> list[Any]:
    if len(set(columns)) != len(columns):
        raise InvalidInputError("a table has two columns of one name", kind="bad-table")
    return columns


def _cell(value: Any) -> Any:
    if type(value) in (str, int, bool):
        return value
    if is_missing(value):
        return None
    if hasattr(value, "save") and hasattr(value, "resize"):
        raise InvalidInputError(
            "a table cannot hold images",
            kind="bad-table",
            hint="log them with log_image and put their paths in the table",
        )
    if callable(getattr(value, "isoformat", None)):
        return value.isoformat()
    return _finite(plain_value(value))


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinities: they are null, as pandas writes them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _joined(first: _Table, second: _Table) -> _Table:
    columns = list(dict.fromkeys([*first.columns, *second.columns]))
    rows = itertools.chain(_rows_in(columns, first), _rows_in(columns, second))
    return _Table(columns, list(rows))


def _rows_in(columns: list[Any], table: _Table) -> Iterable[list[Any]]:
    if columns == table.columns:
        return table.rows
    places = [table.columns.index(name) if name in table.columns else None for name in columns]
    return ([None if place is None else row[place] for place in places] for row in table.rows)


def _encoded(table: _Table) -> bytes:
    try:
        return _text(table, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can escape
        return _text(table, ensure_ascii=True).encode()


def _text(table: _Table, *, ensure_ascii: bool) -> str:
    columns = json.dumps(table.columns, ensure_ascii=ensure_ascii)
    rows = ",\n".join(json.dumps(row, ensure_ascii=ensure_ascii, allow_nan=False) for row in table.rows)
    return f'{{"columns": {columns}, "data": [\n{rows}\n]}}\n' if rows else f'{{"columns": {columns}, "data": []}}\n'


def _decoded(data: bytes, file_name: str) -> _Table:
    try:
        content = json.loads(data)
        columns, rows = content["columns"], content["data"]
        if not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
            raise ValueError("a row has not as many cells as there are columns")
        if not isinstance(columns, list) or not all(isinstance(name, (str, int, float)) for name in columns):
            raise ValueError("it has no list of column names")
    except (ValueError, KeyError, TypeError) as error:
        raise _no_table(file_name, error) from error
    return _Table(columns, rows)


def _no_table(file_name: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"cannot add rows to '{file_name}': what is there is no table ({error})",
        kind="not-a-table",
        hint="log the table under another name",
    )


def _parquet_bytes(data: Any, before: bytes | None, file_name: str) -> bytes:
    table = None if _is_frame(data) else _table_of_dict(data)
    target = io.BytesIO()
    try:
        import pandas as pd

        frame = data if table is None else pd.DataFrame(table.rows, columns=table.columns)
        if before is not None:
            frame = pd.concat([_read_parquet(before, file_name), frame], ignore_index=True)
        frame.to_parquet(target, index=False)
    except ImportError as error:
        raise missing_package("a table as '.parquet'", "pandas pyarrow") from error
    except InvalidInputError:
        raise
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InvalidInputError(f"cannot store the table as '{file_name}': {error}", kind="bad-table") from error
    return target.getvalue()


def _read_parquet(data: bytes, file_name: str) -> Any:
    import pandas as pd

    try:
        return pd.read_parquet(io.BytesIO(data))
    except (ValueError, OSError) as error:
        raise _no_table(file_name, error) from error
