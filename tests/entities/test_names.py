"""What is legal, and errors that name the key, the limit and the character."""

from __future__ import annotations

import decimal
import math
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities import canonical, names
from gitruns.entities.canonical import encode_mapping, parse_mapping
from gitruns.errors import InvalidInputError
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same

numpy = pytest.importorskip("numpy")


class _Colour(IntEnum):
    RED = 3


@given(some.names.filter(lambda key: len(key) <= names.MAX_KEY_LENGTH), some.scalars)
def test_a_legal_param_keeps_its_type_in_the_file(key: str, value: object) -> None:
    try:
        name, scalar = names.check_param(key, value)
    except InvalidInputError as error:
        assert error.kind == "too-long"
        assert str(names.MAX_PARAM_LENGTH) in str(error) and f"'{key}'" in str(error)
        return
    assert name == key and same(scalar, value)
    assert same(parse_mapping(encode_mapping({name: scalar})), {key: value})


@given(st.text(max_size=names.MAX_KEY_LENGTH), st.sampled_from(["params/", "tags/"]))
def test_every_legal_key_can_be_stored_and_stamped(key: str, prefix: str) -> None:
    try:
        names.check_key("tag", key)
    except InvalidInputError:
        return
    canonical.encode_mapping({prefix + key: 1})


@given(st.text(alphabet=st.sampled_from("\x01a\u2028é"), min_size=140, max_size=names.MAX_KEY_LENGTH))
def test_a_key_of_many_escapes_is_refused_when_logged_not_when_sealed(key: str) -> None:
    try:
        names.check_key("tag", key)
    except InvalidInputError as error:
        assert error.kind == "too-long"
        assert "as written" in str(error)
        return
    canonical.encode_mapping({f"params/{key}": 1})


def test_250_characters_of_any_printable_text_are_a_key() -> None:
    for key in ("k" * 250, "\U0001f600" * 250, '"' * 250, "é" * 250):
        assert names.check_key("param", key) == key


def test_errors_name_key_limit_and_character() -> None:
    with pytest.raises(InvalidInputError, match=r"param key 'kkk.*251 characters long, at most 250 are allowed"):
        names.check_param("k" * 251, 1)
    with pytest.raises(InvalidInputError, match=r"value of param 'lr'.*6001 characters long, at most 6000"):
        names.check_param("lr", "v" * 6001)
    with pytest.raises(InvalidInputError, match=r"value of tag 'note'.*8001 characters long, at most 8000"):
        names.check_tag("note", "v" * 8001)
    with pytest.raises(InvalidInputError, match=r"param key.*U\+D800 at character 2"):
        names.check_param("a\ud800", 1)
    with pytest.raises(InvalidInputError, match=r"value of tag 'k'.*U\+DFFF at character 1"):
        names.check_tag("k", "\udfff")
    with pytest.raises(InvalidInputError, match="metric key must not be empty"):
        names.check_key("metric", "")
    with pytest.raises(InvalidInputError, match="param key must be text, not 'int'"):
        names.check_param(3, 1)


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        (numpy.float32(0.5), 0.5),
        (numpy.float64("nan"), math.nan),
        (numpy.int64(-7), -7),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.bool_(True), True),
        (numpy.str_("text"), "text"),
        (numpy.array(3), 3),
        (numpy.array([1, 2]), "[1 2]"),
        (_Colour.RED, 3),
        (True, True),
        (None, None),
        (decimal.Decimal("0.1"), "0.1"),
        ([1, "a"], "[1, 'a']"),
        (b"bytes", "b'bytes'"),
    ],
)
def test_scalars_of_others_become_plain_ones(value: object, scalar: object) -> None:
    assert same(names.as_scalar(value), scalar)


def test_an_integer_of_any_size_is_a_param() -> None:
    huge = 10**5000
    assert names.check_param("huge", huge) == ("huge", huge)


