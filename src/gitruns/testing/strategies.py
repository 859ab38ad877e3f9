"""Hypothesis strategies: values as hostile as the format must bear them."""

from __future__ import annotations

import math
import struct

from hypothesis import strategies as st

from gitruns.entities.values import Point, Scalar

AWKWARD_TEXTS = [
    "",
    " ",
    " leading and trailing ",
    "-",
    "- a",
    "? b",
    "# no comment",
    "a: b",
    "a #b",
    "null",
    "~",
    "yes",
    "on",
    "<<",
    "=",
    "*alias",
    "&anchor",
    "!!python/object:os.system",
    "%TAG",
    "---",
    "...",
    "1e5",
    "1_000",
    "0x1f",
    "1:30:00",
    "2024-01-01",
    ".nan",
    ".inf",
    "NaN",
    "Infinity",
    '"',
    "\\",
    "\\u0041",
    "a\tb",
    "a\nb\n",
    "\r\n",
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\x9f",
    "\xa0",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\ufffd",
    "\U0001f600",
    "\U0001fffe",
    "\U0010ffff",
    "é",
    "e\u0301",
    "{a: 1}",
    "[1, 2]",
    "../../etc/passwd",
    "a/b",
]

texts = st.one_of(
    st.sampled_from(AWKWARD_TEXTS),
    st.text(max_size=20),
    st.text(alphabet=' "\\\n\t:,{}[]-#.un0\u2028é', max_size=12),
)
"""Text of any unicode that UTF-8 can hold."""

keys = texts
names = texts.filter(bool)
"""Keys of params, metrics and tags: not empty."""

integers = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, -(2**63), 2**64, 10**4299, 10**4300, -(10**4301), 7**6000]),
)

AWKWARD_FLOATS = [
    0.0,
    -0.0,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    1e16,
    1e-5,
    1e22,
    0.1,
    123456789.0,
]

floats = st.one_of(st.floats(), st.sampled_from(AWKWARD_FLOATS))
"""Every float64, NaN and infinities too."""

scalars: st.SearchStrategy[Scalar] = st.one_of(st.none(), st.booleans(), integers, floats, texts)


def _nested(items: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(items, st.lists(items, max_size=3), st.dictionaries(keys, items, max_size=3))


values = _nested(_nested(scalars))
"""What a line of a canonical file can hold: scalars, and lists and mappings of them two levels deep."""

mappings = st.dictionaries(keys, values, max_size=6)
lists = st.lists(values, max_size=6)

steps = st.one_of(st.integers(min_value=0, max_value=50), st.integers(min_value=-(2**63), max_value=2**63 - 1))
times_ms = st.one_of(st.integers(min_value=0, max_value=20), st.integers(min_value=0, max_value=2**53))
metric_values = st.one_of(floats, st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf]))


def points(metrics: st.SearchStrategy[str] = names) -> st.SearchStrategy[Point]:
    """Returns points that often share a step, a time or a value, so that ties are met."""
    return st.builds(Point, metrics, steps, times_ms, metric_values)


def same(one: object, other: object) -> bool:
    """Returns whether two values are equal in type too, and floats bit for bit; every NaN is the same NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return (one != one and other != other) or struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
