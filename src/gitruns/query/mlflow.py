"""MLflow's filters and orders, exactly: what MLflow refuses is refused, with MLflow's words.

Measured against MLflow 3.17; `docs/mlflow-filters.md` lists every rule. Beyond MLflow, only keys and spaces that its
SQL tokenizer trips over are read (`params.from`, `IS  NOT  NULL`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitruns.errors import InvalidInputError
from gitruns.query.ast import (
    EVERYTHING,
    Among,
    And,
    Comparison,
    Condition,
    Entity,
    Field,
    Is,
    Match,
    Number,
    OrderItem,
    Text,
)
from gitruns.query.fields import (
    DATASET_KEYS,
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    MODELS,
    RUNS,
    Holds,
    Subject,
)
from gitruns.query.lexer import Lexer
from gitruns.query.operands import as_metric_number, number_literal
from gitruns.query.pointing import bad_query
from gitruns.query.tokens import Token, TokenKind

_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_ON_TEXT = ("=", "!=", "LIKE", "ILIKE")
_ON_KEYS = (*_ON_TEXT, "IS NULL", "IS NOT NULL")
_ON_LISTS = (*_ON_TEXT, "IN", "NOT IN")
_ON_IDS = ("=", "!=", "IN", "NOT IN")
_ENTITIES = "['metric', 'parameter', 'tag', 'attribute', 'dataset']"
_REGISTRY = (MODELS, MODEL_VERSIONS)
_WITHOUT_NULL = (*_REGISTRY, LOGGED_MODELS)
_SHOWN = 80
_WORDS = {Entity.PARAM: "parameter"}


def parse_mlflow(text: str, subject: Subject = RUNS) -> Condition:
    """Returns the tree of an MLflow filter; raises `InvalidInputError` (kind `bad-query`)."""
    if not text:
        return EVERYTHING
    clauses = _MlflowParser(text, subject).clauses()
    return clauses[0] if len(clauses) == 1 else And(tuple(clauses))


def parse_mlflow_order(texts: Iterable[str], subject: Subject = RUNS) -> tuple[OrderItem, ...]:
    """Returns what MLflow's `order_by` says; raises `InvalidInputError` (kind `bad-query`)."""
    listed = [texts] if isinstance(texts, str) else list(texts)
    items = tuple(_MlflowParser(text, subject).order() for text in listed)
    seen: set[object] = set()
    for text, item in zip(listed, items, strict=True):
        if item.value in seen:
            raise bad_query(f"`order_by` contains duplicate fields: {listed}", text, 0)
        seen.add(item.value)
    return items


class _MlflowLexer(Lexer):
    """What is no token at all is an invalid clause to MLflow."""

    def error(self, message: str, start: int, hint: str | None = None) -> InvalidInputError:
        clause = self.text[start : start + _SHOWN].split(" ")[0]
        return bad_query(f"Invalid clause(s) in filter string: '{clause}'", self.text, start, hint=message)


