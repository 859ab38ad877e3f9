"""How what is searched lies in the tables: runs, or experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitruns.index.schema import ACTIVE, DELETED, KEY_EXPERIMENT_TAG, KEY_METRIC, KEY_PARAM, KEY_TAG
from gitruns.query.ast import Entity
from gitruns.query.fields import EXPERIMENTS, RUNS, Subject

DETAILS, EXPERIMENT = "details", "experiment"
"""Tables that an attribute may need beside the main one."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where an attribute is: an expression of SQL, and the table it needs beside the main one."""

    sql: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The main table is always called `r`, and `row` is what the rows of values are numbered by."""

    subject: Subject
    table: str
    row: str
    id: str
    attributes: Mapping[str, Column]
    kinds: Mapping[Entity, int]
    tie: tuple[tuple[str, bool], ...]
    """What orders at last, each with whether the greatest comes first."""


def _details(*names: str, **renamed: str) -> dict[str, Column]:
    named = {name: name for name in names} | renamed
    return {name: Column(f"d.{column}", DETAILS) for name, column in named.items()}


_DELETED_ONES = f"(SELECT number FROM experiments WHERE lifecycle = {DELETED})"  # noqa: S608  our own number
IS_DELETED = f"((r.lifecycle & {DELETED}) OR r.experiment IN {_DELETED_ONES})"
"""A run of a deleted experiment counts as deleted."""

DELETED_RUN = f"(r.lifecycle = {DELETED} OR (r.lifecycle = {ACTIVE} AND r.experiment IN {_DELETED_ONES}))"
ACTIVE_RUN = f"(r.lifecycle = {ACTIVE} AND r.experiment NOT IN {_DELETED_ONES})"

RUN_LAYOUT = Layout(
    subject=RUNS,
    table="runs",
    row="r.run",
    id="r.run_id",
    attributes={
        "run_id": Column("r.run_id"),
        "status": Column("r.status"),
        "start_time": Column("r.start_time"),
        "end_time": Column("r.end_time"),
        "duration": Column("(r.end_time - r.start_time)"),
        "lifecycle_stage": Column(f"CASE WHEN {IS_DELETED} THEN 'deleted' ELSE 'active' END"),
        "experiment_id": Column("e.id", EXPERIMENT),
        "experiment": Column("e.name", EXPERIMENT),
        **_details(
            "host", "entry_point", "command", "exit_code", "dropped", "error", "live", "branch", "dirty", "incomplete",
            "remote_url", run_name="name", user_id="user", parent_run_id="parent",
        ),
    },
    kinds={Entity.METRIC: KEY_METRIC, Entity.PARAM: KEY_PARAM, Entity.TAG: KEY_TAG},
    tie=(("r.start_time", True), ("r.run_id", False)),
)  # fmt: skip

EXPERIMENT_LAYOUT = Layout(
    subject=EXPERIMENTS,
    table="experiments",
    row="r.number",
    id="r.id",
    attributes={
        "name": Column("r.name"),
        "experiment_id": Column("r.id"),
        "creation_time": Column("r.creation_time"),
        "last_update_time": Column("r.last_update_time"),
        "lifecycle_stage": Column(f"CASE WHEN r.lifecycle = {DELETED} THEN 'deleted' ELSE 'active' END"),
    },
    kinds={Entity.TAG: KEY_EXPERIMENT_TAG},
    tie=(("r.id_number", True), ("r.id", True)),
)
