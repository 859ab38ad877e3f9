"""The language as a plain scan over runs: what the index must agree with.

Written from the documentation and not from the compiler: each value is worked out for one run at a time, in Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key

from gitruns.entities.experiment import Experiment
from gitruns.entities.run import Lifecycle, Run
from gitruns.entities.values import param_text
from gitruns.index import Points, Revisions
from gitruns.query import RUNS, ast
from gitruns.query.ast import Entity
from gitruns.query.fields import Holds
from gitruns.query.moments import UNITS_MS, span_of
from gitruns.query.numbers import number_in

Number = int | float


@dataclass(frozen=True)
class Value:
    """What a run has: `there`, its number (None: no number; NaN is one), its text (None: it has no text)."""

    there: bool
    number: Number | None = None
    text: str | None = None

    @property
    def usable(self) -> Number | None:
        return None if self.number is None or self.number != self.number else self.number


MISSING = Value(False)
Test = Callable[[Number, Number], bool]
TESTS: Mapping[str, Test] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Scan:
    """Evaluates queries over runs."""

    def __init__(
        self,
        runs: Sequence[Run],
        experiments: Sequence[Experiment],
        now: datetime,
        revisions: Revisions | None = None,
        points: Points | None = None,
    ) -> None:
        self.runs = runs
        self.experiments = {one.id: one for one in experiments}
        self.now = now
        self.revisions = revisions
        self.points = points

    # Values

    def value(self, run: Run, value: ast.Value) -> Value:
        if isinstance(value, ast.Number):
            return Value(True, value.value)
        if isinstance(value, ast.Length):
            return Value(True, value.amount * UNITS_MS[value.unit])
        if isinstance(value, ast.Text):
            return Value(True, text=value.value)
        if isinstance(value, ast.Truth):
            return Value(True, text="true" if value.value else "false")
        if isinstance(value, ast.Summary):
            metric = run.metrics.get(value.metric)
            return MISSING if metric is None else Value(True, getattr(metric, value.function))
        if isinstance(value, ast.AtStep):
            assert self.points is not None
            found = self.points.values_at([run.info.id], value.metric, value.step).get(run.info.id)
            return MISSING if found is None or value.metric not in run.metrics else Value(True, found)
        if isinstance(value, ast.Field):
            return self.field(run, value)
        if isinstance(value, ast.Negative):
            inner = self.value(run, value.value)
            return Value(inner.there, math.nan if inner.usable is None else -as_float(inner.usable))
        assert isinstance(value, ast.Arithmetic)
        left, right = self.value(run, value.left), self.value(run, value.right)
        if not left.there or not right.there:
            return MISSING
        if left.usable is None or right.usable is None:
            return Value(True, math.nan)
        return Value(True, calculate(value.operator, as_float(left.usable), as_float(right.usable)))

    def field(self, run: Run, field: ast.Field) -> Value:
        if field.entity is Entity.METRIC:
            metric = run.metrics.get(field.key)
            return MISSING if metric is None else Value(True, metric.last)
        if field.entity is Entity.PARAM:
            return self.param(run, field.key)
        if field.entity is Entity.TAG:
            return self.tag(run, field.key)
        if field.entity is Entity.BARE:
            candidates = [
                self.field(run, ast.Field(Entity.METRIC, field.key)),
                self.param(run, field.key),
                self.tag(run, field.key),
            ]
            return next((one for one in candidates if one.there), MISSING)
        return self.attribute(run, field.key)

    def as_text(self, run: Run, value: ast.Value) -> Value:
        if isinstance(value, ast.Field) and value.entity is Entity.BARE:
            param = self.param(run, value.key)
            return param if param.there else self.tag(run, value.key)
        return self.value(run, value)

    def param(self, run: Run, key: str) -> Value:
        if key not in run.params:
            return MISSING
        value = run.params[key]
        text = param_text(value)
        if value is None or isinstance(value, bool):
            return Value(True, None, text)
        return Value(True, number_in(value) if isinstance(value, str) else value, text)

    def tag(self, run: Run, key: str) -> Value:
        return Value(True, number_in(run.tags[key]), run.tags[key]) if key in run.tags else MISSING

    def attribute(self, run: Run, name: str) -> Value:
        info, source = run.info, run.info.source
        texts = {
            "run_id": info.id,
            "run_name": info.name,
            "status": info.status.value,
            "user_id": info.user,
            "artifact_uri": f"file:/store/{info.id}/artifacts",
            "experiment_id": info.experiment_id,
            "experiment": self.experiments[info.experiment_id].name if info.experiment_id in self.experiments else None,
            "lifecycle_stage": "deleted" if self.is_deleted(run) else "active",
            "parent_run_id": info.parent_run_id,
            "host": info.host,
            "entry_point": info.entry_point,
            "command": " ".join(info.command),
            "note": run.tags.get("mlflow.note.content"),
            "error": info.error,
            "branch": source.branch,
            "remote_url": source.remote_url,
        }
        if name in texts:
            text = texts[name]
            return MISSING if text is None else Value(True, None, text)
        end = info.end_time_ms
        numbers = {
            "start_time": info.start_time_ms,
            "end_time": end,
            "duration": None if end is None else end - info.start_time_ms,
            "exit_code": info.exit_code,
            "dropped": info.dropped,
        }
        if name in numbers:
            number = numbers[name]
            return MISSING if number is None else Value(True, number)
        truths = {"live": run.live, "dirty": source.dirty, "incomplete": source.incomplete}
        return Value(True, None, "true" if truths[name] else "false")

    def is_deleted(self, run: Run) -> bool:
        experiment = self.experiments.get(run.info.experiment_id)
        hidden = experiment is not None and experiment.lifecycle is Lifecycle.DELETED
        return hidden or run.info.lifecycle is Lifecycle.DELETED

    # Conditions

    def holds(self, run: Run, tree: ast.Condition) -> bool:
        if isinstance(tree, ast.And):
            return all(self.holds(run, one) for one in tree.conditions)
        if isinstance(tree, ast.Or):
            return any(self.holds(run, one) for one in tree.conditions)
        if isinstance(tree, ast.Not):
            return not self.holds(run, tree.condition)
        if isinstance(tree, ast.Comparison):
            return self.compare(run, tree.operator, tree.left, tree.right)
        if isinstance(tree, ast.Among):
            return self.among(run, tree)
        if isinstance(tree, ast.Between):
            inside = self.compare(run, ">=", tree.value, tree.low) and self.compare(run, "<=", tree.value, tree.high)
            there = all(self.is_there(run, one) for one in (tree.value, tree.low, tree.high))
            return there and not inside if tree.negated else inside
        if isinstance(tree, ast.Match):
            return self.match(run, tree)
        if isinstance(tree, ast.Is):
            return self.is_(run, tree)
        return self.git(run, tree)

    def is_there(self, run: Run, value: ast.Value) -> bool:
        if isinstance(value, ast.Moment):
            return True
        if held(value) in (Holds.COMMIT, Holds.AUTHOR):
            return self.author_of(run) is not None if held(value) is Holds.AUTHOR else bool(commits_of(run))
        return self.value(run, value).there

    def compare(self, run: Run, operator: str, left: ast.Value, right: ast.Value) -> bool:
        if held(left) is Holds.TIME and isinstance(right, (ast.Moment, ast.Length)):
            return self.compare_time(run, operator, left, right)
        if held(left) is Holds.COMMIT:
            assert self.revisions is not None and isinstance(right, ast.Text)
            is_it = self.revisions.commit(right.value) in commits_of(run)
            return is_it if operator == "=" else bool(commits_of(run)) and not is_it
        if held(left) is Holds.AUTHOR:
            assert isinstance(right, ast.Text)
            author = self.author_of(run)
            return author is not None and is_called(author, right.value) == (operator == "=")
        if isinstance(left, ast.Field) and left.entity is Entity.DATASET:
            assert isinstance(right, ast.Text)
            found = [text for text in datasets(run, left.key) if text is not None]
            return any((text == right.value) == (operator == "=") for text in found)
        if is_truth(left) or is_truth(right):
            return self.compare_truth(run, operator, left, right)
        if is_text(left) or is_text(right):
            return self.compare_text(run, operator, self.as_text(run, left), self.as_text(run, right))
        if is_either(left) and is_either(right):
            return self.compare_either(run, operator, left, right)
        return self.compare_numbers(operator, self.value(run, left), self.value(run, right), right)

    def compare_numbers(self, operator: str, left: Value, right: Value, literal: ast.Value) -> bool:
        if not left.there or not right.there:
            return False
        first, second = left.usable, right.usable
        if not isinstance(literal, ast.Number):  # only beside a number in the query are huge integers exact
            first, second = nearest(first), nearest(second)
        elif left.text is None:
            second = nearest(second)
        if operator == "!=":
            return first is None or second is None or first != second
        return first is not None and second is not None and TESTS[operator](first, second)

    def compare_text(self, run: Run, operator: str, left: Value, right: Value) -> bool:
        if not left.there or not right.there or left.text is None or right.text is None:
            return False
        if operator == "!=":
            return left.text != right.text
        one, other = left.text, right.text
        return {"=": one == other, "<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator]

    def compare_truth(self, run: Run, operator: str, left: ast.Value, right: ast.Value) -> bool:
        one, other = self.as_text(run, left), self.as_text(run, right)
        if not one.there or not other.there:
            return False
        equal = one.text is not None and other.text is not None and truth(one.text) is not None
        equal = equal and truth(one.text or "") == truth(other.text or "")
        return equal if operator == "=" else not equal

    def compare_either(self, run: Run, operator: str, left: ast.Value, right: ast.Value) -> bool:
        one, other = self.value(run, left), self.value(run, right)
        if not one.there or not other.there:
            return False
        first, second = nearest(one.usable), nearest(other.usable)
        if operator not in ("=", "!="):
            return first is not None and second is not None and TESTS[operator](first, second)
        texts = (self.as_text(run, left).text, self.as_text(run, right).text)
        equal = (first is not None and first == second) or (None not in texts and texts[0] == texts[1])
        return equal if operator == "=" else not equal

    def compare_time(self, run: Run, operator: str, left: ast.Value, right: ast.Value) -> bool:
        time = self.value(run, left).number
        if time is None:
            return False
        if isinstance(right, ast.Length):
            start = ms(self.now) + right.amount * UNITS_MS[right.unit]
            end = start + 1
        else:
            assert isinstance(right, ast.Moment)
            start, end = span_of(right.text, self.now)
        within = start <= time < end
        by_operator = {"=": within, "!=": not within, "<": time < start, "<=": time < end, ">": time >= end}
        return by_operator.get(operator, time >= start)

    def among(self, run: Run, tree: ast.Among) -> bool:
        value = tree.value
        if isinstance(value, ast.Field) and value.entity is Entity.DATASET:
            listed = [item.value for item in tree.items if isinstance(item, ast.Text)]
            return any((text in listed) != tree.negated for text in datasets(run, value.key) if text is not None)
        found = any(self.compare(run, "=", value, item) for item in tree.items)
        return self.is_there(run, value) and not found if tree.negated else found

    def match(self, run: Run, tree: ast.Match) -> bool:
        value = tree.value
        if held(value) is Holds.AUTHOR:
            author = self.author_of(run)
            return author is not None and matches(tree, author) != tree.negated
        if isinstance(value, ast.Field) and value.entity is Entity.DATASET:
            return any(matches(tree, text) != tree.negated for text in datasets(run, value.key) if text is not None)
        found = self.as_text(run, value)
        if not found.there or found.text is None:
            return False
        return matches(tree, found.text) != tree.negated

    def is_(self, run: Run, tree: ast.Is) -> bool:
        if tree.what == "null":
            if isinstance(tree.value, ast.Field) and tree.value.entity is Entity.DATASET:
                there = any(text is not None for text in datasets(run, tree.value.key))
            else:
                there = self.is_there(run, tree.value)
            return there == tree.negated
        value = self.value(run, tree.value)
        is_nan = value.number is not None and value.number != value.number
        return value.there and is_nan != tree.negated

    def git(self, run: Run, tree: ast.GitTerm) -> bool:
        if isinstance(tree, ast.AsOf):
            return run.info.start_time_ms < self.end_of(tree.when)
        assert self.revisions is not None
        if isinstance(tree, ast.SameCode):
            source = run.info.source
            return bool({source.code_tree, source.snapshot_tree} & set(self.revisions.trees_of(tree.run)))
        if isinstance(tree, ast.InRange):
            commits = self.revisions.commits_in(tree.range)
        elif isinstance(tree, ast.AncestorOf):
            commits = self.revisions.ancestors_of(tree.revision)
        else:
            commits = self.revisions.touching(tree.path)
        return bool(commits_of(run) & set(commits))

    def end_of(self, when: ast.Moment | ast.Length | ast.Text) -> float:
        if isinstance(when, ast.Moment):
            return span_of(when.text, self.now).end
        if isinstance(when, ast.Length):
            return ms(self.now) + when.amount * UNITS_MS[when.unit] + 1
        assert self.revisions is not None
        return self.revisions.time_ms(when.value) + 1

    def author_of(self, run: Run) -> str | None:
        commit = run.info.source.base or run.info.source.commit
        assert self.revisions is not None
        return None if commit is None else self.revisions.authors([commit]).get(commit)

    # A whole search

    def search(
        self,
        tree: ast.Condition,
        order: Sequence[ast.OrderItem] = (),
        *,
        experiments: Sequence[str] | None = None,
        lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
        text_order: bool = False,
    ) -> list[str]:
        found = [
            run
            for run in self.runs
            if (experiments is None or run.info.experiment_id in experiments)
            and (lifecycle is None or self.is_deleted(run) == (lifecycle is Lifecycle.DELETED))
            and self.holds(run, tree)
        ]
        found.sort(key=lambda run: (-run.info.start_time_ms, run.info.id))
        for item in reversed(order):

            def by_item(one: Run, other: Run, item: ast.OrderItem = item) -> int:
                return compare_places(self.place(one, item, text_order), self.place(other, item, text_order), item)

            found.sort(key=cmp_to_key(by_item))
        return [run.info.id for run in found]

    def place(self, run: Run, item: ast.OrderItem, text_order: bool) -> tuple[int, Number | str]:
        """Returns class (0 number, 1 text, 2 NaN, 3 missing) and what orders within it."""
        value = self.value(run, item.value)
        is_label = isinstance(item.value, ast.Field) and item.value.entity in (Entity.PARAM, Entity.TAG, Entity.BARE)
        if not value.there:
            return (3, 0)
        if text_order and is_label:
            return (1, value.text or "")
        if value.number is not None:
            number = nearest(value.number)
            return (2, 0) if number is None or number != number else (0, number)
        return (1, value.text or "")


def compare_places(one: tuple[int, Number | str], other: tuple[int, Number | str], item: ast.OrderItem) -> int:
    if one == other:
        return 0
    if one[0] >= 2 or other[0] >= 2:  # NaN and what is missing come last either way
        return (one[0] > other[0]) - (one[0] < other[0])
    less = one < other  # type: ignore[operator]  # of one class both are numbers or both text
    return -1 if less != item.descending else 1


def held(value: ast.Value) -> Holds | None:
    if not isinstance(value, ast.Field) or value.entity is not Entity.ATTRIBUTE:
        return None
    attribute = RUNS.attribute(value.key)
    return attribute.holds if attribute is not None else None


def is_truth(value: ast.Value) -> bool:
    return isinstance(value, ast.Truth) or held(value) is Holds.TRUTH


def is_text(value: ast.Value) -> bool:
    return isinstance(value, ast.Text) or held(value) is Holds.TEXT


def is_either(value: ast.Value) -> bool:
    return isinstance(value, ast.Field) and value.entity in (Entity.PARAM, Entity.TAG, Entity.BARE)


def truth(text: str) -> bool | None:
    lowered = text.lower() if text.isascii() else text
    return {"true": True, "false": False}.get(lowered)


def commits_of(run: Run) -> set[str]:
    return {one for one in (run.info.source.commit, run.info.source.base) if one is not None}


def datasets(run: Run, key: str) -> list[str | None]:
    return [getattr(one, key) for one in run.inputs]


def is_called(author: str, name: str) -> bool:
    match = re.fullmatch(r"(.*) <(.*)>", author)
    assert match is not None
    return name in (author, match[1], match[2])


def matches(tree: ast.Match, text: str) -> bool:
    if tree.operator == "REGEXP":
        return re.search(tree.pattern, text) is not None
    pattern = "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in tree.pattern)
    if tree.operator == "ILIKE":
        pattern = "".join({"%": ".*", "_": "."}.get(one, re.escape(small(one))) for one in tree.pattern)
        text = "".join(map(small, text))
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def small(one: str) -> str:
    lowered = one.lower()
    return lowered if len(lowered) == 1 and (one.isascii() or not lowered.isascii()) else one


def nearest(number: Number | None) -> Number | None:
    """An integer beyond 64 bits as the nearest float."""
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        return as_float(number)
    return number


def as_float(number: Number) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def calculate(operator: str, one: float, other: float) -> float:
    if operator == "/":
        return math.nan if other == 0 else one / other
    return {"+": one + other, "-": one - other, "*": one * other}[operator]


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
