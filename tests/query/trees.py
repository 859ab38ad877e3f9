"""Hypothesis strategies: trees of queries as the parser makes them."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

from gitruns.query import RUNS, ast
from gitruns.query.fields import DATASET_KEYS, SUMMARY_FUNCTIONS, Holds
from gitruns.query.moments import UNITS_MS
from gitruns.testing.strategies import texts as awkward_texts

KEYS = [
    "acc",
    "loss",
    "lr",
    "model",
    "val loss",
    "train/loss",
    "a.b",
    "seed",
    "note`d",
    "é",
    "1st",
    "min",
    "and",
    'q"q',
]
TEXTS = ["cnn", "mlp", "0.01", "1e-2", "", "it's", 'say "hi"', "both ' and \"", "back\\", "a%b_c", "☃", "\n", "\x00"]

T = TypeVar("T")


@st.composite
def hidden(draw: st.DrawFn, inner: list[st.SearchStrategy[T]]) -> T:
    """One of those, behind a name: hypothesis warns of strategies whose own text is too long."""
    return draw(st.one_of(*inner))


class Several(list[st.SearchStrategy[T]]):
    """Strategies whose text is short."""

    def __repr__(self) -> str:
        return f"{len(self)} of them"


def one_of(*inner: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Returns one of those."""
    return hidden(Several(inner))


keys = one_of(st.sampled_from(KEYS), awkward_texts.filter(bool))
texts = one_of(st.sampled_from(TEXTS), awkward_texts)
raw = one_of(st.sampled_from(["main", "v1.2", "HEAD~3", "feature/x", "a b", "it's"]), awkward_texts.filter(bool))

numbers = one_of(
    st.integers(-(2**53), 2**53),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.sampled_from([0, 1, 0.5, -1, 2**53, 2**63, -(2**63), 10**40]),
)
lengths = st.builds(ast.Length, st.integers(1, 10**9), st.sampled_from(sorted(UNITS_MS)))
ago = st.builds(ast.Length, st.integers(-(10**9) + 1, -1), st.sampled_from(sorted(UNITS_MS)))
moments = st.builds(
    ast.Moment,
    st.sampled_from(["now", "today", "yesterday", "2024-05-01", "2024-05-01T12:30", "2024-05-01T12:30:15.25+02:00"]),
)
times = one_of(moments, ago, st.builds(ast.Number, st.integers(-(10**15), 10**15)))


def attributes(*held: Holds) -> st.SearchStrategy[ast.Field]:
    """Returns the attributes of runs that hold one of those."""
    found = sorted({one.name for one in RUNS.attributes.values() if one.holds in held and not one.words})
    return st.sampled_from(found).map(lambda name: ast.Field(ast.Entity.ATTRIBUTE, name))


def _bare(key: str) -> bool:
    return RUNS.attribute(key) is None


bare_fields = st.builds(ast.Field, st.just(ast.Entity.BARE), keys.filter(_bare))
loose_fields = one_of(bare_fields, st.builds(ast.Field, st.sampled_from([ast.Entity.PARAM, ast.Entity.TAG]), keys))
metrics = st.builds(ast.Field, st.just(ast.Entity.METRIC), keys)
summaries = st.builds(ast.Summary, st.sampled_from(SUMMARY_FUNCTIONS), keys)
at_step = st.builds(ast.AtStep, keys, one_of(st.integers(-3, 200), st.integers(-(2**63), 2**63 - 1)))
numeric_fields = one_of(metrics, summaries, at_step, loose_fields, attributes(Holds.NUMBER))
literal_numbers = st.builds(ast.Number, numbers)


def _calculated(inner: st.SearchStrategy[ast.Value]) -> st.SearchStrategy[ast.Value]:
    negatives = inner.filter(lambda value: not isinstance(value, (ast.Number, ast.Length))).map(ast.Negative)
    return one_of(st.builds(ast.Arithmetic, st.sampled_from("+-*/"), inner, inner), negatives)


_terms = one_of(numeric_fields, literal_numbers, lengths, attributes(Holds.TIME))
calculated = one_of(_calculated(st.recursive(_terms, _calculated, max_leaves=3)))
numeric = one_of(numeric_fields, calculated)
_no_right_name = "`"  # a bare name with one is written in double quotes, which on the right make text
on_the_right = one_of(numeric_fields, calculated).filter(lambda value: _no_right_name not in repr(value))
ends = one_of(on_the_right, literal_numbers)

