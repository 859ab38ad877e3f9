"""The tables of the index.

Values of runs are rows of (key, run), in two tables whose rowid is both numbers in one: `key << 32 | run`. So all
values of a key lie side by side in the order of the runs, a scan of a key is a range, and the value of the next run is
the next row. A row costs less than in a table with a primary key of two columns, and half the time to look up.

SQLite turns NaN into NULL and refuses integers beyond 64 bits, so a value's number stands beside its kind and text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one kind of file, which kind it is, and the version of the tables."""

    application_id: int
    version: int
    tables: str


APPLICATION_ID = 0x67_72_69_78  # "grix"
SCHEMA_VERSION = 3
"""Raised with every change of the tables or of what a value in them means. Another version's file is never read."""

RUN_BITS = 32
RUN_MASK = (1 << RUN_BITS) - 1

KEY_METRIC, KEY_PARAM, KEY_TAG, KEY_EXPERIMENT_TAG = 1, 2, 3, 4

KIND_NONE, KIND_BOOL, KIND_INT, KIND_FLOAT, KIND_TEXT, KIND_NAN_TEXT = 0, 1, 2, 3, 4, 5
"""What a label's value is; the last is text that reads as NaN."""

ACTIVE, DELETED = 0, 1
MODEL, OTHER = 2, 4
"""Added to the lifecycle of a record that is no run: so what lists runs needs no further look."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What each place last said of each run, and the runs that are still to be read.
CREATE TABLE places (name TEXT PRIMARY KEY, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE said (place TEXT NOT NULL, run_id TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (place, run_id))
    WITHOUT ROWID;
CREATE INDEX said_by_run ON said (run_id);
CREATE TABLE pending (run_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unreadable (run_id TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE keys (
    key INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, uses INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, name)
);

-- What nearly every query looks at, in rows as short as can be.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, experiment INTEGER NOT NULL, lifecycle INTEGER NOT NULL, start_time NOT NULL,
    run_id TEXT NOT NULL, status TEXT NOT NULL, end_time
);
CREATE UNIQUE INDEX runs_by_id ON runs (run_id);
CREATE INDEX runs_by_start ON runs (start_time DESC, run_id);
CREATE INDEX runs_by_experiment ON runs (experiment, start_time DESC, run_id);

CREATE TABLE details (
    run INTEGER PRIMARY KEY, state TEXT NOT NULL, tip TEXT, name TEXT NOT NULL, user TEXT, branch TEXT,
    source_commit TEXT, source_base TEXT, dirty INTEGER NOT NULL, live INTEGER NOT NULL, incomplete INTEGER NOT NULL,
    code_tree TEXT, snapshot_tree TEXT, parent TEXT, host TEXT, entry_point TEXT, command TEXT NOT NULL, exit_code,
    dropped NOT NULL, error TEXT, remote_url TEXT, inputs INTEGER NOT NULL, more TEXT NOT NULL, keys BLOB NOT NULL
);

CREATE TABLE metrics (
    id INTEGER PRIMARY KEY, last, min, max, mean, first, count NOT NULL, nan NOT NULL, step NOT NULL, time NOT NULL,
    first_step NOT NULL, first_time NOT NULL
);
CREATE TABLE labels (id INTEGER PRIMARY KEY, number, kind INTEGER NOT NULL, text TEXT NOT NULL);

CREATE TABLE inputs (
    run INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, context TEXT,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;

CREATE TABLE experiments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, id_number NOT NULL, known INTEGER NOT NULL, name TEXT,
    lifecycle INTEGER NOT NULL, creation_time, last_update_time, tip TEXT, keys BLOB NOT NULL
);
"""

RUNS_SCHEMA = Schema(APPLICATION_ID, SCHEMA_VERSION, TABLES)
