"""Values of a query as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitruns.entities.run import NOTE_TAG
from gitruns.index.rows import fit
from gitruns.index.schema import KEY_METRIC, KEY_TAG, KIND_FLOAT, KIND_NAN_TEXT
from gitruns.index.scope import KeyRef, Scope
from gitruns.query.ast import (
    Arithmetic,
    AtStep,
    Entity,
    Field,
    Length,
    Negative,
    Number,
    Summary,
    Text,
    Truth,
    Value,
)
from gitruns.query.fields import RUNS
from gitruns.query.moments import UNITS_MS

_TAGS_OF_FACTS = {"mlflow.runName": "run_name", "mlflow.parentRunId": "parent_run_id"}
"""Tags in which MLflow keeps what is a fact of a run here: whoever searches for them finds it."""

_SUMMARY_COLUMNS = {name: name for name in ("first", "last", "min", "max", "mean", "count")}


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: the conditions that the run has it, its number and its text (None where it can have none), is it NaN.

    `requires` are keys without which the run does not have it. `exact` is what compares exactly with an integer
    beyond 64 bits, None where the number does. `needed` are the conditions that `present` is made of, where several.
    """

    present: str
    number: str | None = None
    text: str | None = None
    nan: str = "0"
    requires: tuple[KeyRef, ...] = field(default=())
    exact: str | None = None
    needed: tuple[str, ...] = ()


