"""Values at steps: read from the parts of those runs that the rest of a query leaves, and put beside the index.

First the query is asked with every condition on such a value taken as fulfilled: that finds all runs which can match.
Their values come from the `Points`, into a table of this connection alone, laid out like that of the metrics.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from gitruns.entities.ids import RunId
from gitruns.index.layout import RUN_LAYOUT
from gitruns.index.request import Search
from gitruns.index.schema import RUN_BITS
from gitruns.index.scope import KeyRef
from gitruns.index.statement import Statement
from gitruns.query.ast import EVERYTHING, And, AtStep, Condition, Entity, Not, Or, OrderItem
from gitruns.query.pointing import bad_query
from gitruns.query.walk import leaves_of, values_in

_TABLE = "points"
_NOTHING = Or(())
_PIECE = 500


@contextmanager
def points_of(
    connection: sqlite3.Connection,
    search: Search,
    query: Condition,
    order: tuple[OrderItem, ...],
    now: datetime,
) -> Iterator[dict[tuple[str, int], KeyRef]]:
    """Puts the values at steps that a query asks for into a table; gives the key of each (metric, step)."""
    wanted = sorted({(one.metric, one.step): one for one in _at_steps(query, order)}.items())
    if not wanted:
        yield {}
        return
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {_TABLE} (id INTEGER PRIMARY KEY, last)")
    try:
        query_without = without_steps(query, wanted=True)
        keys: dict[tuple[str, int], KeyRef] = {}
        for number, (name, one) in enumerate(wanted, 1):
            uses = _fill(connection, search, query_without, now, one, number)
            keys[name] = KeyRef(_TABLE, number, uses)
        yield keys
    finally:
        connection.execute(f"DELETE FROM {_TABLE}")  # noqa: S608  our own name


def _fill(
    connection: sqlite3.Connection, search: Search, query: Condition, now: datetime, one: AtStep, number: int
) -> int:
    if search.points is None:
        raise bad_query("nothing here can read the points of metrics", search.filter, one.column)
    statement = Statement(connection, RUN_LAYOUT, search, query, now=now)
    key = statement.key_of(Entity.METRIC, one.metric)
    ids = [] if key is None else [RunId(run_id) for run_id in statement.ids_having(key)]
    found = 0
    for start in range(0, len(ids), _PIECE):
        values = search.points.values_at(ids[start : start + _PIECE], one.metric, one.step)
        numbers = dict(
            connection.execute(
                "SELECT r.run_id, r.run FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value",
                (json.dumps(list(values)),),
            )
        )
        connection.executemany(
            f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)",  # noqa: S608  our own name
            [(number << RUN_BITS | numbers[run_id], float(value)) for run_id, value in values.items()],
        )
        found += len(values)
    return found


def without_steps(tree: Condition, *, wanted: bool) -> Condition:
    """Returns the condition with what asks for values at steps taken as true (`wanted`), or as false under a NOT."""
    if isinstance(tree, And):
        return And(tuple(without_steps(one, wanted=wanted) for one in tree.conditions))
    if isinstance(tree, Or):
        return Or(tuple(without_steps(one, wanted=wanted) for one in tree.conditions))
    if isinstance(tree, Not):
        return Not(without_steps(tree.condition, wanted=not wanted))
    if any(True for _ in _at_steps(tree, ())):
        return EVERYTHING if wanted else _NOTHING
    return tree


def _at_steps(query: Condition, order: tuple[OrderItem, ...]) -> Iterator[AtStep]:
    values = [*(value for value, _ in values_in(query)), *(item.value for item in order)]
    return (leaf for value in values for leaf in leaves_of(value) if isinstance(leaf, AtStep))
