"""What to order by: `-acc`, `val_loss`, `metrics.acc DESC`, `min(loss)`."""

from __future__ import annotations

from collections.abc import Iterable

from gitruns.query.ast import LITERALS, VALUES, OrderItem
from gitruns.query.fields import RUNS, Subject
from gitruns.query.kinds import Kind, kind_of
from gitruns.query.operands import Node
from gitruns.query.parser import Parser
from gitruns.query.tokens import TokenKind

_ORDERED = (Kind.NUMBER, Kind.EITHER, Kind.TEXT, Kind.TIME, Kind.TRUTH)


def parse_order(texts: Iterable[str], subject: Subject = RUNS) -> tuple[OrderItem, ...]:
    """Returns what to order by, in turn; a text may hold several, between commas.

    A minus before the name, or DESC after it, puts the greatest first. Raises `InvalidInputError` (`bad-query`).
    """
    if isinstance(texts, str):
        texts = (texts,)
    return tuple(item for text in texts for item in _OrderParser(text, subject).items())


class _OrderParser(Parser):
    def items(self) -> list[OrderItem]:
        found = [self._item_to_order()]
        while self.lexer.peek().kind is TokenKind.SYMBOL and self.lexer.peek().text == ",":
            self.lexer.take()
            found.append(self._item_to_order())
        if self.lexer.peek().kind is not TokenKind.END:
            raise self.unexpected(self.lexer.peek(), "ASC, DESC, a comma or the end")
        return found

    def _item_to_order(self) -> OrderItem:
        sign = self._sign()
        start = self.lexer.peek().start
        value = self.sum()
        if not isinstance(value, VALUES) or isinstance(value, LITERALS) or not self._has_order(value):
            raise self.lexer.error("this has no order", start, "order by a field, as in: -acc, or: params.lr DESC")
        return OrderItem(value, self._direction(sign))

    def _sign(self) -> bool | None:
        token = self.lexer.peek()
        if token.kind is not TokenKind.SYMBOL or token.text not in "+-":
            return None
        self.lexer.take()
        return token.text == "-"

    def _has_order(self, value: Node) -> bool:
        return isinstance(value, VALUES) and kind_of(value, self.subject) in _ORDERED

    def _direction(self, sign: bool | None) -> bool:
        token = self.lexer.peek()
        if token.keyword not in ("asc", "desc"):
            return bool(sign)
        if sign is not None:
            raise self.lexer.error("the direction is said twice", token.start, "write -acc, or: acc DESC")
        self.lexer.take()
        return token.keyword == "desc"
