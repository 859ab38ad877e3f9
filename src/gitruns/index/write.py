"""Runs and experiments into the tables, in one transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Lifecycle
from gitruns.index.keybook import KeyBook
from gitruns.index.rows import Row, RunRows, fit, pack_keys, text_label, unpack_keys
from gitruns.index.schema import (
    ACTIVE,
    DELETED,
    KEY_EXPERIMENT_TAG,
    KEY_METRIC,
    KEY_PARAM,
    KEY_TAG,
    RUN_BITS,
    RUN_MASK,
)

_AT_ONCE = 64
"""Rows of one statement: that saves a third of the time."""
_METRIC_WIDTH, _LABEL_WIDTH = 12, 4
"""Values of a row of `metrics` and of `labels`."""
_MOST_VALUES = 900
"""Values of one statement; SQLite before 3.32 takes no more than 999."""


class _Buckets(dict[str, tuple[int, list[Any]]]):
    """Number and rows of each key, one row behind the other in a flat list, which takes half the time of tuples.

    They need no sorting, since each list is in the order of the runs.
    """

    def __init__(self, keys: KeyBook, kind: int) -> None:
        super().__init__()
        self._keys = keys
        self._kind = kind

    def __missing__(self, name: str) -> tuple[int, list[Any]]:
        found = self[name] = (self._keys.number(self._kind, name), [])
        return found


class RunWriter:
    """Collects rows and writes them in the order of the tables, which costs half of writing run by run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys = KeyBook(connection)
        self._experiments: dict[str, int] = {}

    def write(self, runs: Sequence[tuple[str, RunRows]]) -> None:
        """Writes runs, each with its state, in place of what the index had of them."""
        # Asked before anything is removed: a run that is written again keeps its number.
        last = int(self._connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0])
        numbers = self._remove([RunId(run.run_id) for _, run in runs])
        # Runs that started one after the other lie side by side.
        new = sorted((run.start_time_ms, run.run_id) for _, run in runs if run.run_id not in numbers)
        numbers |= {RunId(run_id): number for number, (_, run_id) in enumerate(new, last + 1)}
        self._write([(numbers[RunId(run.run_id)], state, run) for state, run in runs])

    def _write(self, runs: list[tuple[int, str, RunRows]]) -> None:
        runs.sort(key=itemgetter(0))
        metrics, params, tags = (_Buckets(self._keys, kind) for kind in (KEY_METRIC, KEY_PARAM, KEY_TAG))
        rows: dict[str, list[Row]] = {"runs": [], "details": [], "inputs": []}
        for number, state, run in runs:
            keys: list[int] = []
            for buckets, values in ((metrics, run.metrics), (params, run.params), (tags, run.tags)):
                _add_values(number, values, buckets, keys)
            rows["runs"].append((number, self._experiment(ExperimentId(run.experiment_id)), *run.run))
            rows["details"].append((number, state, *run.details, pack_keys(keys)))
            rows["inputs"] += [(number, position, *one) for position, one in enumerate(run.inputs)]
        for table, found in rows.items():
            if found:
                self._note_nul([value for row in found for value in row if type(value) is str])
                self._insert(table, list(chain.from_iterable(found)), len(found[0]))
        self._insert("metrics", self._in_order(metrics.values(), _METRIC_WIDTH), _METRIC_WIDTH)
        labels = self._in_order([*params.values(), *tags.values()], _LABEL_WIDTH)
        self._note_nul(labels[_LABEL_WIDTH - 1 :: _LABEL_WIDTH])
        self._insert("labels", labels, _LABEL_WIDTH)
        self._keys.write_uses()

    def _in_order(self, lists: Iterable[tuple[int, list[Any]]], width: int) -> list[Any]:
        found: list[Any] = []
        for key, values in sorted(lists, key=itemgetter(0)):
            self._keys.uses[key] += len(values) // width
            found += values
        return found

    def problem_with(self, run: RunRows) -> str | None:
        """Returns why a run cannot be written, None when it can: each of its values is tried."""
        pairs = [*run.metrics, *run.params, *run.tags]
        rows = [run.run, run.details, *run.inputs, *(row for _, row in pairs), [name for name, _ in pairs]]
        try:
            for value in chain([run.run_id, run.experiment_id], chain.from_iterable(rows)):
                self._connection.execute("SELECT ?", (value,))
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            return str(error)
        return None

    def remove(self, run_ids: Sequence[RunId]) -> None:
        """Removes runs."""
        self._remove(run_ids)
        self._keys.write_uses()

    def _insert(self, table: str, values: list[Any], width: int) -> None:
        """Inserts rows of so many values, one row behind the other in one list."""
        marks = f"({','.join('?' * width)})"
        step = width * min(_AT_ONCE, _MOST_VALUES // width)
        for start in range(0, len(values), step):
            some = values[start : start + step]
            rows = ",".join([marks] * (len(some) // width))
            self._connection.execute(f"INSERT OR FAIL INTO {table} VALUES {rows}", some)  # noqa: S608  our own names

    def _note_nul(self, texts: Iterable[str]) -> None:
        """Remembers that some text has a NUL: SQLite's own patterns would stop there."""
        if "\0" in "".join(texts):
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('nul', 1)")

    def _experiment(self, experiment_id: ExperimentId) -> int:
        number = self._experiments.get(experiment_id)
        if number is None:
            number = self._experiments[experiment_id] = experiment_number(self._connection, experiment_id)
        return number

    def _remove(self, run_ids: Sequence[RunId]) -> dict[RunId, int]:
        """Removes the rows of runs and returns the numbers that those had which were there."""
        found = self._connection.execute(
            "SELECT r.run_id, r.run, d.keys FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value "
            "CROSS JOIN details d ON d.run = r.run",
            (json.dumps(run_ids),),
        ).fetchall()
        if not found:
            return {}
        value_ids = []
        for _, number, packed in found:
            for key in unpack_keys(packed):
                value_ids.append(key << RUN_BITS | number)
                self._keys.uses[key] -= 1
        self._delete(("metrics", "labels"), "id", value_ids)
        self._delete(("runs", "details", "inputs"), "run", [number for _, number, _ in found])
        return {RunId(run_id): number for run_id, number, _ in found}

    def _delete(self, tables: Iterable[str], column: str, values: list[int]) -> None:
        for table in tables:
            self._connection.execute(
                f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608  our own names
                (json.dumps(values),),
            )


def _add_values(number: int, values: Iterable[tuple[str, Row]], buckets: _Buckets, keys: list[int]) -> None:
    """Adds the rows of a run's values of one kind, and their keys."""
    for name, row in values:
        key, flat = buckets[name]
        keys.append(key)
        flat.append(key << RUN_BITS | number)
        flat += row


# Experiments


def experiment_number(connection: sqlite3.Connection, experiment_id: str) -> int:
    """Returns the number of an experiment, a new one when the index did not know it."""
    row = connection.execute("SELECT number FROM experiments WHERE id = ?", (experiment_id,)).fetchone()
    if row is not None:
        return int(row[0])
    made = connection.execute(
        "INSERT INTO experiments (id, id_number, known, lifecycle, keys) VALUES (?, ?, 0, ?, ?)",
        (experiment_id, _id_number(experiment_id), ACTIVE, b""),
    )
    return int(made.lastrowid or 0)


def write_experiments(connection: sqlite3.Connection, experiments: Iterable[Experiment]) -> None:
    """Writes all experiments there are, in place of all that the index had."""
    connection.execute("UPDATE experiments SET known = 0, name = NULL, lifecycle = ?, tip = NULL", (ACTIVE,))
    keys = KeyBook(connection)
    for number, packed in connection.execute("SELECT number, keys FROM experiments").fetchall():
        old = unpack_keys(packed)
        keys.uses.subtract(old)
        connection.executemany("DELETE FROM labels WHERE id = ?", [(key << RUN_BITS | number,) for key in old])
    connection.execute("UPDATE experiments SET keys = ?", (b"",))
    for experiment in experiments:
        _write_experiment(connection, keys, experiment)
    keys.write_uses()


def experiments_differ(connection: sqlite3.Connection, experiments: Iterable[Experiment]) -> bool:
    """Returns whether the index holds something else than these experiments."""
    given = {
        one.id: (
            one.name,
            DELETED if one.lifecycle is Lifecycle.DELETED else ACTIVE,
            fit(one.creation_time_ms),
            fit(one.last_update_time_ms),
            one.commit,
            dict(one.tags),
        )
        for one in experiments
    }
    return given != {experiment.pop(): tuple(experiment) for experiment in _written(connection)}


def _written(connection: sqlite3.Connection) -> list[list[Any]]:
    """Returns what the index holds of each experiment, its id last."""
    tags: dict[int, dict[str, str]] = {}
    rows = connection.execute(
        f"SELECT l.id & {RUN_MASK}, k.name, l.text FROM keys k CROSS JOIN labels l"  # noqa: S608  our own numbers
        f" ON l.id BETWEEN k.key << {RUN_BITS} AND k.key << {RUN_BITS} | {RUN_MASK} WHERE k.kind = ?",
        (KEY_EXPERIMENT_TAG,),
    )
    for number, name, text in rows:
        tags.setdefault(number, {})[name] = text
    found = connection.execute(
        "SELECT number, name, lifecycle, creation_time, last_update_time, tip, id FROM experiments WHERE known"
    )
    return [[*row[1:-1], tags.get(row[0], {}), row[-1]] for row in found]


def _write_experiment(connection: sqlite3.Connection, keys: KeyBook, experiment: Experiment) -> None:
    number = experiment_number(connection, experiment.id)
    found = {keys.number(KEY_EXPERIMENT_TAG, name): text for name, text in experiment.tags.items()}
    keys.uses.update(list(found))
    connection.executemany(
        "INSERT INTO labels VALUES (?, ?, ?, ?)",
        [(key << RUN_BITS | number, *text_label(text)) for key, text in sorted(found.items())],
    )
    connection.execute(
        "UPDATE experiments SET known = 1, name = ?, lifecycle = ?, creation_time = ?, last_update_time = ?, tip = ?,"
        " keys = ? WHERE number = ?",
        (
            experiment.name,
            DELETED if experiment.lifecycle is Lifecycle.DELETED else ACTIVE,
            fit(experiment.creation_time_ms),
            fit(experiment.last_update_time_ms),
            experiment.commit,
            pack_keys(found),
            number,
        ),
    )


def _id_number(experiment_id: str) -> int | float | str | None:
    """Returns what experiments are ordered by: ids are decimal digits."""
    is_number = experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) < 400
    return fit(int(experiment_id)) if is_number else experiment_id
