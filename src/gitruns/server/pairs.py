"""Keys and values as they stand in MLflow's JSON: `[{"key": "lr", "value": "0.1"}, …]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.server.fields import invalid_field


def pairs_of(fields: Mapping[str, Any], name: str) -> dict[str, str]:
    """Returns keys and values of a field that was declared as a list; the last of one key stands.

    As in proto JSON, a part that is not there is the empty text. Raises `ProtocolError` for anything that is no text.
    """
    found: dict[str, str] = {}
    for item in fields.get(name) or ():
        if not isinstance(item, dict):
            raise invalid_field(name, fields[name])
        key, value = item.get("key"), item.get("value")
        if not isinstance(key, (str, type(None))) or not isinstance(value, (str, type(None))):
            raise invalid_field(name, fields[name])
        found[key or ""] = value or ""
    return found


def as_pairs(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns keys and values as MLflow writes them."""
    return [{"key": key, "value": value} for key, value in given.items()]


def without_nothing(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an object without fields that are not set and lists that are empty, as proto JSON leaves them out."""
    return {name: value for name, value in given.items() if value is not None and value != []}
