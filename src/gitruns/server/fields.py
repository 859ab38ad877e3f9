"""The fields of a request, as their route declares them: what is wrong with one is said in MLflow's words.

MLflow reads requests by the rules of proto JSON: numbers may be written as text, names in camel case, null is missing,
fields that nobody declared are passed over.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitruns.errors import InternalError
from gitruns.protocol.errors import ProtocolError, refused
from gitruns.server.calls import Field

_SEE = " See the API docs for more information about request parameters."
_FLOAT_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WHOLE = re.compile(r"-?[0-9]{1,19}\Z")
_SHOWN = 500


def missing_field(name: str) -> ProtocolError:
    """Returns the error for a required field that is not there."""
    return refused(f"Missing value for required parameter '{name}'.{_SEE}")


def invalid_field(name: str, value: object) -> ProtocolError:
    """Returns the error for a field of another kind than declared."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    hint = f" Hint: Value was of type '{type(value).__name__}'."
    return refused(f"Invalid value {shown} for parameter '{name}' supplied: {hint}{_SEE}")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float) and not value.is_integer():
        raise TypeError
    if isinstance(value, str) and not _WHOLE.match(value):
        raise TypeError
    number = int(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise TypeError
    return number


def _float(value: Any) -> float:
    if isinstance(value, str):
        return _FLOAT_WORDS[value] if value in _FLOAT_WORDS else _finite(value)
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # proto JSON knows three words for those, and Python many more
        raise TypeError
    return number


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise TypeError


def _strings(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise TypeError


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise TypeError


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "list": _list,
    "strings": _strings,
    "object": _object,
    "any": lambda value: value,
}
_LISTS = frozenset({"list", "strings"})


class Checker:
    """Checks the fields of one route."""

    __slots__ = ("_aliases", "_bools", "_kinds", "_lists", "_required")

    def __init__(self, fields: Mapping[str, Field]) -> None:
        unknown = {field.kind for field in fields.values()} - _KINDS.keys()
        if unknown:
            raise InternalError(f"there is no kind of field '{unknown.pop()}'")
        self._kinds = {name: _KINDS[field.kind] for name, field in fields.items()}
        self._bools = frozenset(name for name, field in fields.items() if field.kind == "bool")
        self._lists = frozenset(name for name, field in fields.items() if field.kind in _LISTS)
        self._required = tuple(name for name, field in fields.items() if field.required)
        self._aliases = {_camel(name): name for name in fields if _camel(name) != name}
        if "run_id" in fields and "run_uuid" not in fields:
            self._aliases["run_uuid"] = "run_id"

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the declared fields that are there; raises `ProtocolError` in MLflow's words."""
        fields: dict[str, Any] = {}
        for key, value in given.items():
            name = key if key in self._kinds else self._aliased(key, given)
            if name is None or value is None:
                continue
            try:
                fields[name] = self._kinds[name](value)
            except (TypeError, ValueError, OverflowError):
                raise invalid_field(name, value) from None
        for name in self._required:
            if fields.get(name, "") == "":
                raise missing_field(name)
        return fields

    def _aliased(self, key: str, given: Mapping[str, Any]) -> str | None:
        name = self._aliases.get(key)
        if name is None or name not in given:
            return name
        if key == "run_uuid":
            return None
        raise refused(f"Request specifies both '{name}' and '{key}'; provide only one of them.")

    def check_query(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Returns the declared fields of a query: text, or what text can stand for."""
        given: dict[str, Any] = {}
        for key, text in pairs:
            name = key if key in self._kinds else self._aliases.get(key, key)
            if name in self._lists:
                given.setdefault(name, []).append(text)
            elif name not in given:
                given[name] = _bool_word(text) if name in self._bools else text
        return self.check(given)


def _bool_word(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise refused(f"Invalid boolean value: {text}, must be 'true' or 'false'.")
    return text.lower() == "true"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
