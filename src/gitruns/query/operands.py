"""The values of the query language: fields, numbers, text, dates, and what is calculated from them."""

from __future__ import annotations

import math
from typing import TypeAlias

from gitruns.errors import InvalidInputError
from gitruns.query import moments
from gitruns.query.ast import (
    VALUES,
    Arithmetic,
    AtStep,
    Condition,
    Entity,
    Field,
    Length,
    Literal,
    Moment,
    Negative,
    Number,
    Summary,
    Text,
    Truth,
    Value,
)
from gitruns.query.fields import DATASET_KEYS, RUNS, SUMMARY_FUNCTIONS, Subject
from gitruns.query.kinds import Checker, Kind, kind_of
from gitruns.query.lexer import Lexer
from gitruns.query.pointing import quoted
from gitruns.query.suggest import nearest
from gitruns.query.tokens import Token, TokenKind

Node: TypeAlias = "Value | Condition"

MAX_DEPTH = 25
"""Levels of parentheses, NOT and minus: fewer than SQLite's parser can hold, however they are mixed."""
MAX_ARITHMETIC = 100

KEYWORDS = frozenset("and or not in is null nan like ilike regexp between true false".split())

_MAX_STEP = 2**63
_EXACT_IN_FLOAT = 2**53


class Operands:
    """The part of the parser that reads values."""

    def __init__(self, text: str, subject: Subject) -> None:
        self.subject = subject
        # Prefixes of runs also where the subject has none of them: better said so than read as part of a name.
        self.lexer = Lexer(text, RUNS.entities, joined=True)
        self.check = Checker(subject, self.lexer.error)
        self._depth = 0
        self._operators = 0
        self._quotes_name = True

    def disjunction(self) -> Node:
        """Parses what stands in parentheses."""
        raise NotImplementedError

    # Limits and errors

    def deeper(self, token: Token) -> None:
        """Counts one more level; what is nested too deeply is refused before it can exhaust the stack."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.lexer.error(f"the query is nested more than {MAX_DEPTH} levels deep", token.start)

    def shallower(self) -> None:
        """Leaves a level."""
        self._depth -= 1

    def unexpected(self, token: Token, wanted: str) -> InvalidInputError:
        """Returns the error of a token where something else was wanted."""
        found = "the end" if token.kind is TokenKind.END else quoted(self.lexer.text[token.start : token.end])
        return self.lexer.error(f"expected {wanted}, not {found}", token.start)

    # Values

    def sum(self) -> Node:
        """Parses terms joined by + and -; a condition in parentheses is handed on."""
        left = self._product()
        while (token := self._symbol("+-")) is not None:
            left = self._arithmetic(left, token, self._product)
        return left

    def _product(self) -> Node:
        left = self._signed()
        while (token := self._symbol("*/")) is not None:
            left = self._arithmetic(left, token, self._signed)
        return left

    def _symbol(self, wanted: str) -> Token | None:
        token = self.lexer.peek()
        return token if token.kind is TokenKind.SYMBOL and token.text in wanted else None

    def _arithmetic(self, left: Node, token: Token, operand: object) -> Value:
        self.lexer.take()
        self._operators += 1
        if self._operators > MAX_ARITHMETIC:
            raise self.lexer.error(f"the query calculates with more than {MAX_ARITHMETIC} operators", token.start)
        assert callable(operand)  # noqa: S101  for the type checker: one of the two methods above
        first, second = self._number(left, token), self._number(operand(), token)
        return Arithmetic(token.text, first, second, token.start)

    def _number(self, node: Node, token: Token) -> Value:
        if not isinstance(node, VALUES):
            raise self.lexer.error(
                f"{quoted(token.text)} beside a condition", token.start, "compare values, join conditions"
            )
        return self.check.number(node)

    def _signed(self) -> Node:
        token = self._symbol("+-")
        if token is None:
            return self._primary()
        self.lexer.take()
        self.deeper(token)
        found = self._number(self._signed(), token)
        self.shallower()
        return found if token.text == "+" else negative(found, token.start)

    def _primary(self) -> Node:
        token = self.lexer.take()
        if token.kind is TokenKind.SYMBOL and token.text == "(":
            return self._in_parentheses(token)
        if token.kind is TokenKind.NAME or (token.kind is TokenKind.QUOTED and self._quotes_name):
            return self._named(token)
        if token.kind in (TokenKind.SYMBOL, TokenKind.END):
            raise self.unexpected(token, "a field or a value")
        return literal(token)

    def _in_parentheses(self, opening: Token) -> Node:
        self.deeper(opening)
        found = self.disjunction()
        closing = self.lexer.take()
        if closing.kind is not TokenKind.SYMBOL or closing.text != ")":
            wanted = ")" if closing.kind is TokenKind.END else "AND, OR or )"
            raise self.unexpected(closing, wanted)
        self.shallower()
        return found

    def _named(self, token: Token) -> Value:
        word = token.keyword
        if word in ("true", "false"):
            return Truth(word == "true", token.start)
        if word in moments.NAMED_MOMENTS and not self._at_symbol("@"):
            return Moment(word, token.start)
        if word in KEYWORDS:
            raise self.unexpected(token, "a field or a value")
        if word in SUMMARY_FUNCTIONS and self._at_symbol("("):
            return self._summary(word, token)
        if self._at_symbol("@"):
            return self._at_step(token)
        return self.field(token)

    def _at_symbol(self, symbol: str) -> bool:
        return self._symbol(symbol) is not None

    def _summary(self, function: str, start: Token) -> Value:
        self.lexer.take()
        metric = self._metric(self.lexer.take())
        closing = self.lexer.take()
        if closing.kind is not TokenKind.SYMBOL or closing.text != ")":
            raise self.unexpected(closing, ")")
        return Summary(function, metric, start.start)

    def _at_step(self, token: Token) -> Value:
        metric = self._metric(token)
        self.lexer.take()
        minus = self._symbol("-")
        if minus is not None:
            self.lexer.take()
        number = self.lexer.take()
        if number.kind is not TokenKind.NUMBER or not number.text.isdigit():
            raise self.unexpected(number, "a step, as in: loss@100")
        step = int(number.text) if minus is None else -int(number.text)
        if not -_MAX_STEP <= step < _MAX_STEP:
            raise self.lexer.error("a step fits 64 bits", number.start)
        return AtStep(metric, step, token.start)

    def _metric(self, token: Token) -> str:
        is_name = token.kind in (TokenKind.NAME, TokenKind.QUOTED)
        if not is_name or token.keyword in KEYWORDS or self.subject.entities.get("metrics") is None:
            raise self.unexpected(token, "a metric")
        if token.prefix and self.subject.entities.get(token.prefix) is not Entity.METRIC:
            raise self.lexer.error(f"only metrics have steps, and {quoted(token.prefix)} are none", token.start)
        return token.text

    # Fields

    def field(self, token: Token) -> Field:
        """Returns the field that a name means, an attribute by its canonical name."""
        if not token.prefix:
            attribute = self.subject.attribute(token.text)
            if attribute is not None and attribute.bare:
                return Field(Entity.ATTRIBUTE, attribute.name, token.start)
            if Entity.TAG not in self.subject.entities.values():
                raise self._no_attribute(token)
            return Field(Entity.BARE, token.text, token.start)
        entity = self.subject.entities.get(token.prefix)
        if entity is None:
            meant = nearest(token.prefix, self.subject.entities)
            raise self.lexer.error(
                f"there is no {quoted(token.prefix)} to look into",
                token.start,
                f"did you mean {meant}.{token.text}?"
                if meant
                else "one of: metrics, params, tags, attributes, datasets"
                if self.subject is RUNS
                else "one of: tags, attributes",
            )
        if entity is Entity.DATASET and token.text not in DATASET_KEYS:
            raise self.lexer.error(
                f"a dataset has no {quoted(token.text)}", token.start, "one of: " + ", ".join(DATASET_KEYS)
            )
        if entity is not Entity.ATTRIBUTE:
            return Field(entity, token.text, token.start)
        attribute = self.subject.attribute(token.text)
        if attribute is None:
            raise self._no_attribute(token)
        return Field(Entity.ATTRIBUTE, attribute.name, token.start)

    def _no_attribute(self, token: Token) -> InvalidInputError:
        meant = nearest(token.text, self.subject.attributes)
        canonical = ", ".join(dict.fromkeys(attribute.name for attribute in self.subject.attributes.values()))
        return self.lexer.error(
            f"{_article(self.subject.word)} has no attribute {quoted(token.text)}",
            token.start,
            f"did you mean {meant}?" if meant else f"one of: {canonical}",
        )

    # Beside a field

    def operand_beside(self, other: Value) -> Value:
        """Parses what another value is compared with: beside a text attribute a word needs no quotes."""
        words = self.reads_words(other)
        word = self.lexer.raw_word() if words else None
        if word is not None:
            return self.beside(other, literal(word))
        before, self._quotes_name = self._quotes_name, False
        found = self.sum()
        self._quotes_name = before
        if not isinstance(found, VALUES):
            raise self.lexer.error("expected a value, not a condition", self.lexer.peek().start)
        return self.beside(other, found)

    def reads_words(self, value: Value) -> bool:
        """Returns whether what is compared with the value may be a word without quotes: `branch = feature/x`."""
        is_attribute = isinstance(value, Field) and value.entity is Entity.ATTRIBUTE
        return is_attribute and kind_of(value, self.subject) in (Kind.TEXT, Kind.COMMIT, Kind.AUTHOR)

    def beside(self, other: Value, found: Value) -> Value:
        """Returns a value as the one that it is compared with makes it: text beside a time is a date."""
        if isinstance(found, Number):
            return as_metric_number(found, other)
        if not isinstance(found, Text) or not isinstance(other, Field) or other.entity is not Entity.ATTRIBUTE:
            return found
        attribute = self.subject.attribute(other.key)
        if kind_of(other, self.subject) is Kind.TIME:
            return self.moment(found)
        if attribute is not None and attribute.words and self._is_bare(found):
            folded = {word.lower(): word for word in attribute.words}
            return Text(folded.get(found.value.lower(), found.value), found.column)
        return found

    def _is_bare(self, text: Text) -> bool:
        return self.lexer.text[text.column : text.column + 1] == text.value[:1]

    def moment(self, text: Text) -> Moment | Length:
        """Returns the moment that a text means; raises the error that points at it."""
        found = moments.canonical_moment(text.value)
        if found is not None:
            return Moment(found, text.column)
        ago = moments.ago_in(text.value)
        if ago is not None:
            return Length(-ago[0], ago[1], text.column)
        raise self.lexer.error(
            f"{quoted(text.value)} is no date", text.column, "dates: 2024-05-01, 2024-05-01T12:30, -7d, today"
        )


def literal(token: Token) -> Literal:
    """Returns the value that a token spells."""
    if token.kind is TokenKind.NUMBER:
        return Number(number_literal(token.text), token.start)
    if token.kind is TokenKind.MOMENT:
        return Moment(token.text, token.start)
    if token.kind is TokenKind.LENGTH:
        return Length(number_literal(token.text), token.prefix, token.start)
    return Text(token.text, token.start)


def number_literal(digits: str) -> int | float:
    """Returns the number that the digits of a token spell: an integer where they are only digits."""
    return int(digits) if digits.isdigit() else float(digits)


def as_metric_number(number: Number, other: Value) -> Number:
    """Returns a number as what it is compared with makes it: beside a metric a float, as MLflow has it."""
    if not isinstance(other, Field) or other.entity is not Entity.METRIC or abs(number.value) <= _EXACT_IN_FLOAT:
        return number
    try:
        return Number(float(number.value), number.column)
    except OverflowError:
        return Number(math.inf if number.value > 0 else -math.inf, number.column)


def negative(value: Value, column: int) -> Value:
    """Returns minus a value, written as one literal where it is one."""
    if isinstance(value, Number):
        return Number(-value.value, column)
    if isinstance(value, Length):
        return Length(-value.amount, value.unit, column)
    return Negative(value, column)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
