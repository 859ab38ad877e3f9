"""`--sort`."""

from __future__ import annotations

from typing import Any

import pytest

from gitruns.cli.sorting import sorted_by
from gitruns.errors import InvalidInputError

KNOWN = frozenset({"params", "name"})


def _order(field: str, *values: Any) -> list[Any]:
    records = [{"params": {"x": value}, "name": str(place)} for place, value in enumerate(values)]
    return [record["params"]["x"] for record in sorted_by(records, field, lambda record: record, KNOWN)]


def test_numbers_before_text_and_missing_last() -> None:
    assert _order("params.x", "b", 10, None, "9", 2.5, "nan", True) == [True, 2.5, "9", 10, "b", None, "nan"]


def test_greatest_first_leaves_the_missing_last() -> None:
    assert _order("-params.x", "b", 10, None, "9", 2.5) == ["b", 10, "9", 2.5, None]


def test_equal_ones_keep_their_order() -> None:
    records = [{"params": {"x": 1}, "name": name} for name in "bac"]
    for field in ("params.x", "-params.x"):
        assert [record["name"] for record in sorted_by(records, field, lambda record: record, KNOWN)] == list("bac")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="cannot sort by 'nme'") as caught:
        sorted_by([], "nme", dict, KNOWN)
    assert caught.value.kind == "bad-sort"


def test_huge_integers_sort() -> None:
    assert _order("params.x", 10**400, 1, -(10**400)) == [-(10**400), 1, 10**400]
