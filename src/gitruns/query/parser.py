"""The query language: text to tree, by recursive descent.

    query       := [or]
    or          := and {OR and}
    and         := not {[AND] not}              a space between two conditions is AND
    not         := {NOT} condition
    condition   := git | value test | truth | '(' or ')'
    test        := = != < <= > >= value | [NOT] IN (items) | [NOT] BETWEEN value AND value
                 | [NOT] LIKE text | [NOT] ILIKE text | [NOT] REGEXP text | IS [NOT] NULL | IS [NOT] NAN
    git         := IN range | ANCESTOR OF revision | SAME CODE AS run | TOUCHED path | AS OF moment-or-revision
    value       := terms with + - * / and parentheses (`operands`)

Everything that MLflow's filters can say is said the same way here and means the same. Depth and length are limited.
"""

from __future__ import annotations

from gitruns.query.ast import (
    EVERYTHING,
    LITERALS,
    VALUES,
    Among,
    And,
    Between,
    Comparison,
    Condition,
    Is,
    Literal,
    Match,
    Not,
    Or,
    Truth,
    Value,
)
from gitruns.query.fields import RUNS, Subject
from gitruns.query.git_terms import GitTerms
from gitruns.query.kinds import Kind, kind_of
from gitruns.query.operands import Node, Operands
from gitruns.query.pointing import quoted
from gitruns.query.tokens import Token, TokenKind

_COMPARATORS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MATCHES = ("like", "ilike", "regexp")


def parse(text: str, subject: Subject = RUNS) -> Condition:
    """Returns the tree of a query in our own language; of nothing: true of every run.

    Raises `InvalidInputError` (kind `bad-query`) pointing at the column.
    """
    return Parser(text, subject).whole()


