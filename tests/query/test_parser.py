"""What the language says, form by form."""

from __future__ import annotations

import pytest

from gitruns.errors import InvalidInputError
from gitruns.query import EXPERIMENTS, ast, parse, parse_order
from gitruns.query.ast import Entity, Field, Number, Text, Truth

ACC = Field(Entity.BARE, "acc")
START = Field(Entity.ATTRIBUTE, "start_time")
STATUS = Field(Entity.ATTRIBUTE, "status")
COMMIT = Field(Entity.ATTRIBUTE, "commit")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("acc", Field(Entity.BARE, "acc")),
        ("val-loss", Field(Entity.BARE, "val-loss")),
        ("train/loss", Field(Entity.BARE, "train/loss")),
        ("model.lr", Field(Entity.BARE, "model.lr")),
        ("`any thing: ☃`", Field(Entity.BARE, "any thing: ☃")),
        ('"any thing"', Field(Entity.BARE, "any thing")),
        ("metrics.acc", Field(Entity.METRIC, "acc")),
        ("metric.a.b/c-d", Field(Entity.METRIC, "a.b/c-d")),
        ("metrics.1st", Field(Entity.METRIC, "1st")),
        ("params.lr", Field(Entity.PARAM, "lr")),
        ("parameter.`l r`", Field(Entity.PARAM, "l r")),
        ('tags."a.b"', Field(Entity.TAG, "a.b")),
        ("tag.'x'", Field(Entity.TAG, "x")),
        ('tags.e"a\\"`b\\u2603"', Field(Entity.TAG, 'a"`b☃')),
        ("metrics.status", Field(Entity.METRIC, "status")),
        ("params.and", Field(Entity.PARAM, "and")),
        ("min", Field(Entity.BARE, "min")),
        ("touched", Field(Entity.BARE, "touched")),
        ("error", Field(Entity.BARE, "error")),
    ],
)
def test_names(text: str, field: Field) -> None:
    assert parse(f"{text} = 1") == ast.Comparison("=", field, Number(1))


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("status", "status"),
        ("attributes.status", "status"),
        ("attr.error", "error"),
        ("run.run_name", "run_name"),
        ("name", "run_name"),
        ("`Run Name`", "run_name"),
        ("user", "user_id"),
        ("parent", "parent_run_id"),
    ],
)
def test_attributes_and_aliases(text: str, attribute: str) -> None:
    tree = parse(f"{text} is null")
    assert tree == ast.Is(Field(Entity.ATTRIBUTE, attribute), "null")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", Number(1)),
        ("-1", Number(-1)),
        ("- 1", Number(-1)),
        (".35", Number(0.35)),
        ("5.", Number(5.0)),
        ("1e-1", Number(0.1)),
        ("1E5", Number(100000.0)),
        ("--2", Number(2)),
        ("123456789012345678901234567890", Number(123456789012345678901234567890)),
        ("1e999", Number(float("inf"))),
        ("'cnn'", Text("cnn")),
        ('"cnn"', Text("cnn")),
        ("'it''s'", Text("it''s")),
        ('"it\'s"', Text("it's")),
        ("'back\\'slash'", Text("back\\'slash")),
        ("'C:\\data\\'", Text("C:\\data\\")),
        ("e'it\\'s\\n\\x41\\u2603\\U0001f600'", Text("it's\nA☃😀")),
        ("true", Truth(True)),
        ("FALSE", Truth(False)),
    ],
)
def test_values(text: str, value: ast.Value) -> None:
    assert parse(f"params.x = {text}") == ast.Comparison("=", Field(Entity.PARAM, "x"), value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("started > -7d", ast.Comparison(">", START, ast.Length(-7, "d"))),
        ("created >= 2024-05-01", ast.Comparison(">=", START, ast.Moment("2024-05-01"))),
        ("start_time < 1714521600000", ast.Comparison("<", START, Number(1714521600000))),
        ("-1.5h < started", ast.Comparison(">", START, ast.Length(-1.5, "h"))),
        ("started = today", ast.Comparison("=", START, ast.Moment("today"))),
        ("started > '2 weeks ago'", ast.Comparison(">", START, ast.Length(-2, "w"))),
        ("duration > 90m", ast.Comparison(">", Field(Entity.ATTRIBUTE, "duration"), ast.Length(90, "m"))),
        ("status = finished", ast.Comparison("=", STATUS, Text("FINISHED"))),
        ("status != 'FAILED'", ast.Comparison("!=", STATUS, Text("FAILED"))),
        ("status not in (failed, killed)", ast.Among(STATUS, (Text("FAILED"), Text("KILLED")), True)),
        ("branch = feature/x#1", ast.Comparison("=", Field(Entity.ATTRIBUTE, "branch"), Text("feature/x#1"))),
        ("commit = HEAD~3", ast.Comparison("=", COMMIT, Text("HEAD~3"))),
        ("commit = 3f2a91c", ast.Comparison("=", COMMIT, Text("3f2a91c"))),
        ("commit in (v1, 'v2')", ast.Among(COMMIT, (Text("v1"), Text("v2")))),
        ("author = ada", ast.Comparison("=", Field(Entity.ATTRIBUTE, "author"), Text("ada"))),
        ("dirty", ast.Comparison("=", Field(Entity.ATTRIBUTE, "dirty"), Truth(True))),
        ("not dirty", ast.Not(ast.Comparison("=", Field(Entity.ATTRIBUTE, "dirty"), Truth(True)))),
        ("in main..feature", ast.InRange("main..feature")),
        ("not in main...feature", ast.Not(ast.InRange("main...feature"))),
        ("ancestor of v1.2", ast.AncestorOf("v1.2")),
        ("same code as 'my run'", ast.SameCode("my run")),
        ("touched src/model.py", ast.Touched("src/model.py")),
        ("touched > 3", ast.Comparison(">", Field(Entity.BARE, "touched"), Number(3))),
        ("as of 2024-05-01", ast.AsOf(ast.Moment("2024-05-01"))),
        ("as of -7d", ast.AsOf(ast.Length(-7, "d"))),
        ("as of v1.2", ast.AsOf(Text("v1.2"))),
        ("loss@100 < 1", ast.Comparison("<", ast.AtStep("loss", 100), Number(1))),
        ("metrics.`val loss`@-1 < 1", ast.Comparison("<", ast.AtStep("val loss", -1), Number(1))),
        ("min(loss) < 1", ast.Comparison("<", ast.Summary("min", "loss"), Number(1))),
        ("max(metrics.a/b) < 1", ast.Comparison("<", ast.Summary("max", "a/b"), Number(1))),
        ("lr between 0.01 and 0.1", ast.Between(Field(Entity.BARE, "lr"), Number(0.01), Number(0.1))),
        ("acc is nan", ast.Is(ACC, "nan")),
        ("acc IS NOT NULL", ast.Is(ACC, "null", True)),
        ("name like 'a%'", ast.Match("LIKE", Field(Entity.ATTRIBUTE, "run_name"), "a%")),
        ("tags.x not ilike 'a%'", ast.Match("ILIKE", Field(Entity.TAG, "x"), "a%", True)),
        ('model regexp "^res"', ast.Match("REGEXP", Field(Entity.BARE, "model"), "^res")),
        ("params.flag = true", ast.Comparison("=", Field(Entity.PARAM, "flag"), Truth(True))),
        ("dataset.name = 'd'", ast.Comparison("=", Field(Entity.DATASET, "name"), Text("d"))),
    ],
)
def test_forms(text: str, tree: ast.Condition) -> None:
    assert parse(text) == tree


