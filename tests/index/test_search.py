"""Pages, tokens, times, names and limits of searches."""

from __future__ import annotations

import base64
import importlib
import json
import random
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import Lifecycle
from gitruns.errors import InvalidInputError
from gitruns.index import MAX_RESULTS, Index, Search, functions
from gitruns.query import Dialect
from index.sources import DEFAULT, LineOfCommits, ListedPoints, MemorySource, make_run, run_id

NOW = datetime(2023, 11, 18, 9, 30, tzinfo=timezone.utc)
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(
        make_run(number, metrics={"acc": (number % 3) / 10}, params={"lr": number}, tags={"team": "vision"})
        for number in range(10)
    )


@pytest.fixture
def index(source: MemorySource) -> Index:
    return Index(None, source)


def names(index: Index, text: str = "", **more: object) -> list[str]:
    return [one.run.info.name for one in index.list_runs(Search(filter=text, **more))[0]]  # type: ignore[arg-type]


def failure(index: Index, **search: object) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as found:
        index.search_runs(Search(**search))  # type: ignore[arg-type]
    return found.value


# Pages


def test_pages_end_with_an_empty_token_also_when_the_last_is_full(index: Index) -> None:
    search = Search(max_results=5)
    first = index.search_runs(search)
    second = index.search_runs(Search(max_results=5, page_token=first.next_token))
    assert (len(first.run_ids), len(second.run_ids)) == (5, 5)
    assert first.next_token and not second.next_token
    assert not index.search_runs(Search(max_results=10)).next_token
    assert index.search_runs(Search(filter="acc > 5")).run_ids == ()


def test_new_runs_do_not_shift_the_next_page(index: Index, source: MemorySource) -> None:
    first = index.list_runs(Search(max_results=4, order_by=["-acc"]))
    source.put(*(make_run(number, metrics={"acc": 0.5}) for number in range(20, 30)))
    source.put(make_run(30, metrics={"acc": 0.15}))
    second = index.list_runs(Search(max_results=100, order_by=["-acc"], page_token=first[1]))
    found = [one.run.info.name for one in [*first[0], *second[0]]]
    # Those that came in above the end of the page are not seen; nothing is seen twice and nothing is left out.
    assert found == ["run-8", "run-5", "run-2", "run-7", "run-4", "run-1", "run-9", "run-6", "run-3", "run-0"]


def test_a_run_that_left_the_page_before_does_not_matter(index: Index, source: MemorySource) -> None:
    first = index.search_runs(Search(max_results=3))
    source.drop(*first.run_ids)
    rest = names(index, page_token=first.next_token, max_results=100)
    assert rest == [f"run-{number}" for number in range(6, -1, -1)]


def test_relative_times_mean_the_same_on_each_page() -> None:
    index = Index(None, MemorySource(make_run(number, start=NOW_MS - number * DAY_MS) for number in range(1, 8)))
    text = "started > -5d and started < -1d"
    first = index.search_runs(Search(filter=text, max_results=1, now=NOW))
    later = NOW + timedelta(days=2)
    search = Search(filter=text, max_results=10, page_token=first.next_token, now=later)
    assert first.run_ids == (run_id(2),)
    assert index.search_runs(search).run_ids == (run_id(3), run_id(4))


def test_a_token_is_of_one_search_only(index: Index) -> None:
    token = index.search_runs(Search(filter="acc >= 0", max_results=2)).next_token
    for other in (
        {"filter": "acc > 0"},
        {"filter": "acc >= 0", "order_by": ["acc"]},
        {"filter": "acc >= 0", "experiment_ids": ["0"]},
        {"filter": "acc >= 0", "lifecycle": None},
    ):
        error = failure(index, page_token=token, **other)
        assert (error.kind, str(error)) == ("bad-page-token", "the page token belongs to another search")
    assert index.search_runs(Search(filter="acc >= 0", max_results=5, page_token=token)).run_ids
    with pytest.raises(InvalidInputError):
        index.search_experiments(Search(page_token=token))


def encoded(body: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


HOSTILE = [
    "x",
    "====",
    "é",
    "AAAA",
    "A" * 100_000,
    encoded({}),
    encoded([]),
    encoded([1]),
    encoded([[]]),
    encoded([1, "0" * 16, 0]),
    base64.urlsafe_b64encode(b"[" * 40_000).decode(),
    base64.urlsafe_b64encode(b'{"offset": 5}').decode(),
]


@pytest.mark.parametrize("token", HOSTILE, ids=lambda token: token[:12])
def test_a_token_that_is_none_of_ours_is_refused(index: Index, token: str) -> None:
    assert failure(index, page_token=token, max_results=2).kind == "bad-page-token"


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=2),
)


