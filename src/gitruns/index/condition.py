"""Conditions of a query as SQL.

SQL has three truth values and the language two: what SQL does not know is false. Under AND and OR that needs nothing;
what is negated is made false first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from gitruns.index.functions import as_glob, compile_regexp, fold
from gitruns.index.git_conditions import GitConditions
from gitruns.index.operand import Operand, Operands, is_huge
from gitruns.index.scope import Scope
from gitruns.query.ast import (
    Among,
    And,
    Between,
    Comparison,
    Condition,
    Entity,
    Field,
    Is,
    Length,
    Literal,
    Match,
    Moment,
    Not,
    Number,
    Or,
    Text,
    Value,
)
from gitruns.query.kinds import Kind, Mode, kind_of, mode_of
from gitruns.query.moments import Span, span_of, span_of_length


class Conditions:
    """Compiles conditions into a scope."""

    def __init__(self, scope: Scope, operands: Operands, git: GitConditions, now: datetime) -> None:
        self._scope = scope
        self._operands = operands
        self._git = git
        self._now = now
        self._subject = scope.layout.subject

    def compile(self, tree: Condition) -> str:
        """Returns the SQL of a whole query; keys that every match must have are required of the scope."""
        self._require(tree)
        return self._condition(tree)

    # What every match must have

    def _require(self, tree: Condition) -> None:
        for one in tree.conditions if isinstance(tree, And) else (tree,):
            if isinstance(one, And):
                self._require(one)
            elif isinstance(one, (Comparison, Among, Between, Match)) or (isinstance(one, Is) and one.negated):
                for operand in self._operands_of(one):
                    for key in operand.requires:
                        self._scope.require(key)

    def _operands_of(self, tree: Comparison | Among | Between | Match | Is) -> Iterable[Operand]:
        if isinstance(tree, Comparison):
            values: Sequence[Value] = (tree.left, tree.right)
        elif isinstance(tree, Between):
            values = (tree.value, tree.low, tree.high)
        else:
            values = (tree.value,)
        return [self._plain(value) for value in values if self._is_stored(value)]

    def _plain(self, value: Value) -> Operand:
        return self._operands.field(value) if isinstance(value, Field) else self._operands.number(value)

    def _is_stored(self, value: Value) -> bool:
        # A literal is no row; a dataset's and a commit's rows are not the run's own.
        if isinstance(value, Field):
            kind = kind_of(value, self._subject)
            return kind in (Kind.EITHER, Kind.NUMBER) and value.entity is not Entity.ATTRIBUTE
        return not isinstance(value, (Text, Number, Length, Moment)) and kind_of(value, self._subject) is Kind.NUMBER

    # Conditions

    def _condition(self, tree: Condition) -> str:
        if isinstance(tree, And):
            return _joined([self._condition(one) for one in tree.conditions], "AND") or "1"
        if isinstance(tree, Or):
            return _joined([self._condition(one) for one in tree.conditions], "OR") or "0"
        if isinstance(tree, Not):
            return self._negation(tree)
        if isinstance(tree, Comparison):
            return self._comparison(tree.operator, tree.left, tree.right)
        if isinstance(tree, Among):
            return self._among(tree)
        if isinstance(tree, Between):
            return self._between(tree)
        if isinstance(tree, Match):
            return self._match(tree)
        if isinstance(tree, Is):
            return self._is(tree)
        return self._git.term(tree)

    def _negation(self, tree: Not) -> str:
        negations, inner = 1, tree.condition
        while isinstance(inner, Not):
            negations, inner = negations + 1, inner.condition
        return f"{'NOT ' if negations % 2 else ''}coalesce({self._condition(inner)}, 0)"

    def _comparison(self, operator: str, left: Value, right: Value) -> str:
        mode = mode_of(kind_of(left, self._subject), kind_of(right, self._subject))
        if mode is Mode.TEXT:
            return _compared(operator, self._operands.text(left), self._operands.text(right), "text")
        if mode is Mode.TRUTH:
            return _compared(operator, self._truth(left), self._truth(right), "number")
        if mode is Mode.EITHER:
            return self._either(operator, self._operands.number(left), self._operands.number(right))
        if mode is Mode.TIME:
            return self._time(operator, left, right)
        if mode is Mode.COMMIT and isinstance(right, Text):
            return self._git.commit(operator, right)
        if mode is Mode.AUTHOR and isinstance(right, Text):
            return self._git.author(operator, lambda author: is_author(author, right.value))
        if mode is Mode.DATASET:
            return self._dataset(left, f"{{}} {operator} {self._operands.text(right).text}")
        return self._number(operator, left, right)

    def _number(self, operator: str, left: Value, right: Value) -> str:
        first, second = self._operands.number(left), self._operands.number(right)
        if is_huge(right) and first.exact is not None and isinstance(right, Number):
            order = f"gr_order({first.exact}, {self._scope.bind(repr(right.value))})"
            return _negatable(operator, f"{order} {{}} 0", [first])
        return _compared(operator, first, second, "number")

    def _either(self, operator: str, left: Operand, right: Operand) -> str:
        """Compares as numbers where both are; equal are also equal texts."""
        numbers = f"{left.number} {{}} {right.number}"
        if operator not in ("=", "!="):
            return numbers.format(operator)
        texts = f"coalesce({left.text or 'NULL'} = {right.text or 'NULL'}, 0)"
        return _negatable(operator, f"(coalesce({numbers.format('=')}, 0) OR {texts}) {{}} 1", [left, right])

    def _truth(self, value: Value) -> Operand:
        kind = kind_of(value, self._subject)
        if isinstance(value, Field) and kind is Kind.TRUTH:
            return self._operands.attribute(value.key)
        return self._operands.truth(value)

    def _time(self, operator: str, left: Value, right: Value) -> str:
        if isinstance(left, (Moment, Length)):
            left, right = right, left
        time = self._operands.number(left)
        span = self._span(right)
        start, end = self._scope.bind(span.start), self._scope.bind(span.end)
        within = f"({time.number} >= {start} AND {time.number} < {end})"
        if operator == "=":
            return within
        if operator == "!=":
            return f"({time.present} AND NOT {within})"
        return (
            f"{time.number} " + {"<": f"< {start}", "<=": f"< {end}", ">": f">= {end}", ">=": f">= {start}"}[operator]
        )

    def _span(self, value: Value) -> Span:
        if isinstance(value, Length):
            return span_of_length(value.amount, value.unit, self._now)
        assert isinstance(value, Moment)  # noqa: S101  as the mode says
        return span_of(value.text, self._now)

    def _dataset(self, field: Value, test: str) -> str:
        """Returns the condition that one of the run's datasets passes the test."""
        assert isinstance(field, Field)  # noqa: S101  as the mode says
        column = f"i.{field.key}"  # one of the three names that a dataset has
        return f"EXISTS (SELECT 1 FROM inputs i WHERE i.run = r.run AND {test.format(column)})"  # noqa: S608

    # Tests

    def _among(self, tree: Among) -> str:
        kind = kind_of(tree.value, self._subject)
        texts = [item for item in tree.items if isinstance(item, Text)]
        if kind is Kind.DATASET:
            word = "NOT IN" if tree.negated else "IN"
            return self._dataset(tree.value, f"{{}} {word} ({self._listed(item.value for item in texts)})")
        found: list[str] = []
        others: list[Literal] = [item for item in tree.items if not isinstance(item, Text)]
        if texts and kind in (Kind.TEXT, Kind.EITHER):
            found.append(f"{self._operands.text(tree.value).text} IN ({self._listed(item.value for item in texts)})")
        else:
            others = list(tree.items)
        found += [self._comparison("=", tree.value, item) for item in others]
        condition = _joined(found, "OR")
        return f"({self._present(tree.value)} AND NOT coalesce({condition}, 0))" if tree.negated else condition

    def _listed(self, values: Iterable[object]) -> str:
        return ", ".join(map(self._scope.bind, values))

    def _between(self, tree: Between) -> str:
        low = self._comparison(">=", tree.value, tree.low)
        high = self._comparison("<=", tree.value, tree.high)
        if not tree.negated:
            return f"({low} AND {high})"
        present = " AND ".join(map(self._present, (tree.value, tree.low, tree.high)))
        return f"({present} AND NOT coalesce({low} AND {high}, 0))"

    def _match(self, tree: Match) -> str:
        kind = kind_of(tree.value, self._subject)
        if kind is Kind.AUTHOR:
            test = self._git.text_test(tree)
            return self._git.author("!=" if tree.negated else "=", test)
        if kind is Kind.DATASET:
            test_sql = self._pattern(tree, "{}")
            return self._dataset(tree.value, f"NOT {test_sql}" if tree.negated else test_sql)
        operand = self._operands.text(tree.value)
        condition = self._pattern(tree, operand.text or "NULL")
        return f"({operand.present} AND NOT coalesce({condition}, 0))" if tree.negated else condition

    def _pattern(self, tree: Match, text: str) -> str:
        if tree.operator == "REGEXP":
            self._git.checked(tree.column, lambda: compile_regexp(tree.pattern))
            return f"gr_regexp({self._scope.bind(tree.pattern)}, {text})"
        glob = None if self._holds_nul() else as_glob(tree.pattern)
        if tree.operator == "LIKE":
            if glob is None:
                return f"gr_like({self._scope.bind(tree.pattern)}, {text})"
            return f"{text} GLOB {self._scope.bind(glob)}"
        if glob is None or not tree.pattern.isascii():
            return f"gr_ilike({self._scope.bind(fold(tree.pattern))}, {text})"
        return f"{text} LIKE {self._scope.bind(tree.pattern)}"

    def _holds_nul(self) -> bool:
        """Returns whether some text in the index has a NUL, where SQLite's own patterns would stop."""
        row = self._scope.connection.execute("SELECT 1 FROM meta WHERE name = 'nul'").fetchone()
        return row is not None

    def _is(self, tree: Is) -> str:
        if tree.what == "nan":
            operand = self._plain(tree.value)
            if tree.negated:
                return f"({operand.present} AND NOT coalesce({operand.nan}, 0))"
            return operand.nan
        present = self._present(tree.value)
        return present if tree.negated else f"NOT ({present})"

    def _present(self, value: Value) -> str:
        """Returns the condition that the run has a value; never NULL."""
        kind = kind_of(value, self._subject)
        if isinstance(value, (Text, Moment, Length, Number)):
            return "1"
        if kind is Kind.COMMIT:
            return self._git.has_source()
        if kind is Kind.AUTHOR:
            return self._git.has_author()
        if kind is Kind.DATASET:
            return self._dataset(value, "{} IS NOT NULL")
        return self._plain(value).present


def _compared(operator: str, left: Operand, right: Operand, what: str) -> str:
    first, second = getattr(left, what) or "NULL", getattr(right, what) or "NULL"
    return _negatable(operator, f"{first} {{}} {second}", [left, right])


def _negatable(operator: str, test: str, operands: list[Operand]) -> str:
    """Returns a test with its operator; `!=` holds where the values are there and not equal, NaN too."""
    if operator != "!=":
        return test.format(operator)
    present = " AND ".join(dict.fromkeys(one.present for one in operands if one.present != "1")) or "1"
    return f"({present} AND NOT coalesce({test.format('=')}, 0))"


def _joined(conditions: list[str], word: str) -> str:
    """Returns conditions joined in a tree of little depth: SQLite allows a depth of 1,000."""
    if len(conditions) <= 2:
        return f"({f' {word} '.join(conditions)})" if conditions else ""
    middle = len(conditions) // 2
    return f"({_joined(conditions[:middle], word)} {word} {_joined(conditions[middle:], word)})"


def is_author(author: str, name: str) -> bool:
    """Returns whether an author (`Ada Lovelace <ada@example.org>`) is called that, or has that address."""
    written, _, address = author.rpartition(" <")
    return name in (author, written, address.removesuffix(">"))
