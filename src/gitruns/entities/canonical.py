"""One byte form for every value: YAML that is also lines of JSON.

A canonical file is a mapping, one `"key": value` line each in bytewise order of the keys, or a list, one `- value`
line each. Values are the part of JSON that YAML 1.1 and YAML 1.2 read alike, so any YAML reader reads the file,
`git diff` shows one line for each change, and equal content has equal bytes. Source: docs/format.md, "Canonical YAML".

`parse_mapping` and `parse_list` are the fast path: they check the grammar, join the lines and let the JSON scanner
work. Whatever is not surely read exactly as a YAML reader would raises `NotCanonicalError`, and the caller takes the
slow path.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from gitruns.entities.values import int_from_text, int_text
from gitruns.errors import CorruptDataError, InvalidInputError

Value: TypeAlias = Any
"""What a canonical file can hold: None, bool, int, float, str, and lists and str-keyed mappings of these."""

MAX_KEY_LENGTH = 1000
"""Characters of a key as written, quotes and escapes included: YAML readers refuse simple keys above 1,024."""


class NotCanonicalError(ValueError):
    """The fast path does not vouch for this text; a YAML reader may still be able to read it."""


# What JSON lets stand and YAML does not, or shows as nothing: DEL and C1 controls, line and paragraph separators, the
# byte order mark, the two noncharacters that PyYAML refuses.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_encode_json_text = json.encoder.encode_basestring


def encode_text(text: str) -> str:
    """Returns the text in double quotes, with what YAML cannot hold raw escaped as JSON does.

    Raises `InvalidInputError` for a lone surrogate, naming it and its place.
    """
    lone = _SURROGATE.search(text)
    if lone is not None:
        raise InvalidInputError(
            f"cannot store text with a lone surrogate: U+{ord(lone.group()):04X} at character {lone.start() + 1}",
            kind="lone-surrogate",
            hint="decode the bytes as UTF-8 with errors='replace' first",
        )
    quoted: str = _encode_json_text(text)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def encode_float(number: float) -> str:
    """Returns the shortest digits that round-trip, always with a point and, in an exponent, a sign; `.nan`, `.inf`."""
    if math.isfinite(number):
        text = float.__repr__(number)  # numpy's own floats have another repr
        if "e" in text:
            mantissa, exponent = text.split("e")
            if "." not in mantissa:
                mantissa += ".0"
            if exponent[0] not in "+-":
                exponent = "+" + exponent
            return f"{mantissa}e{exponent}"
        return text
    if math.isnan(number):
        return ".nan"
    return ".inf" if number > 0 else "-.inf"


def encode_value(value: Value) -> str:
    """Returns the one-line canonical form of a value; nested mappings are sorted bytewise by key.

    Raises `InvalidInputError` for a type that has no form.
    """
    if isinstance(value, str):
        return encode_text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int_text(value)
    if isinstance(value, float):
        return encode_float(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(_entries(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(encode_value(item) for item in value) + "]"
    raise InvalidInputError(f"cannot store a value of type '{type(value).__name__}'", kind="unstorable-type")


def _entries(mapping: Mapping[str, Value]) -> list[str]:
    # Code points and UTF-8 bytes sort alike, so plain comparison of str is bytewise order.
    return [f"{encode_key(key)}: {encode_value(mapping[key])}" for key in sorted(mapping)]


def encode_key(key: str) -> str:
    """Returns the key in double quotes; raises `InvalidInputError` when that is longer than 1,000 characters."""
    if not isinstance(key, str):
        raise InvalidInputError(f"cannot store a key of type '{type(key).__name__}'", kind="unstorable-type")
    quoted = encode_text(key)
    if len(quoted) > MAX_KEY_LENGTH:
        raise InvalidInputError(
            f"cannot store key '{key[:40]}…': {len(quoted)} characters as written, at most {MAX_KEY_LENGTH} fit",
            kind="key-too-long",
        )
    return quoted


def encode_mapping(mapping: Mapping[str, Value]) -> bytes:
    """Returns the canonical file of a mapping."""
    if not mapping:
        return b"{}\n"
    return ("\n".join(_entries(mapping)) + "\n").encode()


def encode_list(items: Iterable[Value]) -> bytes:
    """Returns the canonical file of a list, in the order given."""
    lines = [f"- {encode_value(item)}\n" for item in items]
    return "".join(lines).encode() if lines else b"[]\n"


# The canonical grammar as regular expressions, part by part. It is checked in full before JSON reads a byte: JSON takes
# much that YAML reads in another way (`1e5`, `"a":1`, tabs, carriage returns, escaped surrogates, NaN, keys too long).
_RAW = r'[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]*'
_TEXT = rf'"{_RAW}(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{{4}}){_RAW})*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:e[+-][0-9]+)?)?"
_ATOM = rf"(?:{_TEXT}|{_NUMBER}|true|false|null|-?\.inf|\.nan)"


def _or_nested(item: str) -> str:
    """Returns the pattern of an item, or of a list or mapping that holds such items."""
    entry = f"{_TEXT}: {item}"
    return rf"(?:{item}|\[(?:{item}(?:, {item})*)?\]|\{{(?:{entry}(?:, {entry})*)?\}})"


# Two levels of nesting are as deep as our files go; anything deeper takes the slow path.
_VALUE = _or_nested(_or_nested(_ATOM))


@functools.cache
def _line_pattern(start: str) -> re.Pattern[str]:
    """Returns the pattern of a line that begins so; made when first used, because that takes milliseconds.

    It is anchored, so that hostile text is not tried again from each of its quotes.
    """
    return re.compile(f"^{start}{_VALUE}\n", re.MULTILINE)


_TEXT_AND_COLON = re.compile(f"{_TEXT}:?")
_TEXT_OR_NON_FINITE = re.compile(rf"{_TEXT}|-?\.(?:inf|nan)")
_AS_JSON = {".nan": "NaN", ".inf": "Infinity", "-.inf": "-Infinity"}


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotCanonicalError("duplicate key")
    return result


_LONG_NUMBER = 4300
"""Python refuses an integer of more digits, unless it is asked by another function."""
_PLAIN_DECODER = json.JSONDecoder()
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_BIG_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=int_from_text)


def _read_lines(data: bytes, line: re.Pattern[str]) -> str:
    """Returns the text when it is lines of that pattern from end to end, non-finite numbers in JSON's words."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotCanonicalError(str(error)) from None
    if not text or line.sub("", text):  # what matches do not cover would be left over
        raise NotCanonicalError("not the canonical form")
    if len(text) > MAX_KEY_LENGTH and max(map(len, text.split("\n"))) > MAX_KEY_LENGTH:
        _check_keys(text)
    if ".nan" in text or ".inf" in text:
        text = _TEXT_OR_NON_FINITE.sub(lambda match: _AS_JSON.get(match.group(), match.group()), text)
    return text


