"""What a query is made of, seen in passing."""

from __future__ import annotations

from collections.abc import Iterator

from gitruns.query.ast import (
    Among,
    And,
    Arithmetic,
    Between,
    Comparison,
    Condition,
    Is,
    Match,
    Negative,
    Not,
    Or,
    Text,
    Value,
)


def values_in(tree: Condition) -> Iterator[tuple[Value, bool]]:
    """Yields the values that a query looks at, from left to right, each with whether it is looked at as text."""
    if isinstance(tree, (And, Or)):
        for one in tree.conditions:
            yield from values_in(one)
    elif isinstance(tree, Not):
        yield from values_in(tree.condition)
    elif isinstance(tree, Comparison):
        yield tree.left, isinstance(tree.right, Text)
        yield tree.right, False
    elif isinstance(tree, Between):
        yield from ((value, False) for value in (tree.value, tree.low, tree.high))
    elif isinstance(tree, (Among, Match, Is)):
        as_text = isinstance(tree, Match)
        if isinstance(tree, Among):
            as_text = all(isinstance(item, Text) for item in tree.items)
        yield tree.value, as_text


def leaves_of(value: Value) -> Iterator[Value]:
    """Yields what a value is calculated from, itself when it is not calculated."""
    if isinstance(value, Arithmetic):
        yield from leaves_of(value.left)
        yield from leaves_of(value.right)
    elif isinstance(value, Negative):
        yield from leaves_of(value.value)
    else:
        yield value
