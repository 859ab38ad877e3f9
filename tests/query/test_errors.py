"""Every failure points at its place and, where it can, says what to type."""

from __future__ import annotations

import pytest

from gitruns.errors import InvalidInputError
from gitruns.query import EXPERIMENTS, RUNS, nearest, parse
from gitruns.query.fields import Subject


def failure(text: str, subject: Subject = RUNS) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as found:
        parse(text, subject)
    assert found.value.kind == "bad-query"
    return found.value


@pytest.mark.parametrize(
    ("text", "column", "reason", "hint"),
    [
        ("acc >", 6, "expected a field or a value, not the end", None),
        ("acc > > 1", 7, "expected a field or a value, not '>'", None),
        ("acc", 1, "a value alone is no condition", "compare it, or ask: acc is not null"),
        ("acc > 1 or", 11, "expected a condition, as in: acc > 0.9, not the end", None),
        ("acc > 1)", 8, "expected AND, OR or the end, not ')'", None),
        ("(acc > 1", 9, "expected ), not the end", None),
        (
            "(acc > 1]",
            9,
            "unexpected character ']'",
            "a name with other characters than letters, digits and _ goes in backticks",
        ),
        ("acc > 1; lr = 2", 8, "unexpected character ';'", "join conditions with AND and OR"),
        ("model = ‘cnn’", 9, "unexpected character '‘'", "text goes in straight quotes: 'text'"),
        ("model = 'cnn", 9, "the text that begins here has no end '", "close it with '"),
        ("model = e'\\q'", 11, "no such escape", "escapes: \\\\ \\' \\n \\t \\r \\0 \\xHH \\uHHHH \\UHHHHHHHH"),
        (
            "1x = 2",
            1,
            "'1x' is no number",
            "lengths of time: 30s 90m 2h 7d 2w; a name that begins with a digit goes in backticks",
        ),
        ("started > 2024-13-01", 11, "'2024-13-01' is no date", "dates: 2024-05-01, 2024-05-01T12:30, -7d, today"),
        ("started > 'soon'", 11, "'soon' is no date", "dates: 2024-05-01, 2024-05-01T12:30, -7d, today"),
        ("started > 7d", 11, "a time does not compare with a length of time", "write -7d for 7 days ago"),
        (
            "acc > 2024-05-01",
            5,
            "a param or tag does not compare with a date",
            "dates compare with start_time and end_time",
        ),
        (
            "metrics.acc = 'x'",
            13,
            "a number does not compare with text",
            "write the number without quotes; params.KEY and tags.KEY compare with text",
        ),
        ("lr > '0.1'", 6, "'0.1' in quotes is text, and would be ordered as text", "compare with the number: 0.1"),
        ("status = fnished", 10, "status is never 'fnished'", "did you mean FINISHED?"),
        ("status = 'finished'", 10, "status is never 'finished'", "did you mean FINISHED?"),
        ("status in (done)", 12, "status is never 'done'", "it is one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED"),
        (
            'acc > 1 and atributes."status" = 1',
            13,
            "there is no 'atributes' to look into",
            "did you mean attributes.status?",
        ),
        ("attributes.stat = 'x'", 1, "a run has no attribute 'stat'", None),
        ("dataset.size > 1", 1, "a dataset has no 'size'", "one of: name, digest, context"),
        ("'a' = 'b'", 5, "neither side names a field", None),
        ("'acc' > 1", 7, "neither side names a field", "a name goes in backticks, or bare: single quotes make text"),
        ("dirty > true", 7, "true or false has no order", "it can be compared with = and !="),
        ("status + 1 > 2", 1, "cannot calculate with text", None),
        ("acc + (lr = 1) > 2", 5, "'+' beside a condition", "compare values, join conditions"),
        ("(acc > 1) > 2", 11, "'>' after a condition", "join conditions with AND or OR"),
        ("lr in (1, lr)", 11, "a list holds text and numbers", "text goes in quotes: model in ('cnn', 'mlp')"),
        ("lr in 1", 7, "expected ( and a list, as in: status in (failed, killed), not '1'", None),
        ("lr between 1 or 2", 14, "expected AND and the upper end, as in: lr between 0.01 and 0.1, not 'or'", None),
        ("lr is 1", 7, "expected NULL, NOT NULL, NAN or NOT NAN, not '1'", None),
        ("status is nan", 8, "text is never NaN", None),
        ("acc like 5", 10, "expected text in quotes after LIKE, not '5'", None),
        ("metrics.acc like 'x'", 13, "LIKE looks into text, and this is a number", None),
        ("in main", 4, "a range has two dots", "main..HEAD, or: ancestor of main"),
        ("ancestor of", 12, "expected a revision, as in: main, v1.2, HEAD~3, not the end", None),
        ("loss@x < 1", 6, "expected a step, as in: loss@100, not 'x'", None),
        ("loss@99999999999999999999 < 1", 6, "a step fits 64 bits", None),
        ("params.lr@1 < 1", 1, "only metrics have steps, and 'params' are none", None),
        ("min(2) < 1", 5, "expected a metric, not '2'", None),
        ("acc > " + "9" * 500, 7, "a number of more than 400 digits", "compare it as text, in quotes"),
        ("model = '\ud800'", 10, "a lone surrogate is no character", None),
        ("(" * 50 + "acc > 1" + ")" * 50, 26, "the query is nested more than 25 levels deep", None),
        ("not " * 26 + "acc > 1", 101, "the query is nested more than 25 levels deep", None),
        ("acc" + "+1" * 101 + " > 1", 204, "the query calculates with more than 100 operators", None),
        ("acc > 1 " * 1000, 5335, "the query has more than 2000 words", None),
        ("a" * 70_000, 65_537, "the query is longer than 65536 characters", None),
    ],
)
def test_messages(text: str, column: int, reason: str, hint: str | None) -> None:
    error = failure(text)
    assert (error.facts["column"], error.facts["reason"]) == (column, reason)
    if hint is not None:
        assert error.hint == hint


