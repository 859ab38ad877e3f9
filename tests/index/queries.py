"""Hypothesis strategies: runs whose values meet, and queries about them."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import Lifecycle, Run, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.query import ast
from gitruns.query.ast import Entity, Field
from index.sources import COMMITS, DEFAULT, TREES, make_run, run_id, summary

NUMBERS = [
    0,
    1,
    -1,
    2,
    10,
    0.5,
    0.1,
    -0.0,
    1e-05,
    1e30,
    10**30,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**70,
    2**70 + 1,
    10**300,
    math.inf,
    -math.inf,
]
TEXTS = [
    "",
    "cnn",
    "CNN",
    "mlp",
    "0.5",
    "5e-1",
    "1",
    "01",
    "nan",
    "inf",
    "True",
    "true",
    "FALSE",
    "None",
    "a%b_c",
    "a*b",
    "[x]",
    "Müller",
    "MÜLLER",
    "\u212a",
    "k",
    "nul\0l",
    "nul",
    str(2**70),
    str(2**70 + 1),
    "line\nend",
    "☃",
    "é",
    "z" * 300,
]
FLOATS = [0.0, 1.0, -1.0, 0.5, 0.1, 1e-05, 1e30, 2.0**53, 2.0**70, math.nan, math.inf, -math.inf, -0.0]
METRICS = ["acc", "loss", "both", "val/loss"]
PARAMS = ["lr", "model", "both", "pt"]
TAGS = ["team", "both", "pt", "mlflow.note.content"]
ATTRIBUTE_TEXTS = ["ada", "ADA", "main", "box", "train.py", "bold", "x\0y"]

numbers = st.sampled_from(NUMBERS)
texts = st.sampled_from(TEXTS)
scalars = st.one_of(numbers, texts, st.sampled_from([True, False, None, math.nan]))
summaries = st.lists(st.sampled_from(FLOATS), min_size=1, max_size=3).map(lambda values: summary(*values))
maybe_text = st.one_of(st.none(), st.sampled_from(ATTRIBUTE_TEXTS))

codes = st.builds(
    Source,
    commit=st.one_of(st.none(), st.sampled_from(COMMITS)),
    base=st.one_of(st.none(), st.sampled_from(COMMITS)),
    branch=maybe_text,
    code_tree=st.one_of(st.none(), st.sampled_from(TREES)),
    snapshot_tree=st.one_of(st.none(), st.sampled_from(TREES)),
    dirty=st.booleans(),
    left_out=st.sampled_from([(), (LeftOut(path="a", reason="secret"),)]),
    remote_url=maybe_text,
)
inputs = st.lists(
    st.builds(
        DatasetInput,
        name=st.sampled_from(["d1", "d2", "D1"]),
        digest=st.sampled_from(["x", "y"]),
        source=st.just("s"),
        context=st.sampled_from([None, "train", "eval"]),
    ),
    max_size=2,
).map(tuple)

START = 1_700_000_000_000
DAY = 86_400_000
EXPERIMENTS = [
    DEFAULT,
    Experiment(id=ExperimentId("11"), name="digits", creation_time_ms=5, last_update_time_ms=9),
    Experiment(
        id=ExperimentId("22"), name="old", creation_time_ms=7, last_update_time_ms=8, lifecycle=Lifecycle.DELETED
    ),
]


@st.composite
def runs(draw: st.DrawFn, number: int) -> Run:
    """One run; the starts of different runs are often equal."""
    start = START + draw(st.sampled_from([0, 1, DAY, 3 * DAY]))
    return make_run(
        number,
        name=draw(st.sampled_from(["bold-otter", "Bold-Otter", "run 1", "ünï", "x\0y"])),
        start=start,
        end_time_ms=draw(st.sampled_from([None, start, start + 5000])),
        experiment=draw(st.sampled_from(["0", "11", "22", "99"])),
        status=draw(st.sampled_from(list(RunStatus))),
        lifecycle=draw(st.sampled_from([Lifecycle.ACTIVE, Lifecycle.ACTIVE, Lifecycle.DELETED])),
        user=draw(maybe_text),
        host=draw(maybe_text),
        entry_point=draw(maybe_text),
        command=draw(st.sampled_from([(), ("train.py",), ("train.py", "--lr", "0.1")])),
        exit_code=draw(st.sampled_from([None, 0, 1])),
        error=draw(maybe_text),
        dropped=draw(st.sampled_from([0, 2])),
        parent_run_id=draw(st.sampled_from([None, run_id(1)])),
        params=draw(st.dictionaries(st.sampled_from(PARAMS), scalars)),
        tags=draw(st.dictionaries(st.sampled_from(TAGS), texts)),
        metrics=draw(st.dictionaries(st.sampled_from(METRICS), summaries)),
        code=draw(codes),
        live=draw(st.booleans()),
        inputs=draw(inputs),
    )


ANCHORS = [
    make_run(901, params=dict.fromkeys(PARAMS, 1), tags=dict.fromkeys(TAGS, "1"), start=START - 1),
    make_run(902, metrics=dict.fromkeys(METRICS, 0.5), start=START - 2),
]
"""Two runs that have every key, so that every name is known."""


@st.composite
def populations(draw: st.DrawFn) -> list[Run]:
    """Some runs, those that know every key among them."""
    count = draw(st.integers(0, 8))
    return [*ANCHORS, *(draw(runs(number)) for number in range(1, count + 1))]


# Queries


def _fields(entity: Entity, keys: list[str]) -> st.SearchStrategy[ast.Field]:
    return st.sampled_from([Field(entity, key) for key in keys])


def _attributes(*names: str) -> st.SearchStrategy[ast.Field]:
    return _fields(Entity.ATTRIBUTE, list(names))


metrics = _fields(Entity.METRIC, METRICS)
labels = st.one_of(_fields(Entity.PARAM, [*PARAMS, "nobody's"]), _fields(Entity.TAG, TAGS))
bare = _fields(Entity.BARE, ["lr", "model", "both", "pt", "team"])
bare_numbers = _fields(Entity.BARE, ["acc", "loss", "lr", "both", "pt", "team", "val/loss"])
at_steps = st.builds(ast.AtStep, st.sampled_from(METRICS), st.sampled_from([0, 1, 7]))
stats = st.builds(
    ast.Summary, st.sampled_from(["first", "last", "min", "max", "mean", "count"]), st.sampled_from(METRICS)
)
numeric = st.one_of(metrics, labels, bare_numbers, stats, _attributes("duration", "exit_code", "dropped"))
text_attributes = _attributes(
    "run_id", "run_name", "user_id", "experiment_id", "experiment", "parent_run_id", "host", "entry_point", "command",
    "note", "error", "branch", "remote_url", "artifact_uri", "lifecycle_stage", "status",
)  # fmt: skip
truths = _attributes("live", "dirty", "incomplete")
times = _attributes("start_time", "end_time")
literal_numbers = numbers.map(ast.Number)
lengths = st.builds(ast.Length, st.sampled_from([1, 5, 90]), st.sampled_from(["s", "ms"]))
small_numbers = st.sampled_from([0, 1, 2, 0.5, -1.5, 1e30, 0.1]).map(ast.Number)


def _calculate(inner: st.SearchStrategy[ast.Value]) -> st.SearchStrategy[ast.Value]:
    negatives = inner.filter(lambda value: not isinstance(value, (ast.Number, ast.Length))).map(ast.Negative)
    return st.one_of(st.builds(ast.Arithmetic, st.sampled_from("+-*/"), inner, inner), negatives)


calculated = _calculate(st.recursive(st.one_of(numeric, small_numbers, times), _calculate, max_leaves=3))
ordered = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
equal = st.sampled_from(["=", "!="])
literal_texts = texts.map(ast.Text)
plain_texts = st.sampled_from(["cnn", "CNN", "mlp", "a%b_c", "☃", "", "Müller", "x\0y"]).map(ast.Text)
moments = st.sampled_from(
    [
        ast.Moment("2023-11-14"),
        ast.Moment("2023-11-15"),
        ast.Moment("2023-11-14T22:13:20Z"),
        ast.Moment("today"),
        ast.Moment("yesterday"),
        ast.Length(-3, "d"),
        ast.Length(-1, "y"),
        ast.Number(START),
        ast.Number(START + DAY),
    ]
)
patterns = st.one_of(
    texts, st.sampled_from(["%", "_", "c%", "%n", "%u%", "_L_", "%\0%", "n%l", "%ü%", "m_ller", "%%a%", "*"])
)
negated = st.booleans()
wide = st.one_of(numeric, calculated)

comparisons: list[st.SearchStrategy[ast.Condition]] = [
    st.builds(ast.Comparison, ordered, numeric, literal_numbers),
    st.builds(ast.Comparison, ordered, calculated, small_numbers),
    st.builds(ast.Comparison, ordered, numeric, wide),
    st.builds(ast.Comparison, ordered, _attributes("duration"), lengths),
    st.builds(ast.Comparison, equal, st.one_of(labels, bare), literal_texts),
    st.builds(ast.Comparison, ordered, st.one_of(labels, bare), plain_texts),
    st.builds(ast.Comparison, equal, st.one_of(labels, bare), text_attributes),
    st.builds(ast.Comparison, equal, st.one_of(labels, bare), st.builds(ast.Truth, st.booleans())),
    st.builds(ast.Comparison, equal, st.one_of(labels, bare), truths),
    st.builds(ast.Comparison, equal, truths, st.builds(ast.Truth, st.booleans())),
    st.builds(ast.Comparison, ordered, times, moments),
    st.builds(ast.Comparison, equal, _attributes("status"), st.sampled_from(["FINISHED", "RUNNING"]).map(ast.Text)),
    st.builds(
        ast.Comparison, equal, _attributes("lifecycle_stage"), st.sampled_from(["active", "deleted"]).map(ast.Text)
    ),
    st.builds(
        ast.Comparison,
        ordered,
        text_attributes.filter(lambda field: field.key not in ("status", "lifecycle_stage")),
        st.sampled_from([*ATTRIBUTE_TEXTS, "0", "11", "digits", run_id(1), run_id(2)]).map(ast.Text),
    ),
    st.builds(
        ast.Comparison,
        equal,
        _fields(Entity.DATASET, ["name", "digest", "context"]),
        st.sampled_from(["d1", "D1", "x", "train"]).map(ast.Text),
    ),
]
tests: list[st.SearchStrategy[ast.Condition]] = [
    st.builds(
        ast.Among,
        st.one_of(labels, bare),
        st.lists(st.one_of(literal_texts, literal_numbers), min_size=1, max_size=4).map(tuple),
        negated,
    ),
    st.builds(ast.Among, numeric, st.lists(literal_numbers, min_size=1, max_size=3).map(tuple), negated),
    st.builds(
        ast.Among,
        st.one_of(_attributes("user_id", "run_id", "branch"), _fields(Entity.DATASET, ["name", "context"])),
        st.lists(st.sampled_from(["ada", "main", run_id(1), run_id(3), "d1", "eval"]).map(ast.Text), min_size=1).map(
            tuple
        ),
        negated,
    ),
    st.builds(ast.Between, wide, small_numbers, st.one_of(small_numbers, wide), negated),
    st.builds(ast.Between, numeric, literal_numbers, literal_numbers, negated),
    st.builds(ast.Between, times, moments, moments, negated),
    st.builds(
        ast.Match,
        st.sampled_from(["LIKE", "ILIKE"]),
        st.one_of(labels, bare, text_attributes, _fields(Entity.DATASET, ["name", "context"])),
        patterns,
        negated,
    ),
    st.builds(
        ast.Match,
        st.just("REGEXP"),
        st.one_of(labels, bare, text_attributes),
        st.sampled_from(["^c.n$", "[0-9]", "x"]),
        negated,
    ),
    st.builds(
        ast.Is,
        st.one_of(wide, labels, text_attributes, truths, times, _fields(Entity.DATASET, ["name", "context"])),
        st.just("null"),
        negated,
    ),
    st.builds(ast.Is, st.one_of(metrics, stats, labels, bare_numbers, calculated), st.just("nan"), negated),
]
COMMIT, AUTHOR = Field(Entity.ATTRIBUTE, "commit"), Field(Entity.ATTRIBUTE, "author")
revisions = st.sampled_from(["first", "v1", "main", "main~1"])
git_terms: list[st.SearchStrategy[ast.Condition]] = [
    st.builds(ast.Comparison, equal, st.just(COMMIT), revisions.map(ast.Text)),
    st.builds(
        ast.Among, st.just(COMMIT), st.lists(revisions.map(ast.Text), min_size=1, max_size=2).map(tuple), negated
    ),
    st.builds(
        ast.Comparison, equal, st.just(AUTHOR), st.sampled_from(["Ada Lovelace", "grace@example.org"]).map(ast.Text)
    ),
    st.builds(
        ast.Match, st.sampled_from(["LIKE", "ILIKE"]), st.just(AUTHOR), st.sampled_from(["ada%", "%Hopper%"]), negated
    ),
    st.builds(ast.Is, st.sampled_from([COMMIT, AUTHOR]), st.just("null"), negated),
    st.builds(ast.InRange, st.sampled_from(["v1..main", "first..v1"])),
    st.builds(ast.AncestorOf, revisions),
    st.just(ast.SameCode("bold-otter")),
    st.builds(ast.Touched, st.sampled_from(["src/model.py", "nothing"])),
    st.builds(
        ast.AsOf,
        st.sampled_from([ast.Moment("2023-11-15"), ast.Length(-1, "y"), ast.Text("v1"), ast.Text("main")]),
    ),
]
points: list[st.SearchStrategy[ast.Condition]] = [
    st.builds(ast.Comparison, ordered, at_steps, st.sampled_from([0, 0.5, 1]).map(ast.Number)),
    st.builds(ast.Is, at_steps, st.sampled_from(["null", "nan"]), negated),
]


def _join(inner: st.SearchStrategy[ast.Condition]) -> st.SearchStrategy[ast.Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(several.map(ast.And), several.map(ast.Or), inner.map(ast.Not))


@st.composite
def conditions(draw: st.DrawFn) -> ast.Condition:
    """One query: of one condition as often as of several."""
    leaf = draw(st.sampled_from([*comparisons, *tests, *git_terms, *points]))
    other = draw(st.sampled_from([*comparisons, *tests, *git_terms, *points]))
    third = draw(st.sampled_from([*comparisons, *tests]))
    inner = st.one_of(leaf, other, third)
    return draw(st.one_of(leaf, st.recursive(inner, _join, max_leaves=5)))


order_items = st.builds(
    ast.OrderItem,
    st.one_of(
        metrics,
        labels,
        bare_numbers,
        stats,
        times,
        truths,
        text_attributes,
        calculated,
        at_steps,
        _attributes("duration"),
    ),
    st.booleans(),
)
orders = st.lists(order_items, max_size=3, unique_by=lambda item: item.value).map(tuple)
