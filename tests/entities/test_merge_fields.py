"""The laws of merging stamped fields: any order, any grouping, any number of times; and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.canonical import encode_value
from gitruns.entities.ids import WriterId
from gitruns.entities.merge import Stamped, merge_fields, merge_files, merge_stamps, stamp_order
from gitruns.entities.stamp import Stamp
from gitruns.testing.strategies import same, scalars

A, B = WriterId("a" * 16), WriterId("b" * 16)

keys = st.sampled_from(["lr", "a/b", "é", "\x00"])
stamps = st.builds(Stamp, st.integers(-2, 2), st.integers(0, 1), st.sampled_from([A, B]))
states = st.builds(
    Stamped,
    st.dictionaries(keys, scalars, max_size=3),
    st.dictionaries(st.builds(str.__add__, st.sampled_from(["params/", "tags/"]), keys), stamps, max_size=3),
)


def merged(*some: Stamped[object]) -> Stamped[object]:
    return merge_fields(some, prefix="params/")


def equal(one: Stamped[object], other: Stamped[object]) -> bool:
    return same(dict(one.values), dict(other.values)) and one.stamps == other.stamps


@given(st.lists(states, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_order_any_grouping_any_number_of_times(some: list[Stamped[object]], random: object) -> None:
    everything = merged(*some)
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert equal(merged(*shuffled), everything)
    assert equal(merged(*some, *shuffled), everything)
    assert equal(merged(everything, everything), everything)
    for cut in range(1, len(shuffled)):
        assert equal(merged(merged(*shuffled[:cut]), merged(*shuffled[cut:])), everything)


@given(st.lists(states, min_size=1, max_size=4))
def test_nothing_is_lost_but_to_something_greater(some: Sequence[Stamped[object]]) -> None:
    everything = merged(*some)
    for state in some:
        names = {name for name in state.stamps if name.startswith("params/")}
        for key in state.values.keys() | {name.removeprefix("params/") for name in names}:
            won, said = everything.stamps.get(f"params/{key}"), state.stamps.get(f"params/{key}")
            assert stamp_order(won) >= stamp_order(said)
            if won == said and key in state.values:
                assert key in everything.values
                assert encode_value(everything.values[key]) >= encode_value(state.values[key])


def field(value: Mapping[str, object], stamp: Stamp | None) -> Stamped[object]:
    return Stamped(value, {} if stamp is None else {"params/k": stamp})


def test_the_greater_stamp_wins_and_a_removal_is_one() -> None:
    old, new = Stamp(1, 0, B), Stamp(1, 1, A)
    assert merged(field({"k": "z"}, old), field({"k": "a"}, new)).values == {"k": "a"}
    gone = merged(field({"k": "z"}, old), field({}, new))
    assert (gone.values, gone.stamps) == ({}, {"params/k": new})
    assert merged(field({"k": "back"}, Stamp(2, 0, A)), gone).values == {"k": "back"}


def test_no_stamp_is_the_lowest_one() -> None:
    assert merged(field({"k": "z"}, None), field({"k": "a"}, Stamp(-(2**63), 0, A))).values == {"k": "a"}
    assert merged(field({"k": "a"}, None), field({}, None)).values == {"k": "a"}


def test_equal_stamps_the_greater_canonical_bytes_win_and_something_beats_nothing() -> None:
    stamp = Stamp(1, 0, A)
    assert merged(field({"k": 1}, stamp), field({"k": "1"}, stamp)).values == {"k": 1}  # `1` is above `"`
    assert merged(field({"k": None}, stamp), field({}, stamp)).values == {"k": None}
    assert str(merged(field({"k": 0.0}, stamp), field({"k": -0.0}, stamp)).values["k"]) == "0.0"


def test_files_without_a_rule_are_kept() -> None:
    stamp = {"files/new.bin": Stamp(1, 0, A)}
    one, other = Stamped({"new.bin": b"\xff", "x": b"1"}), Stamped({"new.bin": b"\x00", "y": b"2"}, stamp)
    assert merge_files([one, other]).values == {"new.bin": b"\x00", "x": b"1", "y": b"2"}
    assert merge_files([Stamped({"f": b"\x7f"}), Stamped({"f": b"\x80"})]).values == {"f": b"\x80"}


def test_stamps_of_unknown_fields_are_kept() -> None:
    low, high = Stamp(1, 0, A), Stamp(1, 0, B)
    states = [{"new/x": low, "tags/k": high}, {"new/x": high, "newer": low}]
    assert merge_stamps(states, besides=["tags/"]) == {"new/x": high, "newer": low}
    assert merge_stamps(states)["tags/k"] == high
