"""`--format '{id} {params.lr}'`: fields of a record put into text.

A field is a key of what `--json` prints (docs/json.md), with dots into mappings: `{params.lr}`, `{source.commit}`,
`{metrics.val_loss.min}`; `{metrics.val_loss}` is the last value. Keys may hold dots themselves. After a colon stands
a width or precision as Python writes them: `{name:<20}`, `{id:.8}`, `{metrics.acc:.3f}`. What a record does not have
is empty. `{{`, `}}` are braces; `\\n`, `\\t`, `\\0` and `\\\\` are what they are in C.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gitruns.entities.values import int_text
from gitruns.errors import InvalidInputError

Record = Mapping[str, Any]

_TOKEN = re.compile(r"\{\{|\}\}|\\[nt0\\]|\{(?P<path>[^{}:]*(?::[^{}:]*)*?)(?::(?P<spec>[^{}:]*))?\}|[{}]")
_ESCAPES = {"{{": "{", "}}": "}", r"\n": "\n", r"\t": "\t", r"\0": "\0", "\\\\": "\\"}
_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?#?0?(?P<width>\d*)[,_]?(?:\.(?P<precision>\d+))?[a-zA-Z%]?\Z", re.DOTALL)
_MAX_WIDTH = 10_000


class Template:
    """A parsed format; `render` fills it from a record."""

    def __init__(self, text: str, known: frozenset[str] | None = None) -> None:
        """Parses; raises `InvalidInputError` for a lone brace, a bad width, and a first key that is not in `known`."""
        self._pieces: list[str | tuple[str, str]] = []
        position = 0
        for match in _TOKEN.finditer(text):
            self._pieces.append(text[position : match.start()])
            self._pieces.append(_piece(match, known))
            position = match.end()
        self._pieces.append(text[position:])

    @property
    def fields(self) -> frozenset[str]:
        """The first keys of all fields in it."""
        return frozenset(piece[0].split(".")[0] for piece in self._pieces if not isinstance(piece, str))

    def render(self, record: Record) -> str:
        """Returns the text with the record's values in it."""
        return "".join(
            piece if isinstance(piece, str) else _formatted(lookup(record, piece[0]), piece[1])
            for piece in self._pieces
        )


def _piece(match: re.Match[str], known: frozenset[str] | None) -> str | tuple[str, str]:
    token = match.group()
    if token in _ESCAPES:
        return _ESCAPES[token]
    path, spec = match.group("path"), match.group("spec") or ""
    if not path:
        raise InvalidInputError(
            f"cannot read the format: '{token}' at character {match.start() + 1} names no field",
            kind="bad-format",
            hint="write {{ and }} for braces, or a field as in {id}; fields are listed in docs/json.md",
        )
    first = path.split(".")[0]
    if known is not None and first not in known:
        raise InvalidInputError(
            f"there is no field '{first}'", kind="bad-format", hint="fields: " + " ".join(sorted(known))
        )
    if (form := _SPEC.match(spec)) is None or int(form["width"] or 0) > _MAX_WIDTH:
        raise InvalidInputError(
            f"cannot read the width '{spec}' of field '{path}'", kind="bad-format", hint="as in {name:<20} or {id:.8}"
        )
    return path, spec


def lookup(record: Record, path: str) -> Any:
    """Returns the value that a dotted path names in a record, or None. A key with dots in it is found too."""
    found = _descend(record, path)
    if isinstance(found, Mapping) and "last" in found and path.startswith("metrics."):
        return found["last"]
    return found


def _descend(value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    for index, character in reversed(list(enumerate(path))):  # the longest key that is there
        if character == "." and path[:index] in value:
            found = _descend(value[path[:index]], path[index + 1 :])
            if found is not None:
                return found
    return None


def text_of(value: Any) -> str:
    """Returns a record's value as text: nothing for None, `true` and `false`, JSON for lists and mappings."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return int_text(value) if isinstance(value, int) else str(value)


def _formatted(value: Any, spec: str) -> str:
    if spec and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return format(value, spec)
        except ValueError:
            pass
    try:
        return format(text_of(value), spec)
    except ValueError:  # a number's format, and no number there: keep the width alone
        form = _SPEC.match(spec)
        return text_of(value).rjust(int(form["width"] or 0) if form else 0)
