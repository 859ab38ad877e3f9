"""The tables of the index of records: a file of its own, because records come by the thousand while runs are queried.

SQLite has one writer a file, and the index of runs is rebuilt as a whole when its tables change; neither shall wait for
the other.
"""

from __future__ import annotations

from gitruns.index.schema import Schema

INDEXED_FIELDS = (
    "trace_id",
    "dataset_id",
    "run_id",
    "metadata/mlflow.sourceRun",
    "metadata/mlflow.trace.session",
    "name",
    "experiment_id",
)
"""Fields by whose text records are found without a look at each; those that tell most apart first."""

LINK_PREFIX = "runs/"
"""Fields that begin so and are true, `runs/<run id>`, are looked up in the same way: a record can be of many runs."""

LINKED = "true"

MAX_LABEL_LENGTH = 256
"""A longer text is found by looking at each record."""

RECORDS_SCHEMA = Schema(
    application_id=0x67_72_72_63,  # "grrc"
    version=2,
    tables="""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- How far each journal was read, where each ref stood, and the pieces that are in.
CREATE TABLE journals (name TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tips (ref TEXT PRIMARY KEY, tip TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pieces (oid TEXT NOT NULL, ref TEXT NOT NULL, PRIMARY KEY (oid, ref)) WITHOUT ROWID;
CREATE TABLE unreadable (oid TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE records (
    record INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, time_ms INTEGER NOT NULL,
    hidden INTEGER NOT NULL, stamps TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE UNIQUE INDEX records_by_id ON records (kind, id);
CREATE INDEX records_purged ON records (hidden) WHERE hidden = 2;
CREATE INDEX records_by_time ON records (kind, time_ms DESC, id);

CREATE TABLE labels (
    kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, time_ms INTEGER NOT NULL, id TEXT NOT NULL,
    record INTEGER NOT NULL, PRIMARY KEY (kind, name, value, time_ms DESC, id)
) WITHOUT ROWID;

CREATE TABLE blobs (digest TEXT NOT NULL, record INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (digest, record))
    WITHOUT ROWID;
CREATE INDEX blobs_by_record ON blobs (record);
""",
)