def _check_keys(text: str) -> None:
    for quoted in _TEXT_AND_COLON.findall(text):
        if len(quoted) > MAX_KEY_LENGTH + 1 and quoted[-1] == ":":
            raise NotCanonicalError("a key is longer than YAML readers take")


def _decode(text: str) -> Value:
    try:
        return _DECODER.decode(text)
    except NotCanonicalError:
        raise
    except ValueError:  # an integer beyond Python's guard of 4,300 digits: the grammar is checked, so nothing else
        return _BIG_DECODER.decode(text)


def parse_mapping(data: bytes) -> dict[str, Value]:
    """Returns the mapping of a canonical file: the fast path.

    Raises `NotCanonicalError` for text that is not surely the canonical form; a YAML reader decides then. The order
    of the keys is not looked at.
    """
    if data == b"{}\n":
        return {}
    text = _read_lines(data, _line_pattern(f"{_TEXT}: "))
    text = "{" + text[:-1].replace("\n", ",\n") + "}"
    if len(text) < _LONG_NUMBER:
        # Counted, a duplicate key is noticed; so is text that only looks like a key, which is looked at again then.
        counted: dict[str, Value] = _PLAIN_DECODER.decode(text)
        nested = sum(len(value) for value in counted.values() if type(value) is dict)
        if len(counted) + nested == text.count('": '):
            return counted
    mapping: dict[str, Value] = _decode(text)
    return mapping


def parse_list(data: bytes) -> list[Value]:
    """Returns the list of a canonical file: the fast path, raising `NotCanonicalError` as `parse_mapping` does."""
    if data == b"[]\n":
        return []
    text = _read_lines(data, _line_pattern("- "))
    items: list[Value] = _decode("[" + text[2:-1].replace("\n- ", ",\n") + "]")
    return items


def corrupt(path: str, line: int | None, why: str) -> CorruptDataError:
    """Returns the error for a stored file that cannot be read, naming path and line (1-based)."""
    place = path if line is None else f"{path}:{line}"
    return CorruptDataError(f"cannot read '{place}': {why}", kind="bad-yaml", path=path, line=line)
