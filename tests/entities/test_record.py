"""The fold of records: whatever the order, however often, it comes to the same."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.ids import WriterId
from gitruns.entities.record import (
    PURGED,
    Change,
    RecordState,
    decode_change,
    encode_change,
    fold,
    next_change_stamp,
)
from gitruns.entities.record_checks import MAX_DEPTH, check_fields, check_record_name
from gitruns.entities.stamp import Stamp
from gitruns.errors import CorruptDataError, InvalidInputError

WRITERS = [WriterId(f"{number:016x}") for number in range(3)]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
names = st.sampled_from(["state", "tags/a", "tags/b", "deleted", "time_ms", "é"])
stamps = st.builds(Stamp, st.integers(0, 3), st.integers(0, 1), st.sampled_from(WRITERS))
changes = st.builds(
    Change,
    st.sampled_from(["trace", "assessment"]),
    st.sampled_from(["a", "b"]),
    stamps,
    st.dictionaries(names | st.just(PURGED), values, max_size=4),
)


def shown(states: dict[tuple[str, str], RecordState]) -> dict[tuple[str, str], tuple[str, dict[str, Stamp]]]:
    # Told apart as JSON has them: True is not 1, and 1.0 not 1.
    return {key: (json.dumps(state.fields, sort_keys=True), state.stamps) for key, state in states.items()}


@given(st.lists(changes, max_size=12), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(made: list[Change], chance: random.Random) -> None:
    again = [*made, *chance.sample(made, len(made) // 2)]
    chance.shuffle(again)
    assert shown(fold(again)) == shown(fold(made))


@given(st.lists(changes, max_size=8), st.lists(changes, max_size=8))
def test_a_change_that_is_in_changes_nothing(made: list[Change], more: list[Change]) -> None:
    states = fold([*made, *more])
    before = shown(states)
    for change in made:
        assert states[change.kind, change.id].apply(change) is False
    assert shown(states) == before


def test_the_greater_stamp_wins_field_by_field() -> None:
    early, late = Stamp(1, 0, WRITERS[1]), Stamp(1, 1, WRITERS[0])
    state = fold(
        [
            Change("trace", "t", late, {"state": "OK", "tags/a": None}),
            Change("trace", "t", early, {"state": "ERROR", "tags/a": "x", "tags/b": "y"}),
        ]
    )["trace", "t"]
    assert state.fields == {"state": "OK", "tags/b": "y"}
    assert state.stamps == {"state": late, "tags/a": late, "tags/b": early}


@pytest.mark.parametrize("purge_first", [True, False])
def test_a_purge_beats_later_changes_and_stays(purge_first: bool) -> None:
    purge = Change("trace", "t", Stamp(1, 0, WRITERS[0]), {PURGED: True})
    later = Change("trace", "t", Stamp(9, 0, WRITERS[1]), {"state": "OK", PURGED: False})
    state = fold([purge, later] if purge_first else [later, purge])["trace", "t"]
    assert state.is_purged and state.is_deleted and state.fields == {PURGED: True}


@given(changes)
def test_a_line_is_the_change_and_nothing_else(change: Change) -> None:
    line = encode_change(change)
    assert b"\n" not in line
    assert decode_change(line) == change
    assert encode_change(decode_change(line)) == line
    assert json.loads(line)["at"] == [change.stamp.time_ms, change.stamp.counter, change.stamp.writer]


GOOD = b'{"at":[1,2,"00000000000000aa"],"id":"t","kind":"trace","set":{"a":1}}'


def test_the_good_line_is_good() -> None:
    assert decode_change(GOOD).fields == {"a": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        GOOD[:-1],
        GOOD + b" ",
        GOOD.replace(b'"a":1', b'"a": 1'),
        GOOD.replace(b'"a":1', b'"a":1,"a":2'),
        GOOD.replace(b'"a":1', b'"b":1,"a":2'),
        GOOD.replace(b'"a":1', b'"a":1.50'),
        GOOD.replace(b'"a":1', b'"a":NaN'),
        GOOD.replace(b'"a":1', b'"a":1e999'),
        GOOD.replace(b'"a":1', b'"a":' + b"9" * 30),
        GOOD.replace(b'"a":1', b'"a":' + b"9" * 5000),
        GOOD.replace(b'"a":1', b'"":1'),
        GOOD.replace(b'"a":1', b'"a":"\\ud800"'),
        GOOD.replace(b'"a":1', b'"a":"\xff"'),
        GOOD.replace(b'"a":1', b'"a":"' + b"x" * 70_000 + b'"'),
        GOOD.replace(b'"a":1', b'"a":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)),
        GOOD.replace(b'"a":1', b'"a":' + b"[" * 30_000 + b"]" * 30_000),
        GOOD.replace(b"[1,2,", b"[1,2.0,"),
        GOOD.replace(b"[1,2,", b"[true,2,"),
        GOOD.replace(b"[1,2,", b"[-1,2,"),
        GOOD.replace(b"[1,2,", b"[9223372036854775808,2,"),
        GOOD.replace(b"[1,2,", b"[1,2,3,"),
        GOOD.replace(b"00000000000000aa", b"../../../../etc/"),
        GOOD.replace(b'"trace"', b'"Trace"'),
        GOOD.replace(b'"trace"', b'"../trace"'),
        GOOD.replace(b'"id":"t"', b'"id":"t\\u0000"'),
        GOOD.replace(b'"id":"t"', b'"id":"' + b"t" * 257 + b'"'),
        GOOD.replace(b'"id":"t"', b'"id":1'),
        GOOD.replace(b'"set":{"a":1}', b'"set":[]'),
        GOOD.replace(b'"set"', b'"more":1,"set"'),
    ],
)
def test_a_bad_line_is_refused(line: bytes) -> None:
    with pytest.raises(CorruptDataError) as caught:
        decode_change(line)
    assert caught.value.kind == "bad-record" and "cannot read a change of a record" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "JSON does not know"),
        (float("inf"), "JSON does not know"),
        (2**63, "64 bits"),
        ("\ud800", "surrogate"),
        ({1: 2}, "no text"),
        ({"a": {"\udcff": 1}}, "no text"),
        (object(), "'object'"),
        (b"bytes", "'bytes'"),
    ],
)
def test_what_cannot_be_stored_is_named(value: object, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        check_fields({"field": value})


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidInputError, match="levels"):
        check_fields({"field": loop})


@pytest.mark.parametrize(
    ("kind", "record_id"), [("", "a"), ("Trace", "a"), ("a/b", "a"), ("trace", ""), ("trace", "a\nb"), ("trace", 3)]
)
def test_bad_names_are_refused(kind: str, record_id: object) -> None:
    with pytest.raises(InvalidInputError):
        check_record_name(kind, record_id)


@given(st.lists(st.integers(0, 10**13), min_size=2, max_size=20))
def test_stamps_of_one_writer_only_grow_whatever_the_clock_does(clock: list[int]) -> None:
    last = None
    for now_ns in clock:
        following = next_change_stamp(last, now_ns, WRITERS[0])
        assert last is None or following > last
        assert following.time_ms >= now_ns // 1_000_000
        last = following