@given(st.lists(json_values, max_size=6), st.sampled_from([(), ("-acc",), ("lr", "-team")]))
def test_forged_tokens_of_the_right_search_give_a_page_or_the_error(
    values: list[object], order: tuple[str, ...]
) -> None:
    index = Index(
        None, MemorySource(make_run(1, metrics={"acc": 1.0}, params={"lr": 1}, tags={"team": "a"}) for _ in "x")
    )
    base = Search(order_by=order, max_results=1)
    from gitruns.index.page_token import _digest

    token = encoded([1, _digest(f"run {base.identity()}"), *values])
    try:
        index.search_runs(Search(order_by=order, max_results=1, page_token=token))
    except InvalidInputError as error:
        assert error.kind == "bad-page-token"


@pytest.mark.parametrize("limit", [0, -1, MAX_RESULTS + 1, 1.5, True, "5"])
def test_a_limit_out_of_range_is_refused(limit: object) -> None:
    with pytest.raises(InvalidInputError) as error:
        Search(max_results=limit)  # type: ignore[arg-type]
    assert error.value.kind == "bad-max-results"


# Order


def test_what_is_missing_comes_last_both_ways() -> None:
    nan, inf = float("nan"), float("inf")
    values = {"a": 1.0, "b": nan, "c": None, "d": -inf, "e": inf, "f": 0.5}
    source = MemorySource(
        make_run(number, name=name, metrics={} if value is None else {"m": value})
        for number, (name, value) in enumerate(values.items())
    )
    index = Index(None, source)
    assert "".join(names(index, order_by=["m"])) == "dfaebc"
    assert "".join(names(index, order_by=["m DESC"])) == "eafdbc"


def test_numbers_in_params_order_as_numbers_and_as_text_for_mlflow() -> None:
    values = {"a": 10, "b": "9", "c": "1e1", "d": "auto", "e": None, "f": 0.5}
    source = MemorySource(
        make_run(number, name=name, params={"p": value}) for number, (name, value) in enumerate(values.items())
    )
    source.put(make_run(9, name="x"))
    index = Index(None, source)
    assert "".join(names(index, order_by=["params.p"])) == "fbca" + "ed" + "x"
    assert "".join(names(index, order_by=["-params.p"])) == "de" + "cabf" + "x"
    assert "".join(names(index, order_by=["params.p"], dialect=Dialect.MLFLOW)) == "fa" + "cb" + "ed" + "x"


def test_ties_are_broken_by_start_then_id() -> None:
    source = MemorySource(make_run(number, start=5 if number < 5 else 7, metrics={"m": 1.0}) for number in range(8))
    found = list(Index(None, source).search_runs(Search(order_by=["m", "m desc"])).run_ids)
    assert found == sorted(map(run_id, range(5, 8))) + sorted(map(run_id, range(5)))


# Names


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("acd > 1", "no run has 'acd'", "did you mean acc?"),
        ("acc > 1 and taem = 'x'", "no run has 'taem'", "did you mean team?"),
        ("statsu = 1", "no run has 'statsu'", "did you mean status?"),
        ("metrix.acc > 1", "no run has 'metrix.acc'", "did you mean metric.acc?"),
        ("acc-lr > 1", "no run has 'acc-lr'", "with spaces around it - and / calculate: a - b"),
        ("lr = cnn", "no run has 'cnn'", "text goes in quotes: 'cnn'"),
        ("acc = 'x'", "'acc' is a metric, and no text", "compare it with a number"),
        ("min(acd) > 1", "no run has a metric 'acd'", "did you mean acc?"),
        ("lr@3 > 1", "no run has a metric 'lr'", None),
    ],
)
def test_a_name_that_nobody_has_is_a_slip(index: Index, text: str, reason: str, hint: str | None) -> None:
    error = failure(index, filter=text)
    assert (error.kind, error.facts["reason"], error.hint) == ("bad-query", reason, hint)


def test_a_name_to_order_by_that_nobody_has_is_a_slip(index: Index) -> None:
    assert failure(index, order_by=["-acd"]).hint == "did you mean acc?"


def test_a_name_with_its_prefix_may_not_be_there_yet(index: Index) -> None:
    assert names(index, "metrics.later > 1 or params.later = 'x' or tags.later is not null") == []
    assert len(names(index, order_by=["metrics.later"])) == 10


def test_where_nothing_is_nothing_is_a_slip() -> None:
    assert names(Index(None, MemorySource()), "acc > 0.9 and min(loss) < 1", order_by=["-acc"]) == []


# Git terms and points


def test_git_terms_need_somebody_who_knows_git(index: Index) -> None:
    for text in ("commit = main", "in a..b", "author = ada", "same code as x", "touched x", "as of v1"):
        assert failure(index, filter=text).facts["reason"] == "nothing here can tell what git knows"


