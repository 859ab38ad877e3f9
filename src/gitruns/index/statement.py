"""A search as one statement of SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gitruns.entities.run import MODEL_KIND, Lifecycle
from gitruns.index.condition import Conditions
from gitruns.index.git_conditions import GitConditions
from gitruns.index.layout import ACTIVE_RUN, DELETED_RUN, RUN_LAYOUT, Layout
from gitruns.index.operand import Operands
from gitruns.index.ordering import behind, sort_columns
from gitruns.index.request import Search
from gitruns.index.schema import ACTIVE, DELETED, MODEL, OTHER
from gitruns.index.scope import KeyRef, Scope
from gitruns.query.ast import Condition, Entity, Field, OrderItem
from gitruns.query.fields import RUNS

_SCAN_SHARE = 4


class Statement:
    """Compiles one search; `points` are the keys under which values at steps were put."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        layout: Layout,
        search: Search,
        query: Condition,
        *,
        now: datetime,
        points: Mapping[tuple[str, int], KeyRef] | None = None,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._search = search
        self._scope = Scope(connection, layout)
        self._operands = Operands(self._scope, points or {}, search.artifact_uri)
        git = GitConditions(self._scope, search.revisions, now, search.filter)
        self._conditions = [Conditions(self._scope, self._operands, git, now).compile(query), *self._shown()]
        self._at_most = self._in_experiments()

    def rows(
        self, order: tuple[OrderItem, ...], *, after: tuple[object, ...] | None = None, limit: int | None = None
    ) -> list[tuple[Any, ...]]:
        """Returns the rows in order: number, id, then the values they are ordered by."""
        columns = sort_columns(order, self._operands, self._scope, self._search.dialect)
        conditions = list(self._conditions)
        if after is not None:
            conditions.append(behind(columns, after, self._scope))
        # In the order of the runs values are looked up quicker than in that of their start, however few are wanted.
        scanned = bool(order) or self._scope.has_lookups()
        tables, condition = self._scope.tables(at_most=self._at_most, scanned=scanned)
        # By their numbers among the columns: each is worked out once.
        terms = ", ".join(f"{number}{' DESC' if one.descending else ''}" for number, one in enumerate(columns, 3))
        text = (
            f"SELECT {self._layout.row}, {self._layout.id}, {', '.join(column.sql for column in columns)}"  # noqa: S608
            f" FROM {tables} WHERE {' AND '.join([condition, *conditions])} ORDER BY {terms}"
        )
        if limit is not None:
            text += f" LIMIT {self._scope.bind(limit)}"
        return self._scope.execute(text).fetchall()

    def require_order(self, order: tuple[OrderItem, ...]) -> bool:
        """Leaves out what does not have the first value to order by: that comes last. Returns whether it could."""
        if not order:
            return False
        value = order[0].value
        operand = self._operands.field(value) if isinstance(value, Field) else self._operands.number(value)
        for key in operand.requires:
            self._scope.require(key)
        return bool(operand.requires)

    def count(self) -> int:
        """Returns how many match."""
        tables, condition = self._scope.tables(at_most=self._at_most)
        text = f"SELECT count(*) FROM {tables} WHERE {' AND '.join([condition, *self._conditions])}"  # noqa: S608
        return int(self._scope.execute(text).fetchone()[0])

    def ids_having(self, key: KeyRef) -> list[str]:
        """Returns the ids of what matches and has a key."""
        present = self._scope.present(key)
        self._scope.require(key)
        tables, condition = self._scope.tables(at_most=self._at_most)
        text = (
            f"SELECT {self._layout.id} FROM {tables} WHERE "  # noqa: S608  our own names and bound values
            f"{' AND '.join([condition, present, *self._conditions])}"
        )
        return [row[0] for row in self._scope.execute(text)]

    def key_of(self, entity: Entity, name: str) -> KeyRef | None:
        """Returns a key, None when nothing has it."""
        return self._scope.key(self._layout.kinds[entity], name)

    def _shown(self) -> list[str]:
        lifecycle = self._search.lifecycle
        if self._layout.subject is not RUNS:
            found = ["r.known"]
            if lifecycle is not None:
                found.append(f"r.lifecycle = {DELETED if lifecycle is Lifecycle.DELETED else ACTIVE}")
            return found
        if self._search.kind is not None:
            return _shown_of_kind(self._search.kind, lifecycle)
        if lifecycle is None:
            return [f"r.lifecycle < {MODEL}"]
        return [DELETED_RUN if lifecycle is Lifecycle.DELETED else ACTIVE_RUN]

    def _in_experiments(self) -> int | None:
        """Adds the condition on experiments; returns how many runs they leave where those are few."""
        ids = self._search.experiment_ids
        if ids is None or self._layout is not RUN_LAYOUT:
            return None
        numbers = [
            row[0]
            for row in self._connection.execute(
                "SELECT e.number FROM json_each(?) j CROSS JOIN experiments e ON e.id = j.value",
                (json.dumps([str(one) for one in set(ids)]),),
            )
        ]
        listed = ", ".join(map(self._scope.bind, numbers))
        self._conditions.append(f"r.experiment IN ({listed})")
        few = int(self._connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0]) // _SCAN_SHARE
        text = f"SELECT count(*) FROM (SELECT 1 FROM runs WHERE experiment IN ({','.join('?' * len(numbers))}) LIMIT ?)"  # noqa: S608
        found = int(self._connection.execute(text, (*numbers, few + 1)).fetchone()[0])
        return found if found <= few else None


def _shown_of_kind(kind: str, lifecycle: Lifecycle | None) -> list[str]:
    """Returns the condition on records that are no runs: these do not go with their experiment."""
    base = MODEL if kind == MODEL_KIND else OTHER
    if lifecycle is None:
        return [f"r.lifecycle IN ({base + ACTIVE}, {base + DELETED})"]
    return [f"r.lifecycle = {base + (DELETED if lifecycle is Lifecycle.DELETED else ACTIVE)}"]