class Operands:
    """Compiles values into a scope.

    `points` gives the keys under which values at steps were put, `uri` what stands before and after a run's id in the
    address of its artifacts.
    """

    def __init__(self, scope: Scope, points: Mapping[tuple[str, int], KeyRef], uri: tuple[str, str]) -> None:
        self._scope = scope
        self._points = points
        self._uri = uri

    def number(self, value: Value) -> Operand:
        """Returns a value as what compares as a number."""
        if isinstance(value, Number):
            return Operand("1", self._scope.bind(fit(value.value)))
        if isinstance(value, Length):
            return Operand("1", self._scope.bind(value.amount * UNITS_MS[value.unit]))
        if isinstance(value, (Arithmetic, Negative)):
            return self._calculated(value)
        if isinstance(value, Summary):
            return self._metric(self._scope.key(KEY_METRIC, value.metric), _SUMMARY_COLUMNS[value.function])
        if isinstance(value, AtStep):
            return self._metric(self._points.get((value.metric, value.step)), "last")
        assert isinstance(value, Field)  # noqa: S101  text and truth values were refused by the parser
        return self.field(value)

    def field(self, value: Field) -> Operand:
        """Returns a field with all that it can be: number and text."""
        if value.entity is Entity.ATTRIBUTE:
            return self.attribute(value.key)
        if value.entity is Entity.BARE:
            return self._bare(value.key)
        if value.entity is Entity.TAG and value.key in _TAGS_OF_FACTS and self._scope.layout.subject is RUNS:
            return self.attribute(_TAGS_OF_FACTS[value.key])
        key = self._scope.key(self._scope.layout.kinds[value.entity], value.key)
        return self._metric(key, "last") if value.entity is Entity.METRIC else self._label(key)

    def text(self, value: Value) -> Operand:
        """Returns a value as what compares as text: a bare name is a param or a tag then."""
        if isinstance(value, Text):
            return Operand("1", text=self._scope.bind(value.value))
        assert isinstance(value, Field)  # noqa: S101  numbers were refused by the parser
        if value.entity is not Entity.BARE:
            return self.field(value)
        return self._first_of([self._label(key) for key in self._labels(value.key)])

    def truth(self, value: Value) -> Operand:
        """Returns a value as 1 or 0, NULL where it is neither; its number is that."""
        if isinstance(value, Truth):
            return Operand("1", str(int(value.value)))
        operand = self.text(value)
        if operand.text is None:
            return operand
        text = operand.text
        sql = f"CASE WHEN {text} = 'true' COLLATE NOCASE THEN 1 WHEN {text} = 'false' COLLATE NOCASE THEN 0 END"
        return Operand(operand.present, f"({sql})", requires=operand.requires)

    def attribute(self, name: str) -> Operand:
        """Returns an attribute; its expression stands as number and as text, whichever it is."""
        if name == "artifact_uri":
            before, after = map(self._scope.bind, self._uri)
            uri = f"({before} || {self._scope.layout.id} || {after})"
            return Operand("1", text=uri)
        if name == "note":
            return self._label(self._scope.key(KEY_TAG, NOTE_TAG))
        column = self._scope.layout.attributes[name]
        self._scope.need(column.needs)
        return Operand(f"{column.sql} IS NOT NULL", column.sql, column.sql)

    def _metric(self, key: KeyRef | None, column: str) -> Operand:
        present = self._scope.present(key)
        number = self._scope.column(key, column)
        return Operand(present, number, nan=f"({present} AND {number} IS NULL)", requires=() if key is None else (key,))

    def _label(self, key: KeyRef | None) -> Operand:
        if key is None:
            return Operand("0", "NULL", "NULL", exact="NULL")
        number, text = self._scope.column(key, "number"), self._scope.column(key, "text")
        kind = self._scope.column(key, "kind")
        nan = f"({kind} = {KIND_NAN_TEXT} OR ({kind} = {KIND_FLOAT} AND {number} IS NULL))"
        return Operand(self._scope.present(key), number, text, nan, (key,), text)

    def _bare(self, name: str) -> Operand:
        """Returns the metric of that name, else the param, else the tag: number by number, text by text."""
        metric = self._scope.key(KEY_METRIC, name) if Entity.METRIC in self._scope.layout.kinds else None
        found = [self._metric(metric, "last")] if metric is not None else []
        return self._first_of([*found, *map(self._label, self._labels(name))])

    def _labels(self, name: str) -> list[KeyRef]:
        kinds = self._scope.layout.kinds
        wanted = [kinds[entity] for entity in (Entity.PARAM, Entity.TAG) if entity in kinds]
        return [key for kind in wanted if (key := self._scope.key(kind, name)) is not None]

    def _first_of(self, found: list[Operand]) -> Operand:
        if len(found) == 1:
            return found[0]
        if not found:
            return Operand("0", "NULL", "NULL", exact="NULL")
        return Operand(
            f"({' OR '.join(one.present for one in found)})",
            _case([(one.present, one.number or "NULL") for one in found]),
            # A metric has no text: what has is looked for behind it.
            _case([(one.present, one.text) for one in found if one.text is not None]),
            _case([(one.present, one.nan) for one in found]),
            exact=_case([(one.present, one.exact or one.number or "NULL") for one in found]),
        )

    def _calculated(self, value: Arithmetic | Negative) -> Operand:
        if isinstance(value, Negative):
            inner = self._as_float(value.value)
            parts, number = [inner], f"(- {inner.number})"
        else:
            left, right = self._as_float(value.left), self._as_float(value.right)
            first = str(left.number)
            if isinstance(value.left, Arithmetic) and _binds(value.left) >= _binds(value):
                first = first[1:-1]  # without its parentheses: a long sum must not nest as deeply as it is long
            parts, number = [left, right], f"({first} {value.operator} {right.number})"
        needed = tuple(dict.fromkeys(one for part in parts for one in part.needed or (part.present,)))
        present = " AND ".join(needed)
        requires = tuple(dict.fromkeys(key for part in parts for key in part.requires))
        nan = f"({present} AND {number} IS NULL)"
        return Operand(f"({present})", number, nan=nan, requires=requires, needed=needed)

    def _as_float(self, value: Value) -> Operand:
        """Returns a number as the float that arithmetic is done with: integers of SQLite would divide to integers."""
        operand = self.number(value)
        if isinstance(value, (Arithmetic, Negative)):
            return operand
        return Operand(operand.present, f"CAST({operand.number} AS REAL)", requires=operand.requires)


def _binds(value: Arithmetic) -> int:
    return 1 if value.operator in "*/" else 0


def _case(branches: list[tuple[str, str]]) -> str:
    if not branches:
        return "NULL"
    if len(branches) == 1:
        return branches[0][1]
    return f"(CASE {' '.join(f'WHEN {when} THEN {then}' for when, then in branches)} END)"


def is_huge(value: Value) -> bool:
    """Returns whether a number is one in whose range integers are that SQLite cannot hold."""
    return isinstance(value, Number) and abs(value.value) >= 2**63
