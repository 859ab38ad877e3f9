"""Names that nothing bears: a slip of the pen is an error, with what was likely meant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from gitruns.errors import InvalidInputError
from gitruns.index.keybook import find_key
from gitruns.index.layout import Layout
from gitruns.index.schema import KEY_METRIC
from gitruns.query.ast import AtStep, Condition, Entity, Field, OrderItem, Summary, Value
from gitruns.query.pointing import bad_query, quoted
from gitruns.query.suggest import nearest
from gitruns.query.walk import leaves_of, values_in


class NameCheck:
    """Refuses bare names, and metrics of functions, that no run has; not where there are no runs at all.

    A name with its prefix (`metrics.acc`) is taken as it is: nobody has it yet, so nothing matches.
    """

    def __init__(self, connection: sqlite3.Connection, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout

    def query(self, tree: Condition, text: str) -> None:
        """Refuses the first unknown name in a query."""
        self._check(list(values_in(tree)), text)

    def order(self, items: tuple[OrderItem, ...], texts: list[str]) -> None:
        """Refuses the first unknown name to order by."""
        self._check([(item.value, False) for item in items], ", ".join(texts))

    def _check(self, values: list[tuple[Value, bool]], text: str) -> None:
        empty: bool | None = None
        for value, as_text in values:
            for one in _named(value):
                if self._is_known(one, as_text):
                    continue
                if empty is None:
                    empty = self._connection.execute("SELECT 1 FROM keys WHERE uses > 0 LIMIT 1").fetchone() is None
                if not empty:
                    raise self._unknown(one, as_text, text)

    def _is_known(self, one: Field | Summary | AtStep, as_text: bool) -> bool:
        if not isinstance(one, Field):
            return find_key(self._connection, KEY_METRIC, one.metric) is not None
        kinds = self._layout.kinds
        wanted = [Entity.PARAM, Entity.TAG] if as_text else [Entity.METRIC, Entity.PARAM, Entity.TAG]
        return any(
            find_key(self._connection, kinds[entity], one.key) is not None for entity in wanted if entity in kinds
        )

    def _unknown(self, one: Field | Summary | AtStep, as_text: bool, text: str) -> InvalidInputError:
        word = self._layout.subject.word
        if not isinstance(one, Field):
            meant = nearest(one.metric, self._names(KEY_METRIC))
            return bad_query(
                f"no {word} has a metric {quoted(one.metric)}",
                text,
                one.column,
                hint=meant and f"did you mean {meant}?",
            )
        if as_text and self._is_known(one, False):
            return bad_query(
                f"{quoted(one.key)} is a metric, and no text",
                text,
                one.column,
                hint="compare it with a number",
            )
        return bad_query(f"no {word} has {quoted(one.key)}", text, one.column, hint=self._hint(one.key))

    def _hint(self, name: str) -> str:
        kinds = sorted(set(self._layout.kinds.values()))
        known = [known for kind in kinds for known in self._names(kind)]
        meant = nearest(name, [*known, *self._layout.subject.bare_names()])
        if meant is not None:
            return f"did you mean {meant}?"
        prefix, dot, key = name.partition(".")
        entity = nearest(prefix, self._layout.subject.entities) if dot else None
        if entity is not None:
            return f"did you mean {entity}.{key}?"
        if any(part in known for join in "-/" for part in name.split(join)):
            return "with spaces around it - and / calculate: a - b"
        return "text goes in quotes: 'cnn'"

    def _names(self, kind: int) -> list[str]:
        rows = self._connection.execute(
            "SELECT name FROM keys WHERE kind = ? AND uses > 0 ORDER BY uses DESC LIMIT 5000", (kind,)
        )
        return [row[0] for row in rows]


def _named(value: Value) -> Iterator[Field | Summary | AtStep]:
    for leaf in leaves_of(value):
        if isinstance(leaf, (Summary, AtStep)) or (isinstance(leaf, Field) and leaf.entity is Entity.BARE):
            yield leaf