def test_a_revision_that_is_none_is_pointed_at(index: Index) -> None:
    error = failure(index, filter="acc > 0 and commit = mian", revisions=LineOfCommits())
    assert (error.facts["reason"], error.facts["column"], error.hint) == ("there is no commit 'mian'", 22, "git log")


def test_points_are_read_only_of_runs_that_the_rest_leaves(index: Index) -> None:
    points = ListedPoints({(run_id(number), "acc", 5): number / 10 for number in range(10)})
    assert names(index, "lr > 6 and acc@5 > 0.75", points=points) == ["run-9", "run-8"]
    assert points.asked == [("acc", 5, 3)]
    assert names(index, "not acc@5 > 0.15 or lr = 9", points=points) == ["run-9", "run-1", "run-0"]
    assert names(index, "acc@5 is null", points=ListedPoints({})) == [f"run-{number}" for number in range(9, -1, -1)]
    assert failure(index, filter="acc@5 > 1").facts["reason"] == "nothing here can read the points of metrics"


# Patterns


def test_regexp_without_its_engine_says_what_to_install(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name == "re2":
            raise ImportError(name)
        return real(name, package)

    functions._compiled.cache_clear()
    monkeypatch.setattr(functions.importlib, "import_module", without)
    error = failure(index, filter="team regexp '^v'")
    assert (error.kind, error.hint) == ("regexp-not-available", "pip install 'gitruns[regexp]', or use LIKE")


def test_a_pattern_that_is_none_is_pointed_at(index: Index) -> None:
    pytest.importorskip("re2")
    error = failure(index, filter="team regexp '('")
    assert error.kind == "bad-query" and error.facts["column"] == 6 and "missing )" in str(error)


def test_hostile_patterns_take_little_time() -> None:
    source = MemorySource(make_run(number, tags={"t": "a" * 8000}) for number in range(20))
    index = Index(None, source)
    patterns = ["%a" * 3000 + "%b", "%" * 5000, "a%" * 8, "%_" * 2000, "%" + "_" * 7990 + "b%", "a" * 8000]
    for pattern in patterns:
        for word in ("like", "ilike"):
            start = time.process_time()
            names(index, f"t {word} '{pattern}'")
            assert time.process_time() - start < 1, (word, pattern[:20])


@given(
    st.text(alphabet="ab%_é\n", max_size=8),
    st.text(alphabet="abAé\nÉ", max_size=10),
)
def test_our_like_is_sqlites(pattern: str, text: str) -> None:
    source = MemorySource([make_run(1, tags={"t": text})])
    index = Index(None, source)
    quoted = pattern.replace("\n", "\\n")
    assert bool(names(index, f"t like e'{quoted}'")) == functions.like(pattern, text)
    assert bool(names(index, f"t ilike e'{quoted}'")) == functions.ilike(pattern, text)


# Experiments


def test_experiments() -> None:
    ids = {"digits": "11", "audio": "5", "old": "300"}
    listed = [
        Experiment(
            id=ExperimentId(one),
            name=name,
            creation_time_ms=10 + place,
            last_update_time_ms=20 - place,
            tags={"team": name, "size": str(place)},
            lifecycle=Lifecycle.DELETED if name == "old" else Lifecycle.ACTIVE,
        )
        for place, (name, one) in enumerate(ids.items())
    ]
    index = Index(None, MemorySource([make_run(1, experiment="77")], [DEFAULT, *listed]))

    def found(text: str = "", **more: object) -> list[str]:
        return list(index.search_experiments(Search(filter=text, **more)).experiment_ids)  # type: ignore[arg-type]

    assert found() == ["5", "11", "0"]
    assert found(lifecycle=None) == ["300", "5", "11", "0"]
    assert found(lifecycle=Lifecycle.DELETED) == ["300"]
    assert found("name like '%di%'") == ["5", "11"]
    assert found("tags.team = 'audio' or experiment_id = '0'") == ["5", "0"]
    assert found("size = 1") == ["5"]
    assert found(order_by=["experiment_id"], lifecycle=None) == ["0", "5", "11", "300"]
    assert found(order_by=["name ASC"]) == ["0", "5", "11"]
    assert found("creation_time > 10 and last_update_time < 20") == ["5"]
    first = index.search_experiments(Search(max_results=2))
    assert first.experiment_ids == ("5", "11")
    assert found(max_results=2, page_token=first.next_token) == ["0"]
    for text in ("nmae = 'x'", "team = 5 and taem = 'x'"):
        with pytest.raises(InvalidInputError):
            found(text)


# Tables


def test_a_table_of_fields() -> None:
    source = MemorySource(
        make_run(
            number,
            metrics={"acc": number / 10} if number else {},
            params={"lr": 0.1 * number, "model": "cnn", "none": None},
            tags={"t": "5"},
            end_time_ms=1_700_000_000_000 + 10 * number,
        )
        for number in range(3)
    )
    ids, table = Index(None, source).table(
        Search(order_by=["started"]),
        [
            "metrics.acc",
            "min(acc)",
            "count(acc)",
            "params.lr",
            "params.none",
            "tags.t",
            "status",
            "duration",
            "params.x",
        ],
    )
    assert ids == [run_id(0), run_id(1), run_id(2)]
    assert table == {
        "metrics.acc": [None, 0.1, 0.2],
        "min(acc)": [None, 0.1, 0.2],
        "count(acc)": [None, 1, 1],
        "params.lr": [0.0, 0.1, 0.2],
        "params.none": [None, None, None],
        "tags.t": ["5", "5", "5"],
        "status": ["FINISHED"] * 3,
        "duration": [0, 9, 18],
        "params.x": [None, None, None],
    }


def test_a_table_of_few_runs_among_many_is_the_same() -> None:
    source = MemorySource(make_run(number, metrics={"acc": number / 10}, params={"p": number}) for number in range(100))
    index = Index(None, source)
    fields = ["metrics.acc", "params.p", "run_name", "experiment", "start_time"]
    ids, everything = index.table(Search(), fields)
    few, table = index.table(Search(max_results=3), fields)
    assert few == ids[:3] and table == {name: column[:3] for name, column in everything.items()}


@pytest.mark.parametrize("field", ["acc", "metrics.acc + 1", "loss@3", "dataset.name", "attributes.nothing", "a, b"])
def test_what_is_no_column_is_refused(index: Index, field: str) -> None:
    with pytest.raises(InvalidInputError):
        index.table(Search(), [field])


# Whatever is asked


def test_large_queries_are_answered_or_refused(index: Index) -> None:
    ids = ", ".join(f"'{run_id(number)}'" for number in range(900))
    assert len(names(index, f"run_id in ({ids})")) == 10
    assert len(names(index, " and ".join(["lr >= 0"] * 400))) == 10
    assert len(names(index, " or ".join(f"lr = {number}" for number in range(400)))) == 10
    assert len(names(index, " or ".join(f"params.p{number} = 'x'" for number in range(400)))) == 0
    assert len(names(index, "not " * 23 + "(lr < 5)")) == 5
    assert len(names(index, "(lr > 1 or not (" * 8 + "lr < 5" + "))" * 8)) == 10
    assert len(names(index, "(acc - lr) * -(1 - -(" * 5 + "lr" + "))" * 5 + " is not null")) == 10
    assert len(names(index, "(lr between 1 and 5 and (" * 12 + "lr < 5" + "))" * 12)) == 4
    assert len(names(index, "(" * 24 + "lr" + " + 1)" * 24 + " > 30")) == 3
    assert len(names(index, "(1 + " * 24 + "lr" + ")" * 24 + " > 30")) == 3
    assert len(names(index, "+".join(["lr"] * 100) + " >= 0")) == 10
    assert len(names(index, "acc > 0 or lr = 3", order_by=[f"params.p{number}" for number in range(60)])) == 7


WORDS = """acc lr team both params.lr metrics.acc tags.team attributes.status status started dirty run_id run_name user
min(acc) max(acc) count(acc) acc@1 ( ) and or not in (1,2) is null nan like ilike between = != < > <= >= + - * / 1 2.5
'x' 0.1 7d -7d 'vision' '%i_' 2023-11-15 today true false (1) finished 1e999 99999999999999999999""".split()


def hostile_queries(index: Index, count: int, seed: int) -> int:
    dice = random.Random(seed)
    points = ListedPoints({})
    answered = 0
    for _ in range(count):
        text = " ".join(dice.choices(WORDS, k=dice.choice((3, 3, 5, 7, 11))))
        start = time.process_time()
        try:
            index.count_runs(Search(filter=text, now=NOW, points=points, revisions=LineOfCommits()))
            answered += 1
        except InvalidInputError as error:
            assert error.kind == "bad-query"
        assert time.process_time() - start < 1, text
    return answered


def test_hostile_queries_are_answered_or_refused(index: Index) -> None:
    assert hostile_queries(index, 3000, seed=3) > 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_hostile_queries_over_a_thousand_runs() -> None:
    source = MemorySource(
        make_run(number, metrics={"acc": number / 1000}, params={"lr": number, "both": "x"}, tags={"team": "vision"})
        for number in range(1000)
    )
    assert hostile_queries(Index(None, source), 100_000, seed=4) > 700
