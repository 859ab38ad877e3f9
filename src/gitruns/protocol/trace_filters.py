"""Filters and orders of a search for traces, in MLflow's language: text to clauses. `trace_search` answers them.

    status = 'OK' AND timestamp_ms > 1700000000000 AND tags.team LIKE 'red%' AND metadata.`mlflow.user` IS NOT NULL
    feedback.correct = 'true' AND span.type IN ('LLM', 'TOOL') AND span.attributes.model ILIKE '%gpt%'

Clauses are joined by AND alone. What MLflow refuses is refused, with its code. Measured against MLflow 3.17.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitruns.protocol.errors import ProtocolError, refused
from gitruns.protocol.trace import NAME_TAG, RUN_KEY
from gitruns.protocol.trace_totals import COST, TOKEN_USAGE
from gitruns.query.lexer import Lexer
from gitruns.query.tokens import Token, TokenKind

PROMPTS_TAG = "mlflow.linkedPrompts"
CONTENT = "content"
NUMERIC = ("timestamp_ms", "execution_time_ms", "end_time_ms")

_ENTITIES = {
    "tag": "tag",
    "tags": "tag",
    "attribute": "attribute",
    "attributes": "attribute",
    "trace": "attribute",
    "request_metadata": "metadata",
    "metadata": "metadata",
    "span": "span",
    "feedback": "feedback",
    "expectation": "expectation",
    "issue": "issue",
}
_FILTER_KEYS = frozenset(
    "request_id timestamp timestamp_ms execution_time execution_time_ms end_time end_time_ms status client_request_id"
    " name run_id prompt text".split()
)
_ORDER_KEYS = frozenset(
    "experiment_id timestamp timestamp_ms execution_time execution_time_ms end_time end_time_ms status request_id name"
    " run_id".split()
)
_LISTS = frozenset({"name", "status", "request_id", "run_id", "client_request_id"})
_ELSEWHERE = {
    "name": ("tag", NAME_TAG),
    "prompt": ("tag", PROMPTS_TAG),
    "run_id": ("metadata", RUN_KEY),
    "text": ("span", CONTENT),
}
_RENAMED = {"timestamp": "timestamp_ms", "execution_time": "execution_time_ms", "end_time": "end_time_ms"}

_ORDERED = frozenset({"=", "!=", "<", "<=", ">", ">="})
_TEXT = frozenset({"=", "!=", "LIKE", "ILIKE", "RLIKE"})
_NULLS = frozenset({"IS NULL", "IS NOT NULL"})
_IN = frozenset({"IN", "NOT IN"})
_SPAN_KEYS = frozenset({"name", "type", "status"})


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison. `entity` is `attribute`, `tag`, `metadata`, `span`, `feedback`, `expectation` or `issue`.

    `value` is a text, a number, a tuple of texts, or None where it is asked whether there is anything.
    """

    entity: str
    key: str
    comparator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to order by."""

    entity: str
    key: str
    descending: bool


def parse_filter(text: str | None) -> tuple[Clause, ...]:
    """Returns what must hold of a trace, all together; raises `ProtocolError`."""
    return _Parser(text).clauses() if text else ()


def parse_order(texts: Sequence[str] | None) -> tuple[Order, ...]:
    """Returns what traces are to be ordered by; raises `ProtocolError`."""
    found = tuple(_Parser(text).order() for text in texts or ())
    if len({(one.entity, one.key) for one in found}) != len(found):
        raise refused(f"`order_by` contains duplicate fields: {list(texts or ())}")
    return found


_DEEPER = frozenset({("span", "attributes"), ("trace", "tag"), ("trace", "metadata")})
"""After what a key in quotes may stand."""

_SUM_KEYS = {
    "trace": {"status": False, "tag": True, "metadata": True},
    "span": {"name": False, "status": False, "type": False},
    "assessment": {"name": False, "type": False},
}


def parse_sum_filter(text: str) -> tuple[str, str, str]:
    """Returns what one filter of `trace_sums` says: view, key and value; raises `ProtocolError`.

    trace.status = 'OK', trace.tag.`team` = 'red', span.type = 'LLM', assessment.name = 'correct'
    """
    lexer = _TraceLexer(text, frozenset(_SUM_KEYS), joined=False)
    name, sign, value, rest = lexer.take(), lexer.take(), lexer.take(), lexer.peek()
    if value.kind not in (TokenKind.TEXT, TokenKind.QUOTED) or rest.kind is not TokenKind.END:
        raise refused(f"Invalid filter: '{text}'. Expected one filter clause.")
    if sign.text != "=":
        raise refused(f"Invalid comparator: '{sign.text}', only '=' operator is supported")
    keys = _SUM_KEYS.get(name.prefix)
    if keys is None:
        raise refused(f"Invalid identifier {name.text!r}. Columns should be specified as 'trace.<key>', 'span.<key>'.")
    entity, _, key = name.text.partition(".")
    if entity not in keys:
        raise refused(f"Invalid entity '{entity}' specified for view type '{name.prefix}'. Valid are {list(keys)}")
    if keys[entity] != bool(key):
        raise refused(f"Filtering by {entity} {'requires a key' if keys[entity] else 'does not require a key'}")
    return name.prefix, name.text, value.text


def parse_issue_filter(text: str | None) -> list[tuple[str, str, str]]:
    """Returns key, comparator and value of each clause of a filter of issues; raises `ProtocolError`."""
    lexer = _TraceLexer(text or "", frozenset(), joined=False)
    found = []
    while (name := lexer.take()).kind is not TokenKind.END:
        if name.keyword == "and":
            continue
        sign, value = lexer.take(), lexer.take()
        if name.text not in ("status", "source_run_id") or name.prefix:
            raise refused(f"Invalid filter field '{name.text}'. Supported fields: ['source_run_id', 'status']")
        if sign.text not in ("=", "!="):
            raise refused(f"Invalid comparator '{sign.text}'. Supported comparators: ['!=', '=']")
        if value.kind not in (TokenKind.TEXT, TokenKind.QUOTED):
            raise refused(f"Expected a quoted string value for {name.text}. Got value {value.text}")
        found.append((name.text, sign.text, value.text))
    return found


class _TraceLexer(Lexer):
    """Reads `span.attributes.key` as one name; what is no token at all is an invalid clause."""

    def error(self, message: str, start: int, hint: str | None = None) -> ProtocolError:  # type: ignore[override]
        return refused(f"Invalid clause(s) in filter string: '{self.text[start : start + 80]}' ({message})")

    def _keyed(self, prefix: str, start: int, place: int) -> Token | None:
        found = super()._keyed(prefix, start, place)
        rest = self.text[found.end : found.end + 2] if found is not None else ""
        if found is not None and (prefix, found.text) in _DEEPER and rest in (".`", ".'", '."'):
            key, end = self._quoted(found.end + 1)
            return Token(TokenKind.NAME, f"{found.text}.{key}", start, end, prefix)
        return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lexer = _TraceLexer(text, frozenset(_ENTITIES), joined=False)

    def clauses(self) -> tuple[Clause, ...]:
        if not self._text.strip():
            raise refused(f"Invalid filter '{self._text}'. Could not be parsed.")
        found: list[Clause] = []
        while (token := self._lexer.peek()).kind is not TokenKind.END:
            if token.keyword == "and":
                self._lexer.take()
            else:
                found.append(self._clause())
        return tuple(found)

    def order(self) -> Order:
        token, direction, rest = self._lexer.take(), self._lexer.take(), self._lexer.peek()
        if token.kind not in (TokenKind.NAME, TokenKind.QUOTED) or rest.kind is not TokenKind.END:
            raise refused(f"Invalid order_by clause '{self._text}'. Could not be parsed.")
        if direction.kind is not TokenKind.END and direction.keyword not in ("asc", "desc"):
            raise refused(f"Invalid ordering key in order_by clause '{self._text}'.")
        entity, key = self._identifier(token, _ORDER_KEYS)
        if entity not in ("attribute", "tag", "metadata"):
            raise refused(f"Invalid identifier type '{entity}'")
        if entity == "metadata" and key in (TOKEN_USAGE, COST):
            raise refused(
                f"Ordering by reserved metadata '{key}' is not supported because it is represented by multiple columns."
            )
        return Order(entity, key, direction.keyword == "desc")

    # Clauses

    def _clause(self) -> Clause:
        name = self._lexer.take()
        if name.kind not in (TokenKind.NAME, TokenKind.QUOTED) or name.keyword in ("not", "or"):
            raise self._invalid(name)
        comparator = self._comparator()
        entity, key = self._identifier(name, _FILTER_KEYS)
        value = None if comparator in _NULLS else self._value(name, entity, key, comparator)
        _check(entity, key, comparator)
        return Clause(entity, key, comparator, value)

    def _invalid(self, token: Token) -> ProtocolError:
        found = self._text[token.start : token.end] or "the end"
        return refused(f"Invalid clause(s) in filter string: '{found}'")

    def _comparator(self) -> str:
        token = self._lexer.take()
        if token.kind is TokenKind.SYMBOL and token.text[0] in "=<>!" and token.text in _ORDERED:
            return token.text
        word = token.keyword
        if word in ("like", "ilike", "rlike", "in"):
            return word.upper()
        if word == "not" and self._lexer.peek().keyword == "in":
            self._lexer.take()
            return "NOT IN"
        if word == "is":
            second = self._lexer.take()
            negated = second.keyword == "not"
            third = self._lexer.take() if negated else second
            if third.keyword == "null":
                return "IS NOT NULL" if negated else "IS NULL"
        raise self._invalid(token)

    def _identifier(self, token: Token, attributes: frozenset[str]) -> tuple[str, str]:
        """Returns what a name is of, and its key; some keys mean something elsewhere, whatever they are of."""
        entity, key = _ENTITIES.get(token.prefix or "attribute"), token.text
        if entity is None or (not token.prefix and "." in key):
            named = token.prefix or key.split(".")[0]
            raise refused(f"Invalid entity type '{named}'. Valid values are {sorted(_ENTITIES)}")
        if entity == "attribute" and key not in attributes:
            raise refused(f"Invalid attribute key '{key}' specified. Valid keys are '{sorted(attributes)}'")
        if entity == "span":
            return entity, key
        found = _ELSEWHERE.get(key.lower())
        return found if found is not None else (entity, _RENAMED.get(key.lower(), key))

    # Values

    def _value(self, name: Token, entity: str, key: str, comparator: str) -> Any:
        token = self._lexer.take()
        assessed = entity in ("feedback", "expectation")
        if token.kind is TokenKind.SYMBOL and token.text == "(" and comparator in _IN and not assessed:
            if entity == "attribute" and key not in _LISTS:
                raise refused(
                    f"Only attributes in {sorted(_LISTS)} supports comparison with a list of quoted string values."
                )
            return self._list()
        if comparator in _IN:
            raise self._invalid(token)
        if token.kind in (TokenKind.TEXT, TokenKind.QUOTED) and self._text[token.start] != "e":
            return self._text_value(entity, key, comparator, token)
        number = self._number(token)
        if number is None or not self._takes_number(name, entity, key, comparator):
            found = self._text[token.start : token.end] or "nothing"
            raise refused(f"Expected a quoted string value for {entity} (e.g. 'my-value'). Got value {found}")
        return number

    def _text_value(self, entity: str, key: str, comparator: str, token: Token) -> Any:
        if entity in ("feedback", "expectation") and comparator in _ORDERED - {"=", "!="}:
            raise refused(
                f"Expected a numeric value for {entity} when using comparator '{comparator}'. Got value {token.text}"
            )
        if entity == "attribute" and key in NUMERIC:
            try:
                return int(token.text)
            except ValueError:
                raise refused(f"Invalid value for numeric attribute '{key}': '{token.text}'") from None
        return token.text

    def _takes_number(self, name: Token, entity: str, key: str, comparator: str) -> bool:
        if entity in ("feedback", "expectation"):
            return comparator in _ORDERED - {"=", "!="}
        return entity == "attribute" and key in NUMERIC

    def _number(self, token: Token) -> int | float | None:
        minus = token.kind is TokenKind.SYMBOL and token.text == "-"
        number = self._lexer.take() if minus else token
        if number.kind is not TokenKind.NUMBER:
            return None
        value = int(number.text) if number.text.isdigit() else float(number.text)
        return -value if minus else value

    def _list(self) -> tuple[str, ...]:
        items = []
        while True:
            token = self._lexer.take()
            if token.kind not in (TokenKind.TEXT, TokenKind.QUOTED):
                raise refused(
                    "While parsing a list in the query, expected a non-empty list of string values, but got "
                    f"ill-formed list: {self._text[token.start : token.end] or 'the end'}"
                )
            items.append(token.text)
            if not self._lexer.skip(",") or self._lexer.at(")"):
                break
        if not self._lexer.skip(")"):
            raise self._invalid(self._lexer.peek())
        return tuple(items)


def _check(entity: str, key: str, comparator: str) -> None:
    """Refuses a comparison that MLflow does not make."""
    allowed = _TEXT | _NULLS
    if entity == "attribute":
        allowed = _ORDERED if key in NUMERIC else _TEXT | _IN
    elif entity in ("feedback", "expectation"):
        allowed = _TEXT | _NULLS | _ORDERED
    elif entity == "span":
        allowed = _span_comparators(key)
    elif entity == "issue":
        if key != "id":
            raise refused(f"Invalid issue attribute '{key}'. Supported attributes: id")
        allowed = frozenset({"="})
    elif key == PROMPTS_TAG:
        allowed = frozenset({"="})
    if comparator not in allowed:
        raise refused(f"{entity}.{key} comparator '{comparator}' not one of '{sorted(allowed)}'")


def _span_comparators(key: str) -> frozenset[str]:
    if key == CONTENT:
        return frozenset({"LIKE", "ILIKE"})
    if key in _SPAN_KEYS or (key.startswith("attributes.") and len(key) > len("attributes.")):
        return _TEXT | _IN
    raise refused(
        f"Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
    )