class Parser(GitTerms, Operands):
    """Parses one query."""

    def whole(self) -> Condition:
        """Returns the tree of the whole text."""
        if self.lexer.peek().kind is TokenKind.END:
            return EVERYTHING
        found = self.disjunction()
        self._expect_end()
        return self.as_condition(found)

    def _expect_end(self) -> None:
        token = self.lexer.peek()
        if token.kind is not TokenKind.END:
            raise self.unexpected(token, "AND, OR or the end")

    def disjunction(self) -> Node:
        """Parses conditions joined with OR, or a single value."""
        first = self._conjunction()
        if self.lexer.peek().keyword != "or":
            return first
        found = [self.as_condition(first)]
        while self.lexer.peek().keyword == "or":
            self.lexer.take()
            found.append(self.as_condition(self._conjunction()))
        return Or(tuple(found))

    def _conjunction(self) -> Node:
        # MLflow lets ANDs stand before, after and beside each other, and leaves them out.
        found: list[Node] = []
        ands = 0
        while True:
            while self.lexer.peek().keyword == "and":
                self.lexer.take()
                ands += 1
            token = self.lexer.peek()
            if token.kind is TokenKind.END or token.keyword == "or" or token.text == ")":
                break
            if found:
                found[-1] = self.as_condition(found[-1])
            elif not self._begins_condition(token):
                break
            if not self._begins_condition(token):
                raise self.unexpected(token, "AND, OR or the end")
            found.append(self._negation())
        if not found:
            token = self.lexer.peek()
            if ands and token.kind is TokenKind.END:
                return EVERYTHING
            raise self.unexpected(token, "a condition, as in: acc > 0.9")
        if len(found) == 1:
            return self.as_condition(found[0]) if ands else found[0]
        return And(tuple(self.as_condition(one) for one in found))

    def _begins_condition(self, token: Token) -> bool:
        return token.kind is not TokenKind.SYMBOL or token.text in ("(", "-", "+")

    def _negation(self) -> Node:
        negations = 0
        while self.lexer.peek().keyword == "not":
            token = self.lexer.take()
            self.deeper(token)
            negations += 1
        found = self._condition()
        for _ in range(negations):
            found = Not(self.as_condition(found))
            self.shallower()
        return found

    def _condition(self) -> Node:
        term = self.git_term()
        if term is not None:
            return term
        found = self.sum()
        token = self.lexer.peek()
        if token.kind is TokenKind.SYMBOL and token.text in _COMPARATORS:
            return self._comparison(self.as_value(found, token), self.lexer.take())
        word = token.keyword
        if word not in ("in", "not", "between", "is", *_MATCHES):
            return found
        if word == "in" and not isinstance(found, VALUES):
            return found  # a range of commits, joined to the condition before it by a space
        if word == "not" and self.lexer.following_word() not in ("in", "between", *_MATCHES):
            return found
        return self._test(self.as_value(found, token))

    def _test(self, value: Value) -> Condition:
        token = self.lexer.take()
        negated = token.keyword == "not"
        if negated:
            token = self.lexer.take()
        if token.keyword == "in":
            return self._among(value, negated, token)
        if token.keyword == "between":
            return self._between(value, negated, token)
        if token.keyword == "is":
            return self._is(value, token)
        return self._match(value, negated, token)

    def _comparison(self, left: Value, operator: Token) -> Condition:
        name = _COMPARATORS[operator.text]
        right = self.operand_beside(left)
        if isinstance(left, LITERALS) and not isinstance(right, LITERALS):
            left, right, name = right, self.beside(right, left), _MIRRORED[name]
        return self.check.comparison(Comparison(name, left, right, operator.start))

    def _among(self, value: Value, negated: bool, token: Token) -> Condition:
        self._expect_symbol("(", "( and a list, as in: status in (failed, killed)")
        items = [self._item(value)]
        while self.lexer.skip(",") and not self.lexer.at(")"):  # MLflow lets a comma end a list
            items.append(self._item(value))
        self._expect_symbol(")", "a comma or )")
        return self.check.among(Among(value, tuple(items), negated, token.start))

    def _expect_symbol(self, symbol: str, wanted: str) -> None:
        token = self.lexer.take()
        if token.kind is not TokenKind.SYMBOL or token.text != symbol:
            raise self.unexpected(token, wanted)

    def _item(self, value: Value) -> Literal:
        item = self.operand_beside(value)
        if not isinstance(item, LITERALS):
            raise self.lexer.error(
                "a list holds text and numbers", item.column, "text goes in quotes: model in ('cnn', 'mlp')"
            )
        return item

    def _between(self, value: Value, negated: bool, token: Token) -> Condition:
        low = self.operand_beside(value)
        middle = self.lexer.take()
        if middle.keyword != "and":
            raise self.unexpected(middle, "AND and the upper end, as in: lr between 0.01 and 0.1")
        high = self.operand_beside(value)
        return self.check.between(Between(value, low, high, negated, token.start))

    def _is(self, value: Value, token: Token) -> Condition:
        word = self.lexer.take()
        negated = word.keyword == "not"
        if negated:
            word = self.lexer.take()
        if word.keyword not in ("null", "nan"):
            raise self.unexpected(word, "NULL, NOT NULL, NAN or NOT NAN")
        return self.check.is_(Is(value, word.keyword, negated, token.start))

    def _match(self, value: Value, negated: bool, token: Token) -> Condition:
        pattern = self.lexer.take()
        if pattern.kind not in (TokenKind.TEXT, TokenKind.QUOTED):
            raise self.unexpected(pattern, f"text in quotes after {token.text.upper()}")
        return self.check.match(Match(token.text.upper(), value, pattern.text, negated, token.start))

    # Values as conditions

    def as_value(self, node: Node, token: Token) -> Value:
        """Returns the node where only a value fits; `token` is what wants one."""
        if isinstance(node, VALUES):
            return node
        raise self.lexer.error(f"{quoted(token.text)} after a condition", token.start, "join conditions with AND or OR")

    def as_condition(self, node: Node) -> Condition:
        """Returns the node where only a condition fits: a field that holds true or false is one."""
        if not isinstance(node, VALUES):
            return node
        if kind_of(node, self.subject) is Kind.TRUTH and not isinstance(node, Truth):
            return Comparison("=", node, Truth(True), node.column)
        shown = self.lexer.text[node.column : node.column + 20].split()[:1]
        raise self.lexer.error(
            "a value alone is no condition", node.column, f"compare it, or ask: {''.join(shown)} is not null"
        )
