"""MLflow's dialect, where the page of filters does not show it. `tests/index/test_mlflow_filters.py` runs that page."""

from __future__ import annotations

import pytest

from gitruns.errors import InvalidInputError
from gitruns.query import EXPERIMENTS, ast, parse, parse_mlflow, parse_mlflow_order
from gitruns.query.ast import Entity, Field, Text

RUN_ID = Field(Entity.ATTRIBUTE, "run_id")


@pytest.mark.parametrize(
    ("listed", "texts"),
    [
        ("('a', \"b\")", ("a", "b")),
        ("('a',)", ("a",)),
        ("( 'a' )", ("a",)),
        ("('it\\'s')", ("it's",)),
        ("('a\\\\b\\n\\q')", ("a\\b\n\\q",)),
    ],
)
def test_lists_are_read_as_python(listed: str, texts: tuple[str, ...]) -> None:
    assert parse_mlflow(f"run_id IN {listed}") == ast.Among(RUN_ID, tuple(map(Text, texts)))


@pytest.mark.parametrize("listed", ["()", "(1)", "('a' 'b')", "(('a'))", "('a', 1)", "('a'", "('a',, 'b')", "(,)"])
def test_other_lists_are_refused(listed: str) -> None:
    with pytest.raises(InvalidInputError, match="While parsing a list in the query"):
        parse_mlflow(f"run_id IN {listed}")


def test_what_is_accepted_is_accepted_by_our_own_language_too() -> None:
    for text in (
        "params.x='a' params.y='b'",
        "AND AND tags.`a b` ILIKE 'x' AND",
        "\"run_id\" NOT IN ('a',)",
        "Created<5",
    ):
        assert parse(text) == parse_mlflow(text)


def test_a_large_integer_beside_a_metric_is_a_float() -> None:
    tree = parse_mlflow("metrics.x >= 99999999999999999999999999")
    assert isinstance(tree, ast.Comparison) and tree.right == ast.Number(1e26)
    assert isinstance(tree.right, ast.Number) and type(tree.right.value) is float
    assert parse("metrics.x >= 99999999999999999999999999") == tree


def test_keys_that_words_of_sql_are() -> None:
    for key in ("from", "in", "case", "values", "1", "and", "null", "select"):
        assert parse_mlflow(f"params.{key} = 'x'") == ast.Comparison("=", Field(Entity.PARAM, key), Text("x"))


def test_orders() -> None:
    items = parse_mlflow_order(["metrics.acc DESC", "tags.`a b` asc", "Created"])
    assert [(item.value, item.descending) for item in items] == [
        (Field(Entity.METRIC, "acc"), True),
        (Field(Entity.TAG, "a b"), False),
        (Field(Entity.ATTRIBUTE, "start_time"), False),
    ]
    with pytest.raises(InvalidInputError, match="duplicate"):
        parse_mlflow_order(["start_time", "created DESC"])
    with pytest.raises(InvalidInputError, match="Invalid order_by entity: tag"):
        parse_mlflow_order(["tags.x"], EXPERIMENTS)


def test_the_reason_is_mlflows_and_the_message_points() -> None:
    with pytest.raises(InvalidInputError) as error:
        parse_mlflow("metrics.acc > 0.5 AND params.lr = 0.1")
    assert error.value.facts["reason"] == (
        "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 0.1"
    )
    assert str(error.value).endswith("    metrics.acc > 0.5 AND params.lr = 0.1\n" + " " * 38 + "^")


def test_the_real_parser_agrees_where_it_is_installed() -> None:
    search_utils = pytest.importorskip("mlflow.utils.search_utils")
    exceptions = pytest.importorskip("mlflow.exceptions")
    texts = [
        "metrics.a > 1 AND params.b LIKE 'x%'",
        "tags.`a b` = 'x' AND",
        "params.x = 1",
        "metrics.x = 'a'",
        "foo.x = 1",
        "x = 1",
        "run_id IN ('a', 'b')",
        "status IN ('a')",
        "NOT metrics.x = 1",
        "(metrics.x = 1)",
        "metrics.x = 1 OR metrics.y = 1",
    ]
    for text in texts:
        try:
            search_utils.SearchUtils.parse_search_filter(text)
            accepted = True
        except exceptions.MlflowException:
            accepted = False
        if accepted:
            parse_mlflow(text)
        else:
            with pytest.raises(InvalidInputError):
                parse_mlflow(text)