ORDERED = ["=", "!=", "<", "<=", ">", ">="]
operators = st.sampled_from(ORDERED)
equality = st.sampled_from(["=", "!="])


def _beside_metric(tree: ast.Comparison) -> bool:
    """Beside a metric itself the parser makes a float of an integer that floats cannot hold."""
    number = tree.right
    is_metric = isinstance(tree.left, ast.Field) and tree.left.entity is ast.Entity.METRIC
    return not is_metric or not isinstance(number, ast.Number) or abs(number.value) <= 2**53


def _comparable(tree: ast.Comparison) -> bool:
    from gitruns.query.numbers import number_in

    return tree.operator in "!=" or number_in(tree.right.value) is None  # type: ignore[union-attr]


negated = st.booleans()
text_fields = attributes(Holds.TEXT)
comparisons = one_of(
    st.builds(ast.Comparison, operators, numeric, literal_numbers).filter(_beside_metric),
    st.builds(ast.Comparison, operators, numeric_fields, on_the_right),
    st.builds(ast.Comparison, operators, loose_fields, st.builds(ast.Text, texts)).filter(_comparable),
    st.builds(ast.Comparison, operators, text_fields, st.builds(ast.Text, texts)),
    st.builds(ast.Comparison, equality, loose_fields, st.builds(ast.Truth, st.booleans())),
    st.builds(ast.Comparison, equality, attributes(Holds.TRUTH), st.builds(ast.Truth, st.booleans())),
    st.builds(ast.Comparison, operators, attributes(Holds.TIME), times),
    st.builds(ast.Comparison, equality, attributes(Holds.COMMIT, Holds.AUTHOR), st.builds(ast.Text, raw)),
    st.builds(
        ast.Comparison,
        equality,
        st.builds(ast.Field, st.just(ast.Entity.DATASET), st.sampled_from(DATASET_KEYS)),
        st.builds(ast.Text, texts),
    ),
    st.builds(
        ast.Comparison,
        equality,
        st.just(ast.Field(ast.Entity.ATTRIBUTE, "status")),
        st.builds(ast.Text, st.sampled_from(["FINISHED", "FAILED", "RUNNING"])),
    ),
)
tests = one_of(
    st.builds(
        ast.Among,
        loose_fields,
        st.lists(one_of(st.builds(ast.Text, texts), literal_numbers), min_size=1, max_size=4).map(tuple),
        negated,
    ),
    st.builds(ast.Among, text_fields, st.lists(st.builds(ast.Text, texts), min_size=1, max_size=3).map(tuple), negated),
    st.builds(ast.Between, numeric, ends, ends, negated).filter(
        lambda tree: (
            _beside_metric(ast.Comparison("=", tree.value, tree.low))
            and _beside_metric(ast.Comparison("=", tree.value, tree.high))
        )
    ),
    st.builds(ast.Between, attributes(Holds.TIME), times, times, negated),
    st.builds(ast.Match, st.sampled_from(["LIKE", "ILIKE"]), one_of(loose_fields, text_fields), texts, negated),
    st.builds(ast.Is, one_of(numeric, text_fields, loose_fields), st.just("null"), negated),
    st.builds(ast.Is, one_of(metrics, summaries, loose_fields), st.just("nan"), negated),
)
git_terms = one_of(
    st.builds(ast.InRange, st.sampled_from(["main..feature", "v1.2...HEAD", "a..b c"])),
    st.builds(ast.AncestorOf, raw),
    st.builds(ast.SameCode, raw),
    st.builds(ast.Touched, raw),
    st.builds(ast.AsOf, one_of(moments, ago, st.builds(ast.Text, st.sampled_from(["v1.2", "HEAD~3"])))),
)


def _joined(inner: st.SearchStrategy[ast.Condition]) -> st.SearchStrategy[ast.Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return one_of(several.map(ast.And), several.map(ast.Or), inner.map(ast.Not))


def conditions(leaves: st.SearchStrategy[ast.Condition]) -> st.SearchStrategy[ast.Condition]:
    """Returns those conditions, joined in every way."""
    return st.recursive(leaves, _joined, max_leaves=6)


_queries = one_of(st.just(ast.EVERYTHING), conditions(one_of(comparisons, tests, git_terms)))


@st.composite
def queries(draw: st.DrawFn) -> ast.Condition:
    """Trees that the parser can make."""
    return draw(_queries)
