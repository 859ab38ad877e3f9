"""Runs by the code they ran: the trees and commits of their sources, and the runs of some of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from gitruns.entities.ids import ExperimentId, ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.index.reading import read_runs
from gitruns.index.schema import MODEL

TREES, BASES = ("code_tree", "snapshot_tree"), ("coalesce(source_base, source_commit)",)


def distinct_sources(connection: sqlite3.Connection, columns: tuple[str, ...]) -> set[ObjectId]:
    """Returns the trees (`TREES`) or commits (`BASES`) that runs ran or lay on."""
    union = " UNION ".join(f"SELECT {column} FROM details" for column in columns)  # noqa: S608  our own names
    return {ObjectId(found) for (found,) in connection.execute(union) if found is not None}


def infos_of_sources(
    connection: sqlite3.Connection,
    columns: tuple[str, ...],
    wanted: Collection[ObjectId],
    experiments: Collection[ExperimentId] | None,
    limit: int,
) -> list[Run]:
    """Returns runs of these trees or commits and of these experiments, the one started last first, facts alone."""
    either = " OR ".join(f"{column} IN (SELECT value FROM json_each(?1))" for column in columns)  # noqa: S608  our own
    statement = (
        "SELECT r.run_id FROM details d CROSS JOIN runs r ON r.run = d.run"  # noqa: S608  our own names
        f" CROSS JOIN experiments e ON e.number = r.experiment WHERE r.lifecycle < {MODEL} AND ({either})"
        " AND (?2 IS NULL OR e.id IN (SELECT value FROM json_each(?2))) ORDER BY r.start_time DESC, r.run_id LIMIT ?3"
    )
    ids = None if experiments is None else json.dumps(sorted(experiments))
    rows = connection.execute(statement, (json.dumps(sorted(wanted)), ids, limit)).fetchall()
    return [listed.run for listed in read_runs(connection, (RunId(row[0]) for row in rows), values=False)]
