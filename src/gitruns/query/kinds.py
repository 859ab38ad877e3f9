"""What can be compared with what, known from the text alone."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto
from functools import cache

from gitruns.errors import InvalidInputError
from gitruns.query.ast import (
    LITERALS,
    Among,
    Between,
    Comparison,
    Entity,
    Field,
    Is,
    Length,
    Match,
    Moment,
    Number,
    Text,
    Truth,
    Value,
)
from gitruns.query.fields import Holds, Subject
from gitruns.query.numbers import number_in
from gitruns.query.pointing import quoted
from gitruns.query.suggest import nearest

Error = Callable[[str, int, "str | None"], InvalidInputError]


class Kind(IntEnum):
    """What a value is."""

    NUMBER = auto()
    TEXT = auto()
    EITHER = auto()
    """A param, tag or bare name: text, and perhaps a number."""
    TRUTH = auto()
    TIME = auto()
    COMMIT = auto()
    AUTHOR = auto()
    DATASET = auto()
    """A text that a run has several of: it is enough when one of them fits."""
    MOMENT = auto()
    LENGTH = auto()


_OF_ENTITY = {
    Entity.METRIC: Kind.NUMBER,
    Entity.PARAM: Kind.EITHER,
    Entity.TAG: Kind.EITHER,
    Entity.BARE: Kind.EITHER,
    Entity.DATASET: Kind.DATASET,
}
_OF_HELD = {
    Holds.TEXT: Kind.TEXT,
    Holds.NUMBER: Kind.NUMBER,
    Holds.TIME: Kind.TIME,
    Holds.TRUTH: Kind.TRUTH,
    Holds.COMMIT: Kind.COMMIT,
    Holds.AUTHOR: Kind.AUTHOR,
}
_OF_LITERAL = {
    Text: Kind.TEXT,
    Number: Kind.NUMBER,
    Truth: Kind.TRUTH,
    Length: Kind.LENGTH,
    Moment: Kind.MOMENT,
}  # fmt: skip

NUMERIC = (Kind.NUMBER, Kind.EITHER, Kind.TIME, Kind.LENGTH)
"""What can be calculated with; a time counts in milliseconds UTC."""

_WHAT = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "text",
    Kind.EITHER: "a param or tag",
    Kind.TRUTH: "true or false",
    Kind.TIME: "a time",
    Kind.COMMIT: "a commit",
    Kind.AUTHOR: "an author",
    Kind.DATASET: "text",
    Kind.MOMENT: "a date",
    Kind.LENGTH: "a length of time",
}


def kind_of(value: Value, subject: Subject) -> Kind:
    """Returns what a value is."""
    if isinstance(value, Field):
        if value.entity is not Entity.ATTRIBUTE:
            return _OF_ENTITY[value.entity]
        attribute = subject.attribute(value.key)
        return Kind.TEXT if attribute is None else _OF_HELD[attribute.holds]
    return _OF_LITERAL.get(type(value), Kind.NUMBER)


class Mode(IntEnum):
    """How two values are compared."""

    NUMBER = auto()
    TEXT = auto()
    EITHER = auto()
    """As numbers where both are; else, for equality, as text."""
    TRUTH = auto()
    TIME = auto()
    """A time with the span of milliseconds that a date means."""
    COMMIT = auto()
    AUTHOR = auto()
    DATASET = auto()


_WITH_TEXT = {
    Kind.TEXT: Mode.TEXT,
    Kind.EITHER: Mode.TEXT,
    Kind.COMMIT: Mode.COMMIT,
    Kind.AUTHOR: Mode.AUTHOR,
    Kind.DATASET: Mode.DATASET,
}


@cache
def mode_of(left: Kind, right: Kind) -> Mode | None:
    """Returns how values of two kinds are compared, or None when they cannot be."""
    kinds = {left, right}
    if kinds == {Kind.EITHER}:
        return Mode.EITHER
    if kinds <= {Kind.EITHER, Kind.TRUTH}:
        return Mode.TRUTH
    if kinds in ({Kind.TIME, Kind.MOMENT}, {Kind.TIME, Kind.LENGTH}):
        return Mode.TIME
    if kinds <= set(NUMERIC):
        return Mode.NUMBER
    if Kind.TEXT in kinds:
        return _WITH_TEXT.get(right if left is Kind.TEXT else left)
    return None


class Checker:
    """Refuses what can be said but not compared, pointing at it."""

    def __init__(self, subject: Subject, error: Error) -> None:
        self._subject = subject
        self._error = error

    def comparison(self, found: Comparison) -> Comparison:
        """Returns the comparison when it can be made."""
        self._pair(found.operator, found.left, found.right, found.column)
        return found

    def among(self, found: Among) -> Among:
        """Returns the test when each item can be compared."""
        for item in found.items:
            self._pair("=", found.value, item, found.column)
        return found

    def between(self, found: Between) -> Between:
        """Returns the test when both ends can be compared."""
        self._pair(">=", found.value, found.low, found.column)
        self._pair("<=", found.value, found.high, found.column)
        return found

    def match(self, found: Match) -> Match:
        """Returns the test when the value is text."""
        kind = kind_of(found.value, self._subject)
        if isinstance(found.value, LITERALS) or kind not in (Kind.TEXT, Kind.EITHER, Kind.AUTHOR, Kind.DATASET):
            raise self._error(f"{found.operator} looks into text, and this is {_WHAT[kind]}", found.column, None)
        return found

    def is_(self, found: Is) -> Is:
        """Returns the test when the value can be null, or NaN."""
        kind = kind_of(found.value, self._subject)
        if isinstance(found.value, LITERALS):
            raise self._error(f"{_WHAT[kind]} is always there", found.column, "test a field, as in: acc is not null")
        if found.what == "nan" and kind not in (Kind.NUMBER, Kind.EITHER):
            raise self._error(f"{_WHAT[kind]} is never NaN", found.column, None)
        return found

    def number(self, value: Value) -> Value:
        """Returns the value when it can be calculated with."""
        kind = kind_of(value, self._subject)
        if kind not in NUMERIC:
            raise self._error(f"cannot calculate with {_WHAT[kind]}", value.column, None)
        return value

    def _pair(self, operator: str, left: Value, right: Value, column: int) -> None:
        kinds = kind_of(left, self._subject), kind_of(right, self._subject)
        mode = mode_of(*kinds)
        if isinstance(left, LITERALS) and isinstance(right, LITERALS):
            raise self._error("neither side names a field", column, _unquoted_hint(left, right))
        if mode is None:
            raise self._error(f"{_WHAT[kinds[0]]} does not compare with {_WHAT[kinds[1]]}", column, _hint(*kinds))
        if mode is Mode.TIME and isinstance(right, Length) and right.amount >= 0:
            raise self._error("a time does not compare with a length of time", right.column, "write -7d for 7 days ago")
        if operator in ("=", "!="):
            self._word(left, right)
        elif mode not in (Mode.NUMBER, Mode.TEXT, Mode.TIME, Mode.EITHER):
            raise self._error(f"{_WHAT[kinds[0]]} has no order", column, "it can be compared with = and !=")
        elif (
            mode is Mode.TEXT
            and Kind.EITHER in kinds
            and isinstance(right, Text)
            and number_in(right.value) is not None
        ):
            raise self._error(
                f"{quoted(right.value)} in quotes is text, and would be ordered as text",
                right.column,
                f"compare with the number: {right.value}",
            )

    def _word(self, left: Value, right: Value) -> None:
        """Refuses a word that a closed attribute can never be: it was meant as another."""
        attribute = self._subject.attribute(left.key) if isinstance(left, Field) else None
        if attribute is None or not isinstance(left, Field) or left.entity is not Entity.ATTRIBUTE:
            return
        if attribute.words and isinstance(right, Text) and right.value not in attribute.words:
            meant = nearest(right.value, attribute.words)
            words = ", ".join(attribute.words)
            raise self._error(
                f"{attribute.name} is never {quoted(right.value)}",
                right.column,
                f"did you mean {meant}?" if meant else f"it is one of {words}",
            )


def _hint(left: Kind, right: Kind) -> str | None:
    kinds = {left, right}
    if Kind.MOMENT in kinds:
        return "dates compare with start_time and end_time"
    if kinds == {Kind.NUMBER, Kind.TEXT}:
        return "write the number without quotes; params.KEY and tags.KEY compare with text"
    if Kind.TRUTH in kinds:
        return "true and false compare with params, tags, and with: dirty, live, incomplete"
    return None


def _unquoted_hint(left: Value, right: Value) -> str | None:
    if isinstance(left, Text) and not isinstance(right, Text):
        return "a name goes in backticks, or bare: single quotes make text"
    return None
