"""parse(format(tree)) is the tree, and format(parse(text)) means what the text means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from gitruns.query import EXPERIMENTS, ast, format_order, format_query, parse, parse_order
from query import trees


@given(trees.queries())
@settings(max_examples=100)
def test_formatting_and_parsing_gives_the_tree_again(tree: ast.Condition) -> None:
    assert parse(format_query(tree)) == tree


@pytest.mark.slow
@given(trees.queries())
@settings(max_examples=20_000)
def test_formatting_and_parsing_gives_the_tree_again_at_full_size(tree: ast.Condition) -> None:
    assert parse(format_query(tree)) == tree


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("", ""),
        ("acc > .9 and lr = 1e-2", "acc > 0.9 and lr = 0.01"),
        ("branch = `b` and `b` = branch", "branch = `b` and `b` = branch"),  # without quotes it would be a word
        ("metric.acc > 1 param.lr = '2'", "metrics.acc > 1 and params.lr = '2'"),
        ("created > '7 days ago'", "start_time > -7d"),
        ("`run name` like 'bold%'", "run_name like 'bold%'"),
        ("a = 1 or b = 2 and not c = 3", "a = 1 or b = 2 and not c = 3"),
        ("(a = 1 or b = 2) and ((c = 3))", "(a = 1 or b = 2) and c = 3"),
        ("0.5 < acc", "acc > 0.5"),
        ("(acc - loss) * 2 > acc - (loss - 1)", "(acc - loss) * 2 > acc - (loss - 1)"),
        ("dirty and not live", "dirty = true and not live = true"),
        ("status in (finished, Failed)", "status in ('FINISHED', 'FAILED')"),
        ("started between 2024-05-01 and today", "start_time between 2024-05-01 and today"),
        ("started > '2024-05-01 12:30z'", "start_time > 2024-05-01T12:30Z"),
        ('"val loss" < 0.3', "`val loss` < 0.3"),
        ("branch = feature/x-1 in main..feature", "branch = 'feature/x-1' and in main..feature"),
        ("as of 'v1.2' and touched 'a b.py'", "as of v1.2 and touched 'a b.py'"),
        ("same code as bold-otter", "same code as bold-otter"),
        ("touched '=x' and touched 'in/x.py'", "touched '=x' and touched 'in/x.py'"),
        ("attributes.error like '%CUDA%'", "attributes.error like '%CUDA%'"),
        ("loss@-5 < min(metrics.`val loss`)", "metrics.loss@-5 < min(metrics.`val loss`)"),
        ("x == 1 and y <> 2", "x = 1 and y != 2"),
    ],
)
def test_one_way_to_write_it(text: str, formatted: str) -> None:
    tree = parse(text)
    assert format_query(tree) == formatted
    assert parse(formatted) == tree


def test_orders_are_formatted() -> None:
    items = parse_order(["-acc", "params.lr desc, started", "min(loss) - 1"])
    assert format_order(items) == ["acc DESC", "params.lr DESC", "start_time ASC", "min(metrics.loss) - 1 ASC"]
    assert parse_order(format_order(items)) == items


def test_queries_of_experiments_are_formatted() -> None:
    text = "name like 'dig%' and tags.team = 'vision' and creation_time > -7d"
    assert format_query(parse(text, EXPERIMENTS), EXPERIMENTS) == text
