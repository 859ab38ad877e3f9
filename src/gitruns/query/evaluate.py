"""A query answered by looking at one thing after the other: for what is few, as registered models are.

The meaning is the same as where `index` compiles a query to SQL; metrics, datasets and git terms are not looked at
here, because what is searched so has none. Text is matched in time that no pattern can blow up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cmp_to_key
from typing import Any, TypeAlias, TypeVar

from gitruns.errors import InvalidInputError
from gitruns.query import ast
from gitruns.query.ast import Entity
from gitruns.query.fields import Subject
from gitruns.query.kinds import Mode, kind_of, mode_of
from gitruns.query.moments import UNITS_MS, span_of, span_of_length
from gitruns.query.numbers import number_in

T = TypeVar("T")
Number: TypeAlias = "int | float"

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def evaluate(
    tree: ast.Condition, attributes: Mapping[str, Any], tags: Mapping[str, str], subject: Subject, now: datetime
) -> bool:
    """Returns whether a condition holds for one thing.

    `attributes` has its values by canonical name: text, a number, a truth value, None, or a tuple of texts of which
    one must fit. `now` is aware; its zone is the local one.
    """
    return _Evaluator(attributes, tags, subject, now).holds(tree)


class _Evaluator:
    def __init__(self, attributes: Mapping[str, Any], tags: Mapping[str, str], subject: Subject, now: datetime) -> None:
        self._attributes = attributes
        self._tags = tags
        self._subject = subject
        self._now = now

    # Values

    def values(self, value: ast.Value) -> list[Any]:
        """Returns what a value is: nothing, one thing, or all that it is several of."""
        if isinstance(value, ast.Field):
            return self._field(value)
        if isinstance(value, (ast.Text, ast.Number, ast.Truth)):
            return [value.value]
        if isinstance(value, ast.Length):
            return [value.amount * UNITS_MS[value.unit]]
        if isinstance(value, ast.Negative):
            return [-number if (number := _number(one)) is not None else math.nan for one in self.values(value.value)]
        if isinstance(value, ast.Arithmetic):
            left, right = self.values(value.left), self.values(value.right)
            return [_calculated(value.operator, _number(left[0]), _number(right[0]))] if left and right else []
        raise _cannot(self._subject)

    def _field(self, field: ast.Field) -> list[Any]:
        if field.entity is Entity.ATTRIBUTE:
            found = self._attributes.get(field.key)
            return list(found) if isinstance(found, tuple) else [] if found is None else [found]
        if field.entity in (Entity.TAG, Entity.BARE):
            return [self._tags[field.key]] if field.key in self._tags else []
        raise _cannot(self._subject)

    # Conditions

    def holds(self, tree: ast.Condition) -> bool:
        """Returns whether a condition holds."""
        if isinstance(tree, ast.And):
            return all(self.holds(one) for one in tree.conditions)
        if isinstance(tree, ast.Or):
            return any(self.holds(one) for one in tree.conditions)
        if isinstance(tree, ast.Not):
            return not self.holds(tree.condition)
        if isinstance(tree, ast.Comparison):
            return self._compare(tree.operator, tree.left, tree.right)
        if isinstance(tree, ast.Among):
            found = any(self._compare("=", tree.value, item) for item in tree.items)
            return bool(self.values(tree.value)) and not found if tree.negated else found
        if isinstance(tree, ast.Between):
            inside = self._compare(">=", tree.value, tree.low) and self._compare("<=", tree.value, tree.high)
            return bool(self.values(tree.value)) and not inside if tree.negated else inside
        if isinstance(tree, ast.Match):
            texts = [one for one in self.values(tree.value) if isinstance(one, str)]
            return any(matches(tree, one) != tree.negated for one in texts)
        if isinstance(tree, ast.Is):
            return self._is(tree)
        raise _cannot(self._subject)

    def _is(self, tree: ast.Is) -> bool:
        found = self.values(tree.value)
        if tree.what == "null":
            return bool(found) == tree.negated
        return any(_is_nan(one) != tree.negated for one in found)

    def _compare(self, operator: str, left: ast.Value, right: ast.Value) -> bool:
        mode = mode_of(kind_of(left, self._subject), kind_of(right, self._subject))
        if mode is Mode.TIME:
            return any(self._compare_time(operator, one, right) for one in self.values(left))
        found = self.values(left), self.values(right)
        return any(_compared(mode, operator, one, other) for one in found[0] for other in found[1])

    def _compare_time(self, operator: str, time: Any, right: ast.Value) -> bool:
        if isinstance(right, ast.Moment):
            start, end = span_of(right.text, self._now)
        elif isinstance(right, ast.Length):
            start, end = span_of_length(right.amount, right.unit, self._now)
        else:
            raise _cannot(self._subject)
        within = start <= time < end
        answers = {"=": within, "!=": not within, "<": time < start, "<=": time < end, ">": time >= end}
        return bool(answers.get(operator, time >= start))


def _cannot(subject: Subject) -> InvalidInputError:
    return InvalidInputError(f"a {subject.word} has nothing of this kind to search", kind="bad-query")


def _number(value: Any) -> Number | None:
    """Returns the number that a value compares as; None for NaN and for what is no number."""
    found = number_in(value) if isinstance(value, str) else None if isinstance(value, bool) else value
    return None if found is None or found != found else found


def _is_nan(value: Any) -> bool:
    found = number_in(value) if isinstance(value, str) else value
    return isinstance(found, float) and found != found


def _calculated(operator: str, one: Number | None, other: Number | None) -> float:
    if one is None or other is None or (operator == "/" and other == 0):
        return math.nan
    first, second = float(one), float(other)
    if operator == "/":
        return first / second
    return {"+": first + second, "-": first - second, "*": first * second}[operator]


def _compared(mode: Mode | None, operator: str, one: Any, other: Any) -> bool:
    if mode is Mode.TRUTH:
        equal = _truth(one) is not None and _truth(one) == _truth(other)
        return equal if operator == "=" else not equal
    if mode is Mode.TEXT:
        return one != other if operator == "!=" else _ORDER[operator](str(one), str(other))
    first, second = _number(one), _number(other)
    if mode is Mode.EITHER and operator in ("=", "!="):
        equal = (first is not None and first == second) or one == other
        return equal if operator == "=" else not equal
    if operator == "!=":
        return first is None or second is None or first != second
    return first is not None and second is not None and _ORDER[operator](first, second)


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


# Patterns


def matches(tree: ast.Match, text: str) -> bool:
    """Returns whether a text has the pattern of LIKE or ILIKE; a negation is not looked at."""
    if tree.operator == "REGEXP":
        raise InvalidInputError(
            "REGEXP cannot be asked of registered models", kind="regexp-not-available", hint="use LIKE or ILIKE"
        )
    if tree.operator == "ILIKE":
        return _like([_small(one) for one in tree.pattern], [_small(one) for one in text])
    return _like(tree.pattern, text)


def _small(one: str) -> str:
    """Returns a character in lower case, where that is one character of the same alphabet."""
    lowered = one.lower()
    return lowered if len(lowered) == 1 and (one.isascii() or not lowered.isascii()) else one


def _like(pattern: Sequence[str], text: Sequence[str]) -> bool:
    """Returns whether `%` (any characters) and `_` (one) match the whole text: backtracks to the last `%` only."""
    at, place, after_any, resume = 0, 0, -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "%":
            after_any, resume = at + 1, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("_", text[place]):
            at += 1
            place += 1
        elif after_any >= 0:
            resume += 1
            at, place = after_any, resume
        else:
            return False
    return all(one == "%" for one in pattern[at:])


# Order


def in_order(
    items: Iterable[T],
    order: Sequence[ast.OrderItem],
    fields: Callable[[T], tuple[Mapping[str, Any], Mapping[str, str]]],
    subject: Subject,
) -> list[T]:
    """Returns the items in that order: NaN and what an item does not have last either way, ties as they are."""
    found = list(items)
    now = datetime.now().astimezone()
    for item in reversed(order):
        places = {id(one): _place(_Evaluator(*fields(one), subject, now), item.value) for one in found}

        def by_item(one: T, other: T, item: ast.OrderItem = item, places: dict[int, Any] = places) -> int:
            return _compared_places(places[id(one)], places[id(other)], item.descending)

        found.sort(key=cmp_to_key(by_item))
    return found


def _place(evaluator: _Evaluator, value: ast.Value) -> tuple[int, Any]:
    """Returns class (0 number, 1 text, 2 NaN, 3 missing) and what orders within it."""
    found = evaluator.values(value)
    if not found:
        return (3, 0)
    one = min(found) if all(isinstance(each, str) for each in found) else found[0]
    if _is_nan(one):
        return (2, 0)
    is_attribute = isinstance(value, ast.Field) and value.entity is Entity.ATTRIBUTE
    number = None if is_attribute and isinstance(one, str) else _number(one)
    return (1, str(one)) if number is None else (0, number)


def _compared_places(one: tuple[int, Any], other: tuple[int, Any], descending: bool) -> int:
    if one == other:
        return 0
    if one[0] >= 2 or other[0] >= 2:
        return (one[0] > other[0]) - (one[0] < other[0])
    return -1 if (one < other) != descending else 1