def test_the_caret_stands_under_the_place() -> None:
    assert str(failure("val_loss < 0.3 and modle == or")) == (
        "cannot read query: expected a field or a value, not 'or' (column 29)\n"
        "    val_loss < 0.3 and modle == or\n"
        "                                ^"
    )


def test_wide_characters_and_line_ends_do_not_move_the_caret() -> None:
    pointer = str(failure("params.学习率 = 1 and\n\tx >").facts["pointer"])
    line, caret = pointer.split("\n")
    assert line == "    params.学习率 = 1 and··x >"
    assert caret == " " * (4 + 23 + 3) + "^"


def test_a_long_query_is_cut_around_the_place() -> None:
    pointer = str(failure("acc > 1 and " * 20 + "lr >> 1" + " and acc > 1" * 20).facts["pointer"])
    line, caret = pointer.split("\n")
    assert len(line) < 85 and line.strip().startswith("…") and line.endswith("…")
    assert line[caret.index("^")] == ">"


def test_terminal_escapes_are_not_printed() -> None:
    assert "\x1b" not in str(failure("acc > \x1b[31m"))


def test_experiments_name_their_own_attributes() -> None:
    error = failure("attribute.nme = 'x'", EXPERIMENTS)
    assert error.facts["reason"] == "an experiment has no attribute 'nme'"
    assert error.hint == "did you mean name?"


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("lsos", ["loss", "lr", "acc"], "loss"),
        ("acuracy", ["accuracy", "acc"], "accuracy"),
        ("LOSS", ["loss"], "loss"),
        ("loss", ["val/loss", "lr"], "val/loss"),
        ("lr", ["learning_rate", "xyz"], None),
        ("x", ["completely", "different"], None),
        ("a", ["n"], None),
    ],
)
def test_the_nearest_name_is_suggested(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
