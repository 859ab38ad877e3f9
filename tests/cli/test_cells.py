"""Text on a terminal: harmless, measured, cut."""

from __future__ import annotations

import math
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gitruns.cli.cells import columns_of, cut, number, param, printable


def test_controls_are_spelled() -> None:
    assert printable("a\033[31mb") == "a\\x1b[31mb"
    assert printable("a\nb\tc") == "a\\nb\\tc"
    assert printable("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert printable("evil\u202etxt.exe") == "evil\\u202etxt.exe"
    assert printable("naïve 日本 🦦") == "naïve 日本 🦦"


@given(st.text())
def test_nothing_printable_can_act_on_a_terminal(text: str) -> None:
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in printable(text))


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_what_is_cut_fits(text: str, width: int) -> None:
    shown = printable(text)
    assert columns_of(cut(shown, width)) <= width
    if columns_of(shown) <= width:
        assert cut(shown, width) == shown


def test_wide_characters_are_cut_by_columns() -> None:
    assert cut("日本語のテキスト", 7) == "日本語…"
    assert cut("bold-otter-12", 8) == "bold-ot…"
    assert cut("bold-otter-12", 8, "~") == "bold-ot~"


def test_numbers_keep_few_digits() -> None:
    assert [number(value) for value in (0.123456, 12345.678, 1e-7, 3.0, -0.0, 1e20)] == [
        "0.1235",
        "1.235e+04",
        "1e-07",
        "3",
        "-0",
        "1e+20",
    ]
    assert [number(value) for value in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]


def test_a_param_is_never_shown_as_another_number() -> None:
    assert param(0.1) == "0.1"
    assert param(0.1234567891) == "0.1234567891"
    assert param(True) == "True"
    assert param(10**6) == "1000000"
    assert param("two\nlines") == "two\\nlines"
    assert param(math.nan) == "nan"
