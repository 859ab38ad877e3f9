"""What to order by as SQL, and where to go on behind a row that was shown.

A value becomes a class and what is compared within it: numbers, then text, then NaN, then what is not there. The
last two come last either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitruns.index.operand import Operand, Operands
from gitruns.index.scope import Scope
from gitruns.query.ast import Entity, Field, OrderItem
from gitruns.query.dialects import Dialect
from gitruns.query.kinds import Kind, kind_of

_NUMBER, _TEXT, _NAN, _MISSING = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class SortColumn:
    """One expression to sort by."""

    sql: str
    descending: bool = False


def sort_columns(items: Sequence[OrderItem], operands: Operands, scope: Scope, dialect: Dialect) -> list[SortColumn]:
    """Returns the expressions that the items and then the layout's own order sort by."""
    found = [column for item in items for column in _columns(_operand(item, operands, scope, dialect), item.descending)]
    return found + [SortColumn(sql, descending) for sql, descending in scope.layout.tie]


def _operand(item: OrderItem, operands: Operands, scope: Scope, dialect: Dialect) -> Operand:
    value = item.value
    if not isinstance(value, Field):
        return operands.number(value)
    operand = operands.field(value)
    kind = kind_of(value, scope.layout.subject)
    if kind in (Kind.TIME, Kind.NUMBER, Kind.TRUTH):
        return Operand(operand.present, operand.number, nan=operand.nan)
    # MLflow orders params and tags as text; experiment ids are numbers to it.
    if value == Field(Entity.ATTRIBUTE, "experiment_id") and scope.layout.table == "experiments":
        return Operand("1", "r.id_number", "r.id")
    if kind is Kind.TEXT or dialect is Dialect.MLFLOW:
        return Operand(operand.present, text=operand.text)
    return operand


def _columns(operand: Operand, descending: bool) -> list[SortColumn]:
    if operand.number is None or operand.text is None:
        value = operand.number or operand.text or "NULL"
        kind = f"CASE WHEN {value} IS NOT NULL THEN {_NUMBER} WHEN {operand.present} THEN {_NAN} ELSE {_MISSING} END"
        return [SortColumn(kind), SortColumn(value, descending)]
    number, text = (_TEXT, _NUMBER) if descending else (_NUMBER, _TEXT)
    kind = (
        f"CASE WHEN {operand.number} IS NOT NULL THEN {number} WHEN {operand.nan} THEN {_NAN}"
        f" WHEN {operand.text} IS NOT NULL THEN {text} WHEN {operand.present} THEN {_NAN} ELSE {_MISSING} END"
    )
    only_text = f"CASE WHEN {operand.number} IS NULL AND NOT coalesce({operand.nan}, 0) THEN {operand.text} END"
    return [SortColumn(kind), SortColumn(operand.number, descending), SortColumn(only_text, descending)]


def behind(columns: Sequence[SortColumn], values: Sequence[object], scope: Scope) -> str:
    """Returns the condition that a row comes after the one with those values.

    A column that is NULL there is NULL in all rows that are equal up to it, so it does not tell them apart.
    """
    condition = "0"
    for column, value in reversed(list(zip(columns, values, strict=True))):
        if value is None:
            continue
        bound = scope.bind(value)
        sign = "<" if column.descending else ">"
        condition = f"({column.sql} {sign} {bound} OR ({column.sql} = {bound} AND {condition}))"
    return condition
