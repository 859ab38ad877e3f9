"""One byte form for every value: YAML that is also lines of JSON.

A canonical file is a mapping, one `"key": value` line each in bytewise order of the keys, or a list, one `- value`
line each. Values are the part of JSON that YAML 1.1 and YAML 1.2 read alike, so any YAML reader reads the file,
`git diff` shows one line for each change, and equal content has equal bytes. Source: docs/format.md, "Canonical YAML".

`parse_mapping` and `parse_list` are the fast path: they join the lines and let the JSON scanner work. Whatever they
are not sure to read exactly as a YAML reader would raises `NotCanonicalError`, and the caller takes the slow path.
"""

from __future__ import annotations

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
        text = repr(number)
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


# A float that YAML 1.1 would take for text: no point before the exponent, or no sign in it.
_DOUBTFUL_FLOAT = re.compile(r"[ \[]-?[0-9]+(?:[eE]|\.[0-9]+(?:E|e[0-9]))")
_STRING_OR_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|(?<=[ \[])-?\.(?:nan|inf)(?=[,}\]]|$)|-?(?:NaN|Infinity)')
_WORDS = {".nan": "NaN", ".inf": "Infinity", "-.inf": "-Infinity"}


def _non_finite_as_json(line: str) -> str:
    def replace(match: re.Match[str]) -> str:
        word = match.group()
        if word[0] == '"':
            return word
        if word not in _WORDS:
            raise NotCanonicalError(f"{word} is not YAML for a number")
        return _WORDS[word]

    return _STRING_OR_WORD.sub(replace, line)


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotCanonicalError("duplicate key in a nested mapping")
    return result


_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__, object_pairs_hook=_unique)
_BIG_DECODER = json.JSONDecoder(
    parse_constant=_CONSTANTS.__getitem__, object_pairs_hook=_unique, parse_int=int_from_text
)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def _check_readable(joined: str) -> None:
    """Refuses what JSON reads in another way than YAML does."""
    if "\t" in joined or _DOUBTFUL_FLOAT.search(joined):
        raise NotCanonicalError("a tab, or a number that YAML reads as text")
    if (not joined.isascii() or "\x7f" in joined) and _ESCAPED.search(joined):
        raise NotCanonicalError("a character that YAML cannot hold raw")
    if "\\u" in joined and _SURROGATE_ESCAPE.search(joined):
        raise NotCanonicalError("an escaped surrogate")


def _scan(joined: str, lines: list[str], opening: str, closing: str) -> Value:
    if "NaN" in joined or "Inf" in joined or ".nan" in joined or ".inf" in joined:
        joined = ",".join(_non_finite_as_json(line) for line in lines)
    _check_readable(joined)
    text = f"{opening}{joined}{closing}"
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotCanonicalError(str(error)) from None
    except RecursionError:
        raise NotCanonicalError("nested too deep") from None
    except NotCanonicalError:
        raise
    except ValueError:  # an integer beyond Python's guard of 4,300 digits
        return _BIG_DECODER.decode(text)


def _lines(data: bytes) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotCanonicalError(str(error)) from None
    if not text.endswith("\n"):
        raise NotCanonicalError("the last line has no end")
    return text[:-1].split("\n")


def parse_mapping(data: bytes) -> dict[str, Value]:
    """Returns the mapping of a canonical file: the fast path.

    Raises `NotCanonicalError` for text that is not surely the canonical form; a YAML reader decides then.
    """
    if data == b"{}\n":
        return {}
    lines = _lines(data)
    for line in lines:
        if line[:1] != '"':
            raise NotCanonicalError("a line does not start with a quoted key")
    mapping: dict[str, Value] = _scan(",".join(lines), lines, "{", "}")
    if len(mapping) != len(lines):
        raise NotCanonicalError("duplicate key")
    return mapping


def parse_list(data: bytes) -> list[Value]:
    """Returns the list of a canonical file: the fast path, raising `NotCanonicalError` as `parse_mapping` does."""
    if data == b"[]\n":
        return []
    lines = _lines(data)
    items = []
    for line in lines:
        if line[:2] != "- ":
            raise NotCanonicalError("a line does not start with '- '")
        items.append(line[1:])
    values: list[Value] = _scan(",".join(items), items, "[", "]")
    if len(values) != len(items):
        raise NotCanonicalError("a line holds more than one item")
    return values


def corrupt(path: str, line: int | None, why: str) -> CorruptDataError:
    """Returns the error for a stored file that cannot be read, naming path and line (1-based)."""
    place = path if line is None else f"{path}:{line}"
    return CorruptDataError(f"cannot read '{place}': {why}", kind="bad-yaml", path=path, line=line)
