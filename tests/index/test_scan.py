"""The index answers exactly as a scan over all runs would."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import Lifecycle, Run
from gitruns.index import Index, Search
from gitruns.query import ast, format_order, format_query
from index import queries
from index.queries import EXPERIMENTS
from index.reference import Scan
from index.sources import LineOfCommits, ListedPoints, MemorySource

pytest.importorskip("re2", reason="REGEXP needs google-re2")

NOW = datetime(2023, 11, 18, 9, 30, tzinfo=timezone(timedelta(hours=1)))
VALUES = [0.0, 0.5, 1.0, math.nan]


def points_of(runs: list[Run]) -> ListedPoints:
    """Returns some value at some steps of some metrics of some runs, the same each time."""
    found = {}
    for run in runs:
        dice = random.Random(run.info.id)
        for metric in queries.METRICS:
            for step in (0, 1):
                if dice.random() < 0.7:
                    found[run.info.id, metric, step] = dice.choice(VALUES)
    return ListedPoints(found)


def check(
    runs: list[Run],
    tree: ast.Condition,
    order: tuple[ast.OrderItem, ...],
    *,
    lifecycle: Lifecycle | None,
    experiments: list[str] | None,
    page: int | None,
    path: Path | None = None,
) -> None:
    points, revisions = points_of(runs), LineOfCommits()
    index = Index(path, MemorySource(runs, EXPERIMENTS))
    text, order_by = format_query(tree), format_order(order)
    wanted = Scan(runs, EXPERIMENTS, NOW, revisions, points).search(
        tree, order, experiments=experiments, lifecycle=lifecycle
    )
    found: list[str] = []
    token, pages = "", 0
    while True:
        search = Search(
            filter=text,
            order_by=order_by,
            experiment_ids=None if experiments is None else [ExperimentId(one) for one in experiments],
            lifecycle=lifecycle,
            max_results=page,
            page_token=token,
            now=NOW,
            revisions=revisions,
            points=points,
            artifact_uri=("file:/store/", "/artifacts"),
        )
        answer = index.search_runs(search)
        found += answer.run_ids
        token, pages = answer.next_token, pages + 1
        if not token:
            break
    assert found == wanted, f"{text}  ORDER BY {order_by}"
    assert pages == max(1, -(-len(wanted) // (page or 100)))
    assert index.count_runs(search) == len(wanted)
    index.close()


lifecycles = st.sampled_from([Lifecycle.ACTIVE, Lifecycle.DELETED, None, None])
some_experiments = st.sampled_from([None, None, ["0"], ["11", "22"], ["99"], [], ["7"]])
pages = st.sampled_from([None, None, 1, 3, 100])


@given(queries.populations(), queries.conditions(), queries.orders, lifecycles, some_experiments, pages)
@settings(max_examples=250)
def test_the_index_answers_as_a_scan_would(
    runs: list[Run],
    tree: ast.Condition,
    order: tuple[ast.OrderItem, ...],
    lifecycle: Lifecycle | None,
    experiments: list[str] | None,
    page: int | None,
) -> None:
    check(runs, tree, order, lifecycle=lifecycle, experiments=experiments, page=page)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@given(queries.populations(), queries.conditions(), queries.orders, lifecycles, some_experiments, pages)
@settings(max_examples=20_000)
def test_the_index_answers_as_a_scan_would_thousands_of_times(
    runs: list[Run],
    tree: ast.Condition,
    order: tuple[ast.OrderItem, ...],
    lifecycle: Lifecycle | None,
    experiments: list[str] | None,
    page: int | None,
) -> None:
    check(runs, tree, order, lifecycle=lifecycle, experiments=experiments, page=page)
