"""Metadata that is not canonical is read safely, or refused with path and line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from gitruns.entities.canonical import NotCanonicalError, encode_list, encode_mapping, parse_mapping
from gitruns.errors import CorruptDataError
from gitruns.gitstore.yaml_text import MAX_HAND_WRITTEN_BYTES, line_of, read_config, read_list, read_mapping
from gitruns.testing.strategies import lists, mappings, same


@given(mappings, lists)
def test_both_paths_read_the_same(mapping: dict[str, object], items: list[object]) -> None:
    data = encode_mapping(mapping)
    assert same(read_mapping(data, "x"), mapping)
    # A comment sends it the slow way.
    assert same(read_mapping(b"# by hand\n" + data, "x"), mapping)
    data = encode_list(items)
    assert same(read_list(data, "x"), items)
    assert same(read_list(b"# by hand\n" + data, "x"), items)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: 1\nb: 2\na: 3\n", "x.yaml:3"),
        (b"a: {b: 1, b: 2}\n", "x.yaml:1"),
        (b"a: 1\n b: 2\n", "x.yaml:2"),
        (b"a: &x 1\nb: *x\n", "x.yaml:2"),
        (b"a: 1\n---\nb: 2\n", "x.yaml:2"),
        (b"a: !!python/object:os.system 1\n", "x.yaml:1"),
        (b"a: !later 1\n", "x.yaml:1"),
        (b"a: 1\nb: \x01\n", "x.yaml:2"),
        (b"a: 1\nb: \xc3\x28\n", "x.yaml:2"),
        (b"a: 1\n? [b]\n: 2\n", "x.yaml:2"),
        (b"a: 1\n2: 2\n", "x.yaml:2"),
        (b"- a\n", "x.yaml:1"),
        (b"text\n", "x.yaml:1"),
        (b"a: 2024-13-45\n", "x.yaml"),
    ],
)
def test_what_is_refused(data: bytes, place: str) -> None:
    with pytest.raises(CorruptDataError, match=f"'{place}'") as caught:
        read_mapping(data, "x.yaml")
    assert caught.value.kind == "bad-yaml"


@pytest.mark.parametrize(
    "data",
    [
        b"a: " + b"[" * 100_000 + b"]" * 100_000,
        b"a: " + b"{a: " * 50_000,
        b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 60)),
        b"- " * 100_000,
        b"? " * 100_000,
        b'"' + b"\\" * 500_000,
    ],
)
def test_hostile_text_is_refused_quickly(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(CorruptDataError, match=r"x\.yaml"):
        read_mapping(data, "x.yaml")
    assert time.process_time() - started < 2


def test_nobody_writes_megabytes_by_hand() -> None:
    with pytest.raises(CorruptDataError, match="not in canonical form"):
        read_mapping(b"# " + b"x" * MAX_HAND_WRITTEN_BYTES, "x.yaml")
    canonical = encode_mapping({f"key {number}": "x" * 100 for number in range(20_000)})
    assert len(canonical) > MAX_HAND_WRITTEN_BYTES
    assert len(read_mapping(canonical, "x.yaml")) == 20_000


def test_configuration_is_ordinary_yaml() -> None:
    assert read_config(b"", "gitruns.yaml") == {}
    assert read_config(b"# nothing\n", "gitruns.yaml") == {}
    assert read_config(b"base: &b {x: 1}\nother: *b\nmore: {<<: *b, y: 2}\n", "gitruns.yaml") == {
        "base": {"x": 1},
        "other": {"x": 1},
        "more": {"x": 1, "y": 2},
    }
    with pytest.raises(CorruptDataError, match=r"gitruns\.yaml:1"):
        read_config(b"a: &a [*a]\n", "gitruns.yaml")


def test_aliases_that_stand_for_too_much_are_refused() -> None:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 9)) for level in range(1, 11)]
    with pytest.raises(CorruptDataError, match=r"gitruns\.yaml:7.*stand for too much"):
        read_config(b"\n".join([*lines, b"store: *a10"]), "gitruns.yaml")
    long = b"a: &a " + b"x" * 100_000 + b"\nb: [" + b", ".join([b"*a"] * 100) + b"]\n"
    with pytest.raises(CorruptDataError, match="stand for too much"):
        read_config(long, "gitruns.yaml")


def test_a_key_is_found_by_line() -> None:
    data = b'# x\n"a": 1\nb: 2\n"c\\n": 3\n'
    assert [line_of(data, key) for key in ("a", "b", "c\n", "d")] == [2, 3, 4, None]


def test_the_fast_path_takes_only_what_it_should() -> None:
    with pytest.raises(NotCanonicalError):
        parse_mapping(b"# by hand\n")
