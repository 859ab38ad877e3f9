"""One statement of SQL in the making: its values, and the tables that it takes in.

Values are bound, by name, and never part of the text; names in the text are our own.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gitruns.index.keybook import find_key
from gitruns.index.layout import DETAILS, EXPERIMENT, Layout
from gitruns.index.schema import KEY_METRIC, RUN_BITS, RUN_MASK

MAX_JOINS = 40
"""SQLite takes in 64 tables at most; what goes beyond is looked up on its own."""

_OTHERS = {
    DETAILS: "CROSS JOIN details d ON d.run = r.run",
    EXPERIMENT: "CROSS JOIN experiments e ON e.number = r.experiment",
}


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A key's values: in which table, under which number, of how many runs."""

    table: str
    number: int
    uses: int


class Scope:
    """Collects what a statement needs while its conditions are compiled."""

    def __init__(self, connection: sqlite3.Connection, layout: Layout) -> None:
        self.connection = connection
        self.layout = layout
        self.values: dict[str, object] = {}
        self._aliases: dict[KeyRef, str] = {}
        self._keys: dict[tuple[int, str], KeyRef | None] = {}
        self._required: set[KeyRef] = set()
        self._others: set[str] = set()
        self._numbers: dict[tuple[type, object], str] = {}

    def bind(self, value: object) -> str:
        """Returns the place of a value in the statement."""
        known = self._numbers.get((type(value), value))
        if known is None:
            name = f"p{len(self.values)}"
            self.values[name] = value
            known = self._numbers[type(value), value] = f":{name}"
        return known

    def execute(self, text: str) -> sqlite3.Cursor:
        """Executes a statement with the values that were bound."""
        return self.connection.execute(text, self.values)

    def key(self, kind: int, name: str) -> KeyRef | None:
        """Returns a key, None when no run has it."""
        if (kind, name) not in self._keys:
            found = find_key(self.connection, kind, name)
            table = "metrics" if kind == KEY_METRIC else "labels"
            self._keys[kind, name] = None if found is None else KeyRef(table, *found)
        return self._keys[kind, name]

    def column(self, key: KeyRef | None, column: str) -> str:
        """Returns the column of a key's row for the present run; NULL where the run has none."""
        if key is None:
            return "NULL"
        alias = self._aliases.get(key)
        if alias is None:
            if len(self._aliases) >= MAX_JOINS:
                at = self._row_id(key, self.layout.row)
                return f"(SELECT v.{column} FROM {key.table} v WHERE v.id = {at})"  # noqa: S608  our own names
            alias = self._aliases[key] = f"v{len(self._aliases)}"
        return f"{alias}.{column}"

    def present(self, key: KeyRef | None) -> str:
        """Returns the condition that the present run has the key."""
        return "0" if key is None else f"{self.column(key, 'id')} IS NOT NULL"

    def require(self, key: KeyRef) -> None:
        """Says that only runs with that key can match: the statement may begin with them."""
        self._required.add(key)

    def need(self, table: str) -> None:
        """Takes in another table beside the main one."""
        if table:
            self._others.add(table)

    def _row_id(self, key: KeyRef, row: str) -> str:
        return f"{self.bind(key.number << RUN_BITS)} + {row}"

    def has_lookups(self) -> bool:
        """Returns whether keys are looked up for each run."""
        return bool(self._aliases)

    # The statement

    def tables(self, *, at_most: int | None = None, scanned: bool = True) -> tuple[str, str]:
        """Returns the FROM clause, and the condition that goes with it.

        The rarest of the required keys comes first, and the other tables are looked up from it in a fixed order: the
        planner cannot know how rare a key is. `at_most`: other conditions leave no more runs than that, so that a
        more frequent key does not come first. `scanned`: the main table is read from end to end, in the order of the
        values, rather than by an index.
        """
        required = sorted(self._required & self._aliases.keys(), key=lambda key: (key.uses, key.number))
        row = self.layout.row
        condition = "1"
        pieces: list[str] = []
        if required and (at_most is None or required[0].uses <= at_most):
            first, *required = required
            alias = self._aliases[first]
            low = first.number << RUN_BITS
            condition = f"{alias}.id BETWEEN {self.bind(low)} AND {self.bind(low | RUN_MASK)}"
            at = f"({alias}.id & {RUN_MASK})"
            pieces.append(f"{first.table} {alias}")
            pieces += [self._join("CROSS JOIN", key, at) for key in required]
            pieces.append(f"CROSS JOIN {self.layout.table} r ON {row} = {at}")
        else:
            first = None
            pieces.append(f"{self.layout.table} r" + (" NOT INDEXED" if scanned and at_most is None else ""))
            pieces += [self._join("CROSS JOIN", key, row) for key in required]
        pieces += [_OTHERS[table] for table in sorted(self._others)]
        outer = [key for key in self._aliases if key is not first and key not in required]
        pieces += [self._join("LEFT JOIN", key, row) for key in outer]
        return " ".join(pieces), condition

    def _join(self, how: str, key: KeyRef, row: str) -> str:
        alias = self._aliases[key]
        return f"{how} {key.table} {alias} ON {alias}.id = {self._row_id(key, row)}"