class _Wrapped:
    """Something with an `item` that means something else."""

    def item(self) -> object:
        raise KeyError("which item?")

    def __str__(self) -> str:
        return "wrapped"


def test_an_item_of_somebody_else_is_no_trouble() -> None:
    assert names.as_scalar(_Wrapped()) == "wrapped"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (2**53, 2.0**53),
        (2**1000, 2.0**1000),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (5e-324, 5e-324),
        (numpy.float32(0.1), 0.10000000149011612),
        (numpy.int8(-3), -3.0),
        (numpy.array(0.5), 0.5),
        (numpy.array([0.5]), 0.5),
        (decimal.Decimal("0.25"), 0.25),
    ],
)
def test_a_metric_is_float64_bit_for_bit(value: object, number: float) -> None:
    assert same(names.check_metric_value("m", value), number)


@given(st.integers())
def test_an_integer_is_a_metric_only_if_float64_holds_it(number: int) -> None:
    try:
        assert int(names.check_metric_value("m", number)) == number
    except InvalidInputError as error:
        assert error.kind == "integer-not-in-float64"
        assert "'m'" in str(error) and str(number)[:40] in str(error)
        assert int(float(number)) != number


@pytest.mark.parametrize("number", [2**53 + 1, 10**400, numpy.uint64(2**64 - 1), -(2**1100) - 1], ids=range(4))
def test_integers_that_float64_cannot_hold_are_refused_with_their_name(number: object) -> None:
    with pytest.raises(InvalidInputError, match="metric 'steps' cannot hold") as caught:
        names.check_metric_value("steps", number)
    assert caught.value.kind == "integer-not-in-float64"


@pytest.mark.parametrize("value", ["1.0", None, [1.0], numpy.array([1.0, 2.0]), 1j, object(), b"1", {}])
def test_what_is_no_number_is_no_metric(value: object) -> None:
    with pytest.raises(InvalidInputError, match="metric 'm' must be a number") as caught:
        names.check_metric_value("m", value)
    assert caught.value.kind == "not-a-number"


def test_steps() -> None:
    assert names.check_step("m", None) == 0
    assert names.check_step("m", numpy.int32(4)) == 4
    assert names.check_step("m", 4.0) == 4
    assert names.check_step("m", -(2**63)) == -(2**63)
    for step in (2**63, -(2**63) - 1):
        with pytest.raises(InvalidInputError, match="step of metric 'm' must fit 64 bits"):
            names.check_step("m", step)
    for bad in (0.5, "1", math.nan, math.inf):
        with pytest.raises(InvalidInputError, match="step of metric 'm' must be an integer"):
            names.check_step("m", bad)


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("a", "a"),
        ("a/b.txt", "a/b.txt"),
        ("./a//b/", "a/b"),
        ("a\\..\\b", "a\\..\\b"),
        ("é/\U0001f600\n",) * 2,
    ],
)
def test_artifact_paths_in_their_one_form(path: str, stored: str) -> None:
    assert names.check_artifact_path(path) == stored
    assert names.check_artifact_path(stored) == stored


@pytest.mark.parametrize(
    "path",
    ["", "/", ".", "..", "../a", "a/../b", "/etc/passwd", "a\0b", ".gitruns", ".gitruns/x", "./.gitruns/x", "\udc80"],
)
def test_artifact_paths_that_are_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="artifact path"):
        names.check_artifact_path(path)


@given(st.text(max_size=1100))
def test_every_legal_artifact_path_can_be_stamped(path: str) -> None:
    try:
        legal = names.check_artifact_path(path)
    except InvalidInputError:
        return
    canonical.encode_mapping({f"artifacts/{legal}": 1})
    assert ".." not in legal.split("/") and not legal.startswith("/")


def test_names_of_runs_differ_and_are_plain() -> None:
    made = {names.new_run_name() for _ in range(200)}
    assert len(made) > 190
    assert all(name.replace("-", "").isalnum() and name.isascii() for name in made)
