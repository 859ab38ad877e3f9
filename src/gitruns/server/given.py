"""What is in lists of a request: points, params, tags, models. Each item is checked as a field of its own would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gitruns.protocol.errors import refused
from gitruns.server.calls import Field
from gitruns.server.fields import Checker, invalid_field, missing_field


class GivenPoint(NamedTuple):
    """A point as it stands in a request."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None

    def check_dataset(self) -> None:
        """Refuses a dataset that is only half named."""
        if (self.dataset_name is None) != (self.dataset_digest is None):
            raise refused("Both dataset_name and dataset_digest must be provided if one is provided")


class GivenText(NamedTuple):
    """A param or a tag as it stands in a request."""

    key: str
    value: str


_TEXT, _INT = Field("string"), Field("int")
_POINT = Checker(
    {
        "key": _TEXT,
        "value": Field("float"),
        "timestamp": _INT,
        "step": _INT,
        **dict.fromkeys(("model_id", "dataset_name", "dataset_digest"), _TEXT),
    }
)
_PAIR = Checker({"key": _TEXT, "value": _TEXT})
_MODEL = Checker({"model_id": _TEXT, "step": _INT})


def points_in(fields: Mapping[str, Any], name: str) -> list[GivenPoint]:
    """Returns the points of a list; raises `ProtocolError` naming the item that is none."""
    return [_point(item, name, index) for index, item in enumerate(fields.get(name) or ())]


def _point(item: Any, name: str, index: int) -> GivenPoint:
    if type(item) is dict and len(item) == 4:  # nearly every one, and there are a thousand in a request
        key, value, time_ms, step = item.get("key"), item.get("value"), item.get("timestamp"), item.get("step")
        if key and type(key) is str and type(value) is float and type(time_ms) is int and type(step) is int:
            return GivenPoint(key, value, time_ms, step)
    given = _checked(item, _POINT, name, index)
    for part in ("key", "value", "timestamp"):
        if given.get(part, "") == "":
            raise missing_field(f"{name}[{index}].{part}")
    optional = (given.get(part) or None for part in ("model_id", "dataset_name", "dataset_digest"))
    point = GivenPoint(given["key"], given["value"], given["timestamp"], given.get("step", 0), *optional)
    point.check_dataset()
    return point


def texts_in(fields: Mapping[str, Any], name: str) -> list[GivenText]:
    """Returns the params or tags of a list; raises `ProtocolError` naming the item that is none."""
    return [_text(item, name, index) for index, item in enumerate(fields.get(name) or ())]


def _text(item: Any, name: str, index: int) -> GivenText:
    given = _checked(item, _PAIR, name, index)
    if not given.get("key"):
        raise missing_field(f"{name}[{index}].key")
    return GivenText(given["key"], given.get("value", ""))


def models_of(fields: Mapping[str, Any], name: str) -> list[tuple[str, int]]:
    """Returns the logged models of a list, each with a step."""
    found = []
    for index, item in enumerate(fields.get(name) or ()):
        given = _checked(item, _MODEL, name, index)
        if not given.get("model_id"):
            raise missing_field(f"{name}[{index}].model_id")
        found.append((given["model_id"], given.get("step", 0)))
    return found


def _checked(item: Any, checker: Checker, name: str, index: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise invalid_field(f"{name}[{index}]", item)
    return checker.check(item)
