"""Runs back out of the index, many at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.entities.values import MetricSummary, Scalar
from gitruns.index.rows import (
    DETAIL_COLUMNS,
    METRIC_COLUMNS,
    RUN_COLUMNS,
    Row,
    listed_run,
    summary_of,
    unpack_keys,
    value_of,
)
from gitruns.index.schema import KEY_METRIC, KEY_PARAM, RUN_BITS

_PIECE = 1000


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as the index has it: `run` has everything but parts, artifacts, inputs, environment and stamps.

    `inputs` says how many inputs it has, `state` which stored state it was read from.
    """

    run: Run
    inputs: int
    state: str


def read_runs(connection: sqlite3.Connection, run_ids: Iterable[RunId], *, values: bool = True) -> Iterator[ListedRun]:
    """Yields runs in the order asked for; those that the index does not have are left out.

    Without `values` their params, tags and metrics are not read, which is most of the work.
    """
    names: dict[int, tuple[int, str]] = {}
    remaining = iter(run_ids)
    while piece := list(islice(remaining, _PIECE)):
        found = {listed.run.info.id: listed for listed in _read_piece(connection, piece, names if values else None)}
        yield from (found[run_id] for run_id in piece if run_id in found)


def read_states(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[tuple[RunId, str]]:
    """Returns runs in the order asked for, each with the stored state that the index has of it; see `ListedRun`."""
    rows = connection.execute(
        "SELECT r.run_id, d.state FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value"
        " CROSS JOIN details d ON d.run = r.run",
        (json.dumps(run_ids),),
    )
    return [(RunId(run_id), state) for run_id, state in rows]


def _read_piece(
    connection: sqlite3.Connection, run_ids: Sequence[RunId], names: dict[int, tuple[int, str]] | None
) -> Iterator[ListedRun]:
    columns = ", ".join(
        [
            *(f"r.{name}" for name in RUN_COLUMNS.split(", ")),
            *(f"d.{name}" for name in DETAIL_COLUMNS.split(", ")),
        ]
    )
    rows = connection.execute(
        f"SELECT r.run, e.id, {columns} FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value"  # noqa: S608  ours
        " CROSS JOIN details d ON d.run = r.run CROSS JOIN experiments e ON e.number = r.experiment",
        (json.dumps(run_ids),),
    ).fetchall()
    values = None if names is None else _Values(connection, names)
    if values is not None:
        values.read((row[0], row[-1]) for row in rows)
    width = len(RUN_COLUMNS.split(", "))
    for row in rows:
        params, tags, metrics = ({}, {}, {}) if values is None else values.of(row[0], row[-1])
        run_row, details = row[2 : 2 + width], row[2 + width :]
        run = listed_run(run_row, details, row[1], params, tags, metrics)
        yield ListedRun(run, details[_INPUTS], details[_STATE])


_INPUTS = DETAIL_COLUMNS.split(", ").index("inputs")
_STATE = DETAIL_COLUMNS.split(", ").index("state")


class _Values:
    """Params, tags and metrics of some runs."""

    def __init__(self, connection: sqlite3.Connection, names: dict[int, tuple[int, str]]) -> None:
        self._connection = connection
        self._names = names
        self._metrics: dict[int, Row] = {}
        self._labels: dict[int, tuple[int, str]] = {}

    def read(self, runs: Iterable[tuple[int, bytes]]) -> None:
        """Reads the values of runs, given by number and keys."""
        by_kind: dict[bool, list[int]] = {True: [], False: []}
        for number, packed in runs:
            for key in unpack_keys(packed):
                by_kind[self._name(key)[0] == KEY_METRIC].append(key << RUN_BITS | number)
        # In the order of the table, each row is near the one before.
        for row in self._rows("metrics", METRIC_COLUMNS, by_kind[True]):
            self._metrics[row[0]] = row[1:]
        for row_id, kind, text in self._rows("labels", "kind, text", by_kind[False]):
            self._labels[row_id] = (kind, text)

    def _rows(self, table: str, columns: str, ids: list[int]) -> Iterator[Row]:
        ids.sort()
        wanted = ", ".join(f"v.{name}" for name in columns.split(", "))
        return self._connection.execute(
            f"SELECT v.id, {wanted} FROM json_each(?) j CROSS JOIN {table} v ON v.id = j.value",  # noqa: S608  ours
            (json.dumps(ids),),
        )

    def _name(self, key: int) -> tuple[int, str]:
        if key not in self._names:
            row = self._connection.execute("SELECT kind, name FROM keys WHERE key = ?", (key,)).fetchone()
            self._names[key] = (row[0], row[1])
        return self._names[key]

    def of(self, number: int, packed: bytes) -> tuple[dict[str, Scalar], dict[str, str], dict[str, MetricSummary]]:
        """Returns params, tags and metrics of one run."""
        params: dict[str, Scalar] = {}
        tags: dict[str, str] = {}
        metrics: dict[str, MetricSummary] = {}
        for key in unpack_keys(packed):
            kind, name = self._names[key]
            row_id = key << RUN_BITS | number
            if kind == KEY_METRIC:
                metrics[name] = summary_of(self._metrics[row_id])
            elif kind == KEY_PARAM:
                params[name] = value_of(*self._labels[row_id])
            else:
                tags[name] = self._labels[row_id][1]
        return params, tags, metrics
