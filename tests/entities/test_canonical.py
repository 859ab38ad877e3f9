"""The laws of the canonical form. Source: docs/format.md, "Canonical YAML"."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Iterator
from enum import IntEnum

import pytest
import ruamel.yaml
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gitruns.entities import canonical
from gitruns.entities.canonical import NotCanonicalError
from gitruns.errors import InvalidInputError
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same


@pytest.fixture(autouse=True, scope="module")
def no_guard_on_integers() -> Iterator[None]:
    """YAML readers call `int()`, which refuses more than 4,300 digits; ours reads any size with the guard on."""
    limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None
    if limit is not None:
        sys.set_int_max_str_digits(0)
    yield
    if limit is not None:
        sys.set_int_max_str_digits(limit)


def read_by_pyyaml(data: bytes) -> object:
    """What a YAML 1.1 reader sees."""
    return yaml.load(data, Loader=yaml.SafeLoader)


def read_by_ruamel(data: bytes) -> object:
    """What a YAML 1.2 reader sees."""
    return ruamel.yaml.YAML(typ="safe", pure=True).load(io.BytesIO(data))


@settings(max_examples=400)
@given(some.mappings)
@example({text: text for text in some.AWKWARD_TEXTS})
@example({str(number): number for number in some.AWKWARD_FLOATS})
def test_a_mapping_reads_alike_by_us_and_by_both_yamls(mapping: dict[str, object]) -> None:
    data = canonical.encode_mapping(mapping)
    assert same(canonical.parse_mapping(data), mapping)
    assert same(read_by_pyyaml(data), mapping)
    assert same(read_by_ruamel(data), mapping)


@settings(max_examples=200)
@given(some.lists)
@example([*some.AWKWARD_TEXTS])
@example([*some.AWKWARD_FLOATS, math.nan, math.inf, -math.inf])
def test_a_list_reads_alike_by_us_and_by_both_yamls(items: list[object]) -> None:
    data = canonical.encode_list(items)
    assert same(canonical.parse_list(data), items)
    assert same(read_by_pyyaml(data), items)
    assert same(read_by_ruamel(data), items)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML without libyaml")
@settings(max_examples=200)
@given(some.mappings)
@example({text: text for text in some.AWKWARD_TEXTS})
def test_libyaml_reads_alike_too(mapping: dict[str, object]) -> None:
    assert same(yaml.load(canonical.encode_mapping(mapping), Loader=yaml.CSafeLoader), mapping)


@given(some.mappings)
def test_equal_content_has_equal_bytes(mapping: dict[str, object]) -> None:
    backwards = dict(reversed(mapping.items()))
    assert canonical.encode_mapping(backwards) == canonical.encode_mapping(mapping)


@given(some.mappings)
def test_one_line_each_sorted_bytewise(mapping: dict[str, object]) -> None:
    assume(mapping)
    lines = canonical.encode_mapping(mapping).split(b"\n")
    assert lines.pop() == b""
    keys = [yaml.load(line, Loader=yaml.SafeLoader).popitem()[0].encode() for line in lines]
    assert keys == sorted(key.encode() for key in mapping)


@given(some.floats)
def test_a_float_keeps_its_bits(number: float) -> None:
    text = canonical.encode_float(number)
    assert same(canonical.parse_list(f"- {text}\n".encode())[0], number)
    if math.isfinite(number):
        assert "." in text
        assert "e" not in text or text[text.index("e") + 1] in "+-"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e-5, "1.0e-05"),
        (1e16, "1.0e+16"),
        (-0.0, "-0.0"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5.0e-324"),
        (math.nan, ".nan"),
        (-math.inf, "-.inf"),
    ],
)
def test_floats_as_docs_show_them(number: float, text: str) -> None:
    assert canonical.encode_float(number) == text


def test_integers_of_any_size_with_the_guard_on() -> None:
    if not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("this Python has no guard")
    huge = -(7**20000)
    digits = str(huge)
    for guard in (640, 4300):
        sys.set_int_max_str_digits(guard)
        try:
            data = canonical.encode_mapping({"huge": huge, "small": 1})
            assert canonical.parse_mapping(data) == {"huge": huge, "small": 1}
        finally:
            sys.set_int_max_str_digits(0)
        assert data.decode() == f'"huge": {digits}\n"small": 1\n'


class _Colour(IntEnum):
    RED = 3


def test_subclasses_of_plain_types_are_written_as_plain() -> None:
    numpy = pytest.importorskip("numpy")
    assert canonical.encode_value([numpy.float64(0.1), _Colour.RED, numpy.str_("a")]) == '[0.1, 3, "a"]'


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), 1j])
def test_a_type_without_a_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match=type(value).__name__) as caught:
        canonical.encode_value(value)
    assert caught.value.kind == "unstorable-type"


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInputError, match=r"U\+DC80 at character 3") as caught:
        canonical.encode_text("ab\udc80")
    assert caught.value.kind == "lone-surrogate"


def test_a_key_is_written_in_at_most_1000_characters() -> None:
    fits = {"k" * 998: 1, "\x01" * 166: {"n" * 998: 1}}
    data = canonical.encode_mapping(fits)
    assert canonical.parse_mapping(data) == read_by_pyyaml(data) == read_by_ruamel(data) == fits
    for key in ("k" * 999, "\x01" * 167):
        with pytest.raises(InvalidInputError, match="at most 1000") as caught:
            canonical.encode_mapping({key: 1})
        assert caught.value.kind == "key-too-long"


NOT_OURS = {
    "no newline at the end": '"a": 1',
    "nothing": "",
    "a blank line": '"a": 1\n\n"b": 2\n',
    "a comment": '# hello\n"a": 1\n',
    "a plain key": "a: 1\n",
    "a duplicate key": '"a": 1\n"a": 2\n',
    "a duplicate spelled otherwise": '"a": 1\n"\\u0061": 1\n',
    "a duplicate in a nested mapping": '"a": {"b": 1, "b": 2}\n',
    "a duplicate two levels down": '"a": [{"b": 1, "b": 2}]\n',
    "two keys in a line": '"a": 1, "b": 2\n',
    "two keys in a line and one over two": '"a": [1\n"b"], "c": 2\n',
    "a mapping that closes in the next line": '"a": {"x": 1\n"y": 2}\n',
    "text over two lines": '"a": "x\n"y": 1\n',
    "a float without point": '"a": 1e5\n',
    "a float without sign": '"a": 1.0e5\n',
    "a float without point in a list": '"a": [1.0,1e5]\n',
    "a capital exponent": '"a": 1.0E+5\n',
    "no space after the colon": '"a":1\n',
    "no space after a nested colon": '"a": {"b":1}\n',
    "a space before the colon": '"a" : 1\n',
    "no space after a comma": '"a": [1,2]\n',
    "a space at the end": '"a": 1 \n',
    "a tab": '"a":\t1\n',
    "carriage returns": '"a": 1\r\n"b": 2\r\n',
    "JSON's NaN": '"a": NaN\n',
    "JSON's Infinity": '"a": -Infinity\n',
    "a NaN with a sign": '"a": -.nan\n',
    "infinity with a plus": '"a": +.inf\n',
    "a plus": '"a": +1\n',
    "a leading zero": '"a": 010\n',
    "a hex number": '"a": 0x10\n',
    "underscores": '"a": 1_000\n',
    "an escaped surrogate pair": '"a": "\\ud83d\\ude00"\n',
    "an escaped lone surrogate": '"a": "\\uDC80"\n',
    "an escape that only YAML knows": '"a": "\\x41"\n',
    "a raw NEL": '"a": "\x85"\n',
    "a raw line separator": '"a": "\u2028"\n',
    "a raw DEL": '"a": "\x7f"\n',
    "a byte order mark": '\ufeff"a": 1\n',
    "a byte order mark within": '"a": "\ufeff"\n',
    "a noncharacter": '"a": "\uffff"\n',
    "a NUL": '"a": "\x00"\n',
    "three levels of nesting": '"a": [[[1]]]\n',
    "a trailing comma": '"a": [1, ]\n',
    "a document marker": '---\n"a": 1\n',
    "a tag": '"a": !!str 1\n',
    "an anchor": '"a": &x 1\n',
    "a key too long": f'"{"k" * 1100}": 1\n',
    "a nested key too long": f'"a": {{"{"k" * 1100}": 1}}\n',
    "a long key of escapes": f'"{chr(92) * 2 * 520}": 1\n',
    "a word": '"a": yes\n',
    "no value": '"a":\n',
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_the_fast_path_does_not_vouch_for(text: str) -> None:
    with pytest.raises(NotCanonicalError):
        canonical.parse_mapping(text.encode())
    as_list = "".join(f"- {line.partition(': ')[2]}\n" for line in text.splitlines() if ": " in line)
    if as_list and as_list != "- 1\n":
        try:
            items = canonical.parse_list(as_list.encode())
        except NotCanonicalError:
            return
        assert same(items, read_by_pyyaml(as_list.encode()))


def test_bytes_that_are_no_utf8_are_not_vouched_for() -> None:
    for data in (b'"a": "\xff"\n', b'"a": "\xed\xa0\x80"\n', b'\xff\xfe"\x00'):
        with pytest.raises(NotCanonicalError):
            canonical.parse_mapping(data)


def test_empty_files() -> None:
    assert canonical.encode_mapping({}) == b"{}\n"
    assert canonical.encode_list([]) == b"[]\n"
    assert canonical.parse_mapping(b"{}\n") == read_by_pyyaml(b"{}\n") == {}
    assert canonical.parse_list(b"[]\n") == read_by_pyyaml(b"[]\n") == []


PIECES = st.sampled_from(
    [
        *" \"\\:,{}[]-.\n\r\t#&*!|>%@`'?~+_/0123456789abcdefnrtuxINE",
        '"a"',
        '": ',
        '\n"',
        "\n- ",
        "- ",
        ", ",
        '"b": 2',
        "{}",
        "[]",
        "1e5",
        "1.0e+5",
        ".nan",
        "-.inf",
        "NaN",
        "Infinity",
        "null",
        "true",
        "no",
        "\\u00",
        "\\u2028",
        "\\ud83d",
        "\\/",
        "\\x41",
        "\x00",
        "\x7f",
        "\x85",
        "\xa0",
        "\u2028",
        "\ufeff",
        "\ufffe",
        "é",
        "\U0001f600",
        "0x1",
        "1:30",
        "<<: ",
        "---\n",
        "k" * 1030,
    ]
)


@st.composite
def mutated(draw: st.DrawFn, of: st.SearchStrategy[bytes]) -> bytes:
    """Canonical text with some pieces put in, taken out or put in place of others."""
    text = draw(of).decode()
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        start = draw(st.integers(min_value=0, max_value=len(text)))
        end = min(len(text), start + draw(st.integers(min_value=0, max_value=3)))
        text = text[:start] + draw(st.one_of(st.just(""), PIECES)) + text[end:]
    return text.encode()


def check_that_yaml_agrees(data: bytes, value: object) -> None:
    """The law of the fast path: what it accepts, both YAML readers accept with the same typed values."""
    assert same(read_by_pyyaml(data), value)
    assert same(read_by_ruamel(data), value)


plain_mappings = st.dictionaries(some.keys, some.values, min_size=1, max_size=3).map(canonical.encode_mapping)
plain_lists = st.lists(some.values, min_size=1, max_size=3).map(canonical.encode_list)


@settings(max_examples=800)
@given(mutated(plain_mappings))
def test_what_the_fast_path_accepts_of_a_broken_mapping_yaml_reads_alike(data: bytes) -> None:
    try:
        value = canonical.parse_mapping(data)
    except NotCanonicalError:
        return
    check_that_yaml_agrees(data, value)


@settings(max_examples=800)
@given(mutated(plain_lists))
def test_what_the_fast_path_accepts_of_a_broken_list_yaml_reads_alike(data: bytes) -> None:
    try:
        value = canonical.parse_list(data)
    except NotCanonicalError:
        return
    check_that_yaml_agrees(data, value)


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(['"{}', '"a": {}\n', "- {}\n", '- "a{}\n']))
def test_what_the_fast_path_accepts_of_any_text_yaml_reads_alike(text: str, frame: str) -> None:
    data = frame.format(text).encode()
    try:
        value = canonical.parse_list(data) if frame[0] == "-" else canonical.parse_mapping(data)
    except NotCanonicalError:
        return
    check_that_yaml_agrees(data, value)


@pytest.mark.parametrize(
    "text",
    [
        '"a": ' + "[1, " * 100_000 + "\n",
        '"a": [' + "1, " * 300_000 + "X]\n",
        '"a": {' + '"b": {"c": 1}, ' * 60_000 + "X}\n",
        '"a": "' + "\\\\" * 400_000 + "\n",
        '"' * 800_000 + "\n",
        '"a": ' + "1" * 800_000 + "x\n",
        '"a": 1\n' * 100_000 + "x",
        "- " * 400_000 + "\n",
        '"' + "k" * 800_000 + '": 1\n',
        ('"' + "k" * 900 + "\\") * 800 + "\n",
        '"a": "' + 'k\\":' * 200_000 + '"\n',
    ],
    ids=range(11),
)
def test_hostile_text_is_refused_or_read_in_linear_time(text: str) -> None:
    data = text.encode()
    start = time.process_time()
    for parse in (canonical.parse_mapping, canonical.parse_list):
        with contextlib.suppress(NotCanonicalError):
            parse(data)
    assert time.process_time() - start < 3


def test_the_fast_path_costs_a_few_times_the_json_scanner() -> None:
    params = {f"model/param_{number}": number / 7 for number in range(20)}
    data, text = canonical.encode_mapping(params), json.dumps(params)

    def best(parse: object, given: object) -> float:
        assert callable(parse)
        times = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(50):
                parse(given)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(canonical.parse_mapping, data) < 8 * best(json.loads, text)