def test_precedence() -> None:
    a, b, c = (ast.Comparison("=", Field(Entity.BARE, key), Number(1)) for key in "abc")
    assert parse("a = 1 or b = 1 and c = 1") == ast.Or((a, ast.And((b, c))))
    assert parse("(a = 1 or b = 1) and c = 1") == ast.And((ast.Or((a, b)), c))
    assert parse("not a = 1 and b = 1") == ast.And((ast.Not(a), b))
    assert parse("a = 1 b = 1 or c = 1") == ast.Or((ast.And((a, b)), c))
    assert parse("AND a = 1 and and b = 1 AND") == ast.And((a, b))
    assert parse("a = 1 and (b = 1 and c = 1)") == ast.And((a, ast.And((b, c))))


def test_arithmetic_binds_as_in_school() -> None:
    a, b, c = (Field(Entity.BARE, key) for key in "abc")
    product = ast.Arithmetic("*", b, c)
    assert parse("a + b * c > 0") == ast.Comparison(">", ast.Arithmetic("+", a, product), Number(0))
    difference = ast.Arithmetic("-", ast.Arithmetic("-", a, b), c)
    assert parse("a - b - c > 0") == ast.Comparison(">", difference, Number(0))
    assert parse("-a < 0") == ast.Comparison("<", ast.Negative(a), Number(0))
    assert parse("(a > 0)") == parse("a > (0)") == parse("((a) > 0)")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "and", "AND and"])
def test_nothing_is_everything(text: str) -> None:
    assert parse(text) == ast.EVERYTHING


def test_columns_are_kept_beside_equality() -> None:
    tree = parse("acc > 1 and lr = 2")
    assert isinstance(tree, ast.And)
    second = tree.conditions[1]
    assert isinstance(second, ast.Comparison)
    assert (second.left.column, second.column, second.right.column) == (12, 15, 17)


def test_orders() -> None:
    items = parse_order(["-acc", "val-loss", "params.lr DESC", "+min(loss), started asc", "acc - loss"])
    assert [(item.value, item.descending) for item in items] == [
        (ACC, True),
        (Field(Entity.BARE, "val-loss"), False),
        (Field(Entity.PARAM, "lr"), True),
        (ast.Summary("min", "loss"), False),
        (START, False),
        (ast.Arithmetic("-", ACC, Field(Entity.BARE, "loss")), False),
    ]
    assert parse_order([]) == ()


@pytest.mark.parametrize(
    "text", ["", "acc up", "-acc desc", "acc,", "1", "'text'", "acc > 1", "dataset.name", "commit"]
)
def test_what_has_no_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        parse_order([text])
    assert error.value.kind == "bad-query"


def test_experiments_have_their_own_names() -> None:
    tree = parse("name like 'dig%' and created > -7d and lifecycle = active", EXPERIMENTS)
    assert isinstance(tree, ast.And) and len(tree.conditions) == 3
    for text in ("metrics.acc > 1", "in a..b", "min(loss) > 1", "loss@3 > 1", "status = 'FINISHED' and dirty"):
        with pytest.raises(InvalidInputError):
            parse(text, EXPERIMENTS)
