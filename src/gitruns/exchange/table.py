"""Runs in a table, a row each: CSV and Parquet files, as `git runs export`, `mlflow.search_runs` and W&B write them.

A column `metrics.acc` (or `summary.acc`) is a metric, `params.lr` (`config.lr`) a param, `tags.team` a tag. Of the
others those are facts of a run whose names everybody uses; what is left is a param, or a metric where it was said.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point, Scalar
from gitruns.errors import CorruptDataError, GitRunsError, InvalidInputError, NotFoundError
from gitruns.exchange.extras import import_extra
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun

Row = Mapping[str, Any]

_PREFIXES = {"metrics.": "metric", "summary.": "metric", "params.": "param", "config.": "param", "tags.": "tag"}
_FACTS = {
    **dict.fromkeys(("run_id", "id"), "id"),
    **dict.fromkeys(("run_name", "name"), "name"),
    **dict.fromkeys(("status", "state"), "status"),
    **dict.fromkeys(("start_time", "created"), "start"),
    **dict.fromkeys(("end_time",), "end"),
    **dict.fromkeys(("user", "user_id"), "user"),
    **dict.fromkeys(("experiment", "project"), "experiment"),
    **dict.fromkeys(("source_commit", "commit"), "commit"),
    **{name: name for name in ("host", "entry_point", "branch", "error", "parent_run_id", "exit_code")},
}
_PASSED_OVER = frozenset({"experiment_id", "artifact_uri", "duration_ms", "command", "dirty", "runtime", "sweep"})
_STATUSES = {"crashed": RunStatus.FAILED, "preempted": RunStatus.KILLED}
_MAX_CELL = 1024 * 1024


class RunTable:
    """Reads one file of runs, and one of their points where there is one."""

    namespace = "table"

    def __init__(self, path: Path, points: Path | None, metrics: Collection[str], experiment: str | None) -> None:
        self._path = path
        self._metrics = set(metrics)
        self._experiment = experiment or path.stem
        self._rows = list(read_rows(path))
        self._points = _points_by_run(points)
        self._columns = {name: self._meaning(name) for row in self._rows for name in row}
        self._ids = {self._id(row): row for row in self._rows}

    def _meaning(self, column: str) -> tuple[str, str]:
        for prefix, kind in _PREFIXES.items():
            if column.startswith(prefix) and column != prefix:
                return kind, column[len(prefix) :]
        if column in self._metrics:
            return "metric", column
        plain = column.strip().lower().replace(" ", "_")
        if plain in _PASSED_OVER:
            return "none", column
        return ("fact", _FACTS[plain]) if plain in _FACTS else ("param", column)

    def _id(self, row: Row) -> str:
        """Returns the id that a row names, else one that is made of all of it."""
        named = self._fact(row, "id")
        if named is not None:
            return str(named)
        text = json.dumps({key: str(value) for key, value in row.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _fact(self, row: Row, wanted: str) -> Any:
        for column, value in row.items():
            if self._columns.get(column, ("", "")) == ("fact", wanted) and not _is_empty(value):
                return value
        return None

    def close(self) -> None:
        """There is nothing open."""

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields the experiments that the rows name; the file's name is that of the others."""
        names = {str(self._fact(row, "experiment") or self._experiment) for row in self._rows}
        yield from (ForeignExperiment(id=name, name=name) for name in sorted(names))

    def run_ids(self) -> Sequence[str]:
        """Returns the ids of all runs."""
        return list(self._ids)

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs in order, or why one cannot be read."""
        for one in ids:
            try:
                yield self._run(one, self._ids[one])
            except (GitRunsError, ValueError) as error:
                yield Damage(f"run {one:.60}", str(error))

    def _run(self, run_id: str, row: Row) -> ForeignRun:
        def text(wanted: str) -> str | None:
            found = self._fact(row, wanted)
            return None if found is None else str(found)

        started = _time_ms(self._fact(row, "start"))
        start = int(self._path.stat().st_mtime * 1000) if started is None else started
        values: dict[str, dict[str, Any]] = {"metric": {}, "param": {}, "tag": {}}
        for column, value in row.items():
            kind, name = self._columns[column]
            if kind in values and not _is_empty(value, but_nan=kind == "metric"):
                values[kind][name] = value
        end = _time_ms(self._fact(row, "end"))
        last = [Point(name, 0, start if end is None else end, _number(name, x)) for name, x in values["metric"].items()]
        code = text("exit_code")
        return ForeignRun(
            id=run_id,
            name=text("name") or "",
            experiment=text("experiment") or self._experiment,
            status=_status(text("status")),
            start_time_ms=start,
            end_time_ms=end,
            user=text("user"),
            host=text("host"),
            entry_point=text("entry_point"),
            parent=text("parent_run_id"),
            commit=text("commit"),
            branch=text("branch"),
            error=text("error"),
            exit_code=None if code is None else int(float(code)),
            params={name: _scalar(value) for name, value in values["param"].items()},
            tags={name: str(value) for name, value in values["tag"].items()},
            points=lambda: self._history(run_id, last),
        )

    def _history(self, run_id: str, last: Sequence[Point]) -> Iterator[Point]:
        """Yields the points of a run, and of those metrics that have none the value in its row."""
        known = self._points.get(run_id, [])
        have = {point.metric for point in known}
        yield from known
        yield from (point for point in last if point.metric not in have)

    def models(self) -> Iterator[ForeignModel | Damage]:
        """There are no models."""
        yield from ()

    def left_out(self) -> Mapping[str, int]:
        """Returns nothing."""
        return {}


def read_rows(path: Path) -> Iterator[Row]:
    """Yields the rows of a CSV or Parquet file, by its ending; raises `InvalidInputError` (kind `bad-source`)."""
    if not path.is_file():
        raise NotFoundError(f"there is no file '{path}'", kind="file-not-found")
    if path.suffix.lower() == ".parquet":
        parquet = import_extra("pyarrow.parquet", "arrow", "reading parquet")
        try:
            yield from parquet.read_table(path).to_pylist()
        except (OSError, ValueError) as error:
            raise CorruptDataError(f"'{path}' is no parquet file: {error}", kind="bad-source") from error
        return
    if path.suffix.lower() != ".csv":
        raise InvalidInputError(f"cannot read '{path}'", kind="bad-source", hint="its ending may be: .csv .parquet")
    csv.field_size_limit(_MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                yield {str(key): value for key, value in row.items() if key is not None}
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorruptDataError(f"'{path}' is no CSV: {error}", kind="bad-source") from error


def _points_by_run(path: Path | None) -> Mapping[str, list[Point]]:
    """Returns the points in a file as `git runs export --history` writes it: run_id, metric, step, time, value."""
    found: defaultdict[str, list[Point]] = defaultdict(list)
    for number, row in enumerate(read_rows(path) if path is not None else (), 1):
        try:
            time_ms = _time_ms(row.get("time_ms", row.get("time"))) or 0
            metric = str(row["metric"])
            point = Point(metric, int(row["step"]), time_ms, _number(metric, row["value"]))
            found[str(row["run_id"])].append(point)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptDataError(f"row {number} of '{path}' is no point", kind="bad-source") from error
    return found


def _is_empty(value: object, *, but_nan: bool = False) -> bool:
    return value is None or value == "" or (not but_nan and isinstance(value, float) and math.isnan(value))


def _number(name: str, value: object) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        raise CorruptDataError(f"metric '{name:.60}' is no number: '{value!s:.40}'", kind="bad-source") from None


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _status(text: str | None) -> RunStatus:
    word = (text or "finished").lower()
    if word in _STATUSES:
        return _STATUSES[word]
    try:
        return RunStatus(word.upper())
    except ValueError:
        return RunStatus.FINISHED


def _time_ms(value: object) -> int | None:
    """Returns a time: milliseconds, a date, or an ISO text, which is UTC when it names no zone."""
    if _is_empty(value):
        return None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, (int, float)) or str(value).replace(".", "", 1).isdigit():
        return int(float(str(value)))
    else:
        try:
            moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        except ValueError:
            raise CorruptDataError(f"'{value!s:.40}' is no time", kind="bad-source") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
