"""Files for analysts: parquet, CSV, JSON lines, SQLite. DuckDB, pandas and spreadsheets read them as they are.

Parquet and CSV have a row a run, with MLflow's column names, and the points in a second file beside it. SQLite has
tables: `runs`, `metrics` (summaries), `params`, `tags`, `points`, since it knows neither many columns nor the case of
their names. JSON has an object a run, as `git runs list --json` prints it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.entities.values import Point, Scalar, param_text
from gitruns.exchange.columns import RunColumns
from gitruns.exchange.csv_text import csv_row, csv_rows
from gitruns.exchange.extras import import_extra
from gitruns.exchange.points import POINT_COLUMNS
from gitruns.exchange.typed import arrow_table, of_one_kind

if TYPE_CHECKING:
    from gitruns.entities.values import MetricSummary

PointsByRun = Iterable[tuple[RunId, list[Point]]]

_PIECE = 100_000
_SUMMARY = ("last", "min", "max", "mean", "first", "count", "nan", "step", "time_ms")
_INT64 = 2**63


# CSV


def write_csv(path: Path, found: RunColumns) -> None:
    """Writes a row a run."""
    _write_lines(path, csv_rows(found.columns))


def write_csv_points(path: Path, points: PointsByRun) -> None:
    """Writes a row a point."""
    rows = (csv_row(row) for row in _point_rows(points))
    _write_lines(path, _chain(csv_row(POINT_COLUMNS), rows))


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _point_rows(points: PointsByRun) -> Iterator[tuple[Any, ...]]:
    for run_id, found in points:
        yield from ((run_id, point.metric, point.step, point.time_ms, point.value) for point in found)


# Parquet


def write_parquet(path: Path, found: RunColumns) -> None:
    """Writes a row a run; raises `InvalidInputError` (kind `extra-missing`) without pyarrow."""
    parquet = import_extra("pyarrow.parquet", "arrow", "writing parquet")
    parquet.write_table(arrow_table(found.columns), path)


def write_parquet_points(path: Path, points: PointsByRun) -> None:
    """Writes a row a point, in pieces, so that memory stays bounded."""
    pyarrow = import_extra("pyarrow", "arrow", "writing parquet")
    parquet = import_extra("pyarrow.parquet", "arrow", "writing parquet")
    types = (pyarrow.string(), pyarrow.string(), pyarrow.int64(), pyarrow.timestamp("ms", tz="UTC"), pyarrow.float64())
    schema = pyarrow.schema(list(zip(("run_id", "metric", "step", "time", "value"), types, strict=True)))
    rows = _point_rows(points)
    with parquet.ParquetWriter(path, schema) as writer:
        while piece := list(islice(rows, _PIECE)):
            columns = zip(*piece, strict=True)
            writer.write_table(pyarrow.table(list(map(list, columns)), schema=schema))


# JSON


def write_json(path: Path, records: Iterable[str]) -> None:
    """Writes a line a run; the caller makes the records."""
    _write_lines(path, (record + "\n" for record in records))


# SQLite

_TABLES = """
CREATE TABLE runs ({columns});
CREATE TABLE params (run_id TEXT, key TEXT, value, PRIMARY KEY (run_id, key)) WITHOUT ROWID;
CREATE TABLE tags (run_id TEXT, key TEXT, value TEXT, PRIMARY KEY (run_id, key)) WITHOUT ROWID;
CREATE TABLE metrics (run_id TEXT, key TEXT, {summary}, PRIMARY KEY (run_id, key)) WITHOUT ROWID;
"""


def write_sqlite(
    path: Path,
    found: RunColumns,
    runs: Iterable[Run],
    points: PointsByRun | None,
) -> None:
    """Writes the tables; `found` has the attributes, `runs` everything else. NaN is NULL there, as SQLite has it."""
    facts: Mapping[str, list[Scalar]] = {name: of_one_kind(values) for name, values in found.columns.items()}
    connection = sqlite3.connect(path)
    try:
        columns = ", ".join(f"{name} PRIMARY KEY" if name == "run_id" else name for name in facts)
        connection.executescript(_TABLES.format(columns=columns, summary=", ".join(_SUMMARY)))
        with connection:
            marks = ", ".join("?" * len(facts))
            connection.executemany(f"INSERT INTO runs VALUES ({marks})", zip(*facts.values(), strict=True))  # noqa: S608  question marks
            for run in runs:
                _insert_values(connection, run)
            if points is not None:
                connection.execute("CREATE TABLE points (run_id TEXT, metric TEXT, step, time_ms, value)")
                connection.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?)", _point_rows(points))
                connection.execute("CREATE INDEX points_by_run ON points (run_id, metric, step)")
    finally:
        connection.close()


def _insert_values(connection: sqlite3.Connection, run: Run) -> None:
    run_id = run.info.id
    params = [(run_id, key, _sqlite_value(value)) for key, value in run.params.items()]
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", params)
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(run_id, *pair) for pair in run.tags.items()])
    marks = ", ".join("?" * (2 + len(_SUMMARY)))
    rows = [(run_id, key, *_summary_row(summary)) for key, summary in run.metrics.items()]
    connection.executemany(f"INSERT INTO metrics VALUES ({marks})", rows)  # noqa: S608  question marks


def _summary_row(summary: MetricSummary) -> tuple[Any, ...]:
    return tuple(getattr(summary, name) for name in _SUMMARY)


def _sqlite_value(value: Scalar) -> Scalar:
    """Returns a param as SQLite can hold it: truth values as text, so that they are not taken for numbers."""
    if isinstance(value, bool) or (isinstance(value, int) and not -_INT64 <= value < _INT64):
        return param_text(value)
    return value


def watched(points: PointsByRun, tell: Callable[[int], None]) -> Iterator[tuple[RunId, list[Point]]]:
    """Passes the points on and tells how many runs have been written."""
    for done, one in enumerate(points, 1):
        yield one
        tell(done)
