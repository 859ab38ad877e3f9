"""A tree back to text. `parse(format_query(tree))` is the tree again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from gitruns.query import moments
from gitruns.query.ast import (
    Among,
    AncestorOf,
    And,
    Arithmetic,
    AsOf,
    AtStep,
    Between,
    Comparison,
    Condition,
    Entity,
    Field,
    InRange,
    Is,
    Length,
    Match,
    Moment,
    Negative,
    Not,
    Number,
    Or,
    OrderItem,
    SameCode,
    Summary,
    Text,
    Touched,
    Truth,
    Value,
)
from gitruns.query.fields import RUNS, SUMMARY_FUNCTIONS, Subject
from gitruns.query.lexer import is_word
from gitruns.query.operands import KEYWORDS

_PREFIXES = {
    Entity.METRIC: "metrics",
    Entity.PARAM: "params",
    Entity.TAG: "tags",
    Entity.ATTRIBUTE: "attributes",
    Entity.DATASET: "dataset",
}
_NO_NAMES = KEYWORDS | {
    *moments.NAMED_MOMENTS,
    *SUMMARY_FUNCTIONS,
    "ancestor",
    "same",
    "as",
    "touched",
    "asc",
    "desc",
    "e",
}
_PLAIN_RAW = frozenset("_./~^-@{}:+=")
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def format_query(condition: Condition, subject: Subject = RUNS) -> str:
    """Returns the query that the tree is the tree of."""
    return _Formatter(subject).condition(condition)


def format_order(items: Iterable[OrderItem], subject: Subject = RUNS) -> list[str]:
    """Returns one text an item."""
    formatter = _Formatter(subject)
    return [formatter.order(item) for item in items]


class _Formatter:
    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def order(self, item: OrderItem) -> str:
        text = self.value(item.value)
        text = f"({text})" if text.startswith("-") else text  # else it would be a direction
        return f"{text} {'DESC' if item.descending else 'ASC'}"

    def condition(self, tree: Condition) -> str:
        if isinstance(tree, Or):
            return " or ".join(self._inside(one, Or) for one in tree.conditions)
        if isinstance(tree, And):
            return " and ".join(self._inside(one, And, Or) for one in tree.conditions)
        if isinstance(tree, Not):
            return f"not {self._inside(tree.condition, And, Or)}"
        if isinstance(tree, Comparison):
            left, right = self._beside(tree.left, tree.right), self._beside(tree.right, tree.left)
            return f"{left} {tree.operator} {right}"
        if isinstance(tree, (Among, Between, Match, Is)):
            return self._test(tree)
        if isinstance(tree, InRange):
            return f"in {_raw(tree.range)}"
        if isinstance(tree, AncestorOf):
            return f"ancestor of {_raw(tree.revision)}"
        if isinstance(tree, SameCode):
            return f"same code as {_raw(tree.run)}"
        if isinstance(tree, Touched):
            return f"touched {_raw(tree.path)}"
        return f"as of {self._when(tree)}"

    def _inside(self, tree: Condition, *grouped: type) -> str:
        text = self.condition(tree)
        return f"({text})" if isinstance(tree, grouped) else text

    def _test(self, tree: Among | Between | Match | Is) -> str:
        value = self.value(tree.value)
        if isinstance(tree, Is):
            return f"{value} is {'not ' if tree.negated else ''}{tree.what}"
        word = f"{value} not" if tree.negated else value
        if isinstance(tree, Among):
            return f"{word} in ({', '.join(map(self.value, tree.items))})"
        if isinstance(tree, Between):
            low, high = self._beside(tree.low, tree.value), self._beside(tree.high, tree.value)
            return f"{word} between {low} and {high}"
        return f"{word} {tree.operator.lower()} {_text(tree.pattern)}"

    def _when(self, tree: AsOf) -> str:
        return _raw(tree.when.value) if isinstance(tree.when, Text) else self.value(tree.when)

    def value(self, value: Value) -> str:
        if isinstance(value, Field):
            return self._field(value)
        if isinstance(value, Text):
            return _text(value.value)
        if isinstance(value, Number):
            return _number(value.value)
        if isinstance(value, Truth):
            return "true" if value.value else "false"
        if isinstance(value, Length):
            return _number(value.amount) + value.unit
        if isinstance(value, Moment):
            return value.text
        if isinstance(value, Summary):
            return f"{value.function}({_key(value.metric, 'metrics')})"
        if isinstance(value, AtStep):
            return f"{_key(value.metric, 'metrics')}@{value.step}"
        if isinstance(value, Negative):
            return "-" + self._term(value.value, isinstance(value.value, Arithmetic))
        return self._arithmetic(value)

    def _beside(self, value: Value, other: Value) -> str:
        """Returns a value as it stands beside another: beside an attribute a name without quotes would be a word."""
        beside_attribute = isinstance(other, Field) and other.entity is Entity.ATTRIBUTE
        if isinstance(value, Field) and value.entity is Entity.BARE and beside_attribute:
            return _quoted_name(value.key)
        return self.value(value)

    def _arithmetic(self, value: Arithmetic) -> str:
        product = value.operator in "*/"
        left = isinstance(value.left, Arithmetic) and product and value.left.operator in "+-"
        right = isinstance(value.right, Arithmetic) and (product or value.right.operator in "+-")
        return f"{self._term(value.left, left)} {value.operator} {self._term(value.right, right)}"

    def _term(self, value: Value, grouped: bool) -> str:
        text = self.value(value)
        return f"({text})" if grouped else text

    def _field(self, field: Field) -> str:
        if field.entity is Entity.ATTRIBUTE:
            attribute = self._subject.attribute(field.key)
            return field.key if attribute is not None and attribute.bare else f"attributes.{_key(field.key)}"
        if field.entity is Entity.BARE:
            return self._bare(field.key)
        return f"{_PREFIXES[field.entity]}.{_key(field.key)}"

    def _bare(self, key: str) -> str:
        named = self._subject.attribute(key)
        is_entity = key.split(".")[0] in self._subject.entities
        if _is_plain(key) and key.lower() not in _NO_NAMES and named is None and not is_entity and not key[0].isdigit():
            return key
        return _quoted_name(key)


def _quoted_name(key: str) -> str:
    return _quote(key, "`") or _quote(key, '"') or _escaped(key, '"')


def _key(key: str, prefix: str = "") -> str:
    """Returns a key as it stands after its prefix and the dot, or with the prefix when there is one to add."""
    shown = key if _is_plain(key) else _quoted_name(key)
    return f"{prefix}.{shown}" if prefix else shown


def _is_plain(key: str) -> bool:
    """Returns whether the lexer reads the key as one name without quotes, whatever follows it."""
    if not key or not is_word(key[0]) or not is_word(key[-1]):
        return False
    return all(
        is_word(one) or (one == "." and is_word(after)) or (one in "-/" and (after == "_" or after.isalpha()))
        for one, after in zip(key, key[1:] + "_", strict=True)
    )


def _text(text: str) -> str:
    if not text.isprintable():
        return _escaped(text, "'")
    return _quote(text, "'") or _quote(text, '"') or _escaped(text, "'")


def _quote(text: str, quote: str) -> str:
    """Returns the text in quotes when it can stand in them, else an empty text."""
    if quote == "`":
        text_without_pairs = text.replace("``", "")  # doubled ones stand for themselves
        return "" if quote in text_without_pairs else f"`{text}`"
    return "" if quote in text or text.endswith("\\") else f"{quote}{text}{quote}"


def _escaped(text: str, quote: str) -> str:
    escapes = _ESCAPED | {quote: "\\" + quote}
    return f"e{quote}{''.join(escapes.get(one) or _shown(one) for one in text)}{quote}"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _raw(word: str) -> str:
    plain = all(one in _PLAIN_RAW or (one.isascii() and one.isalnum()) for one in word)
    # What begins like an operator or a keyword could be read as one: `touched = …` asks for a field of that name.
    keyword = plain and re.split(r"\W", word, maxsplit=1)[0].lower() in KEYWORDS
    return word if plain and not keyword and (word[:1].isalnum() or word[:1] in ("_", ".", "/")) else _text(word)


def _number(number: int | float) -> str:
    if isinstance(number, float) and math.isinf(number):
        return "1e999" if number > 0 else "-1e999"
    return repr(number)