class _MlflowParser:
    def __init__(self, text: str, subject: Subject) -> None:
        self._text = text
        self._subject = subject
        self._lexer = _MlflowLexer(text, subject.entities, joined=False)

    def error(self, message: str, start: int) -> InvalidInputError:
        """Returns the error with MLflow's own words."""
        return bad_query(message, self._text, min(start, len(self._text)))

    def clauses(self) -> list[Condition]:
        """Reads the whole filter. ANDs may stand before, after and beside each other, or not at all: so in MLflow."""
        if not self._text.strip():
            raise self.error(f"Invalid filter {self._text!r}. Could not be parsed.", 0)
        found: list[Condition] = []
        while (token := self._lexer.peek()).kind is not TokenKind.END:
            if token.keyword == "and":
                self._lexer.take()
            else:
                found.append(self._clause())
        return found

    def order(self) -> OrderItem:
        """Reads one item of an order: an identifier and perhaps ASC or DESC, with nothing around."""
        token = self._lexer.take()
        outside = self._text != self._text.strip()
        if outside or token.kind not in (TokenKind.NAME, TokenKind.QUOTED):
            raise self._bad_order(token)
        direction = self._lexer.take()
        if direction.kind is not TokenKind.END and self._lexer.peek().kind is not TokenKind.END:
            raise self._bad_order(direction)
        if direction.kind is not TokenKind.END and direction.keyword not in ("asc", "desc"):
            raise self.error(f"Invalid ordering key in order_by clause '{self._text}'.", direction.start)
        found = self._identifier(token, self._subject.mlflow_order)
        if found.entity is Entity.DATASET:
            raise self.error("Invalid identifier type 'dataset'", token.start)
        if self._subject is not RUNS and found.entity is not Entity.ATTRIBUTE:
            raise self.error(f"Invalid order_by entity: {found.entity}", token.start)
        return OrderItem(found, direction.keyword == "desc")

    def _bad_order(self, token: Token) -> InvalidInputError:
        return self.error(f"Invalid order_by clause '{self._text}'. Could not be parsed.", token.start)

    # Clauses

    def _clause(self) -> Condition:
        start = self._lexer.take()
        if start.kind in (TokenKind.NUMBER, TokenKind.TEXT):
            raise self._no_identifier(start, start.end)
        if start.kind not in (TokenKind.NAME, TokenKind.QUOTED) or start.keyword in ("not", "or"):
            raise self._invalid(start)
        operator = self._lexer.take()
        if operator.kind is TokenKind.SYMBOL and operator.text in "+-*/":
            raise self._no_identifier(start, self._lexer.peek().end)
        comparator = self._comparator(operator)
        field = self._identifier(start, self._subject.mlflow_filter)
        if comparator in ("IS NULL", "IS NOT NULL"):
            return self._null(field, comparator, operator)
        value = self._value(field)
        self._check_comparator(field, comparator, operator)
        self._check_ids(field, value if isinstance(value, tuple) else (value,))
        if isinstance(value, tuple):
            return Among(field, value, comparator == "NOT IN", operator.start)
        if comparator in ("LIKE", "ILIKE") and isinstance(value, Text):
            return Match(comparator, field, value.value, column=operator.start)
        return Comparison(comparator, field, value, operator.start)

    def _no_identifier(self, token: Token, end: int) -> InvalidInputError:
        found = self._text[token.start : end]
        return self.error(f"Invalid comparison clause. Expected 'Identifier' found '{found}'", token.start)

    def _comparator(self, token: Token) -> str:
        if token.kind is TokenKind.SYMBOL and token.text[0] in "=<>!":
            return token.text
        word = token.keyword
        if word in ("like", "ilike", "in"):
            return word.upper()
        if word == "not":
            second = self._lexer.take()
            if second.keyword in ("in", "like", "ilike"):
                return f"NOT {second.text.upper()}"
        if word == "is":
            second = self._lexer.take()
            negated = second.keyword == "not"
            third = self._lexer.take() if negated else second
            if third.keyword == "null":
                return "IS NOT NULL" if negated else "IS NULL"
        raise self._invalid(token)

    def _invalid(self, token: Token) -> InvalidInputError:
        found = self._text[token.start : token.end] or "the end"
        return self.error(f"Invalid clause(s) in filter string: '{found}'", token.start)

    def _identifier(self, token: Token, attributes: frozenset[str]) -> Field:
        entity = self._subject.entities.get(token.prefix) if token.prefix in self._subject.mlflow_entities else None
        if token.prefix or "." in token.text:
            if entity is None:
                named = token.prefix or token.text.split(".")[0]
                raise self.error(f"Invalid entity type '{named}'. Valid values are {_ENTITIES}", token.start)
        else:
            entity = Entity.ATTRIBUTE
        if entity is Entity.ATTRIBUTE:
            attribute = self._subject.attribute(token.text)
            if token.text not in attributes or attribute is None:
                raise self.error(
                    f"Invalid attribute key '{token.text}' specified. Valid keys are {sorted(attributes)}", token.start
                )
            return Field(entity, attribute.name, token.start)
        if entity is Entity.DATASET and token.text not in DATASET_KEYS:
            raise self.error(
                f"Invalid dataset key '{token.text}' specified. Valid keys are {sorted(DATASET_KEYS)}", token.start
            )
        return Field(entity or Entity.ATTRIBUTE, token.text, token.start)

    def _null(self, field: Field, comparator: str, operator: Token) -> Condition:
        if self._subject in _WITHOUT_NULL:
            raise self.error(f"Invalid clause(s) in filter string: '{comparator}'", operator.start)
        allowed = (Entity.TAG, Entity.PARAM) if self._subject is RUNS else (Entity.TAG,)
        if field.entity not in allowed:
            raise self.error(
                f"IS NULL / IS NOT NULL is only supported for tags and params, not for '{field.entity}' '{field.key}'",
                operator.start,
            )
        return Is(field, "null", comparator == "IS NOT NULL", operator.start)

    def _check_comparator(self, field: Field, comparator: str, operator: Token) -> None:
        allowed = self._comparators(field)
        if comparator not in allowed:
            raise self.error(f"Invalid comparator '{comparator}' not one of {list(allowed)}", operator.start)

    def _comparators(self, field: Field) -> tuple[str, ...]:
        if field.entity is Entity.METRIC or self._is_numeric(field):
            return _ORDERED
        if self._subject is LOGGED_MODELS:
            return _ON_LISTS
        if self._subject in _REGISTRY:
            return _ON_LISTS if field.key in self._subject.mlflow_lists else _ON_TEXT
        if field.entity in (Entity.PARAM, Entity.TAG):
            return _ON_KEYS
        if self._subject is EXPERIMENTS:
            return _ON_IDS if field.key == "experiment_id" else _ON_TEXT
        return _ON_LISTS

    def _is_numeric(self, field: Field) -> bool:
        attribute = self._subject.attribute(field.key) if field.entity is Entity.ATTRIBUTE else None
        return attribute is not None and attribute.holds in (Holds.TIME, Holds.NUMBER)

    # Values

    def _value(self, field: Field) -> Text | Number | tuple[Text, ...]:
        token = self._lexer.take()
        if field.entity is Entity.METRIC or self._is_numeric(field):
            return self._number(token, field)
        if token.kind in (TokenKind.TEXT, TokenKind.QUOTED) and self._text[token.start] != "e":
            return Text(token.text, token.start)
        if token.kind is TokenKind.SYMBOL and token.text == "(" and self._takes_list(field, token):
            return self._list()
        what = _WORDS.get(field.entity, str(field.entity))
        found = self._text[token.start : token.end]
        if self._subject is LOGGED_MODELS and token.kind in (TokenKind.NUMBER, TokenKind.NAME):
            return Text(found, token.start)  # there MLflow takes text without quotes: params.lr = 0.01
        if token.kind is TokenKind.NAME:
            raise self.error(
                "Parameter value is either not quoted or unidentified quote types used for string value "
                f"{found}. Use either single or double quotes.",
                token.start,
            )
        raise self.error(f"Expected a quoted string value for {what} (e.g. 'my-value'). Got value {found}", token.start)

    def _number(self, token: Token, field: Field) -> Number:
        minus = token.kind is TokenKind.SYMBOL and token.text == "-"
        number = self._lexer.take() if minus else token
        if self._subject is MODEL_VERSIONS and number.kind is TokenKind.TEXT and number.text.isdigit():
            return Number(
                int(number.text), number.start
            )  # versions are text on the wire, and so some clients quote them
        adjacent = not minus or number.start == token.end
        if number.kind is not TokenKind.NUMBER or not adjacent:
            what = "metric" if field.entity is Entity.METRIC else f"numeric attribute: {field.key}"
            found = self._text[token.start : number.end]
            raise self.error(f"Expected numeric value type for {what}. Found {found}", token.start)
        if self._subject is EXPERIMENTS and not number.text.isdigit():
            raise self.error(f"Invalid value for numeric attribute '{field.key}': '{number.text}'", token.start)
        value = number_literal(number.text)
        return as_metric_number(Number(-value if minus else value, token.start), field)

    def _takes_list(self, field: Field, token: Token) -> bool:
        if field.entity is Entity.DATASET or self._subject is LOGGED_MODELS:
            return True
        if field.entity is Entity.ATTRIBUTE and field.key not in self._subject.mlflow_lists:
            raise self.error(
                f"Only {sorted(self._subject.mlflow_lists)} attributes support comparison with a list of quoted "
                "string values.",
                token.start,
            )
        return field.entity is Entity.ATTRIBUTE

    def _list(self) -> tuple[Text, ...]:
        items: list[Text] = []
        while True:
            token = self._lexer.take()
            if token.kind not in (TokenKind.TEXT, TokenKind.QUOTED):
                raise self.error(
                    "While parsing a list in the query, expected string value, punctuation, or whitespace, but got "
                    f"different type in list: {self._text[token.start : token.end] or 'the end'}",
                    token.start,
                )
            items.append(Text(_python_text(token.text), token.start))
            if not self._lexer.skip(",") or self._lexer.at(")"):
                break
        if not self._lexer.skip(")"):
            raise self.error(
                "While parsing a list in the query, expected a non-empty list of string values, but got "
                "ill-formed list.",
                self._lexer.peek().start,
            )
        return tuple(items)

    def _check_ids(self, field: Field, values: Sequence[Text | Number]) -> None:
        if self._subject is not EXPERIMENTS or field != Field(Entity.ATTRIBUTE, "experiment_id"):
            return
        for value in values:
            if isinstance(value, Text) and not (value.value.isascii() and value.value.isdigit()):
                raise self.error(f"Invalid experiment ID '{value.value}'", value.column)


_PYTHON_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t", "r": "\r"}


def _python_text(raw: str) -> str:
    """Returns what Python makes of a string's inside: MLflow reads its lists, and only them, as Python."""
    if "\\" not in raw:
        return raw
    pieces: list[str] = []
    place = 0
    while (found := raw.find("\\", place)) >= 0:
        character = raw[found + 1 : found + 2]
        pieces.append(raw[place:found] + _PYTHON_ESCAPES.get(character, "\\" + character))
        place = found + 2
    return "".join(pieces) + raw[place:]
