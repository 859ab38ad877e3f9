"""What the records of an event file say: one summary value after the other.

Source: tensorboard/compat/proto/{event,summary,tensor}.proto, tensorboard/plugins/hparams/plugin_data.proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import cast

from gitruns.entities.values import Scalar
from gitruns.errors import CorruptDataError
from gitruns.exchange.wire import messages, read_fields, signed, text_of

_FLOAT, _DOUBLE, _INT32, _INT64, _HALF = 1, 2, 3, 9, 19
HPARAMS = "hparams"


@dataclass(slots=True)
class Value:
    """One value of a summary: under a tag, by a plugin; `number` of a scalar, `text`, or an encoded `image`."""

    tag: str
    step: int
    time_s: float
    plugin: str = ""
    content: bytes = b""
    number: float | None = None
    text: str | None = None
    image: bytes | None = None


@dataclass(slots=True)
class Session:
    """What the hyperparameters plugin knows of a run."""

    params: dict[str, Scalar] = field(default_factory=dict)
    started_s: float | None = None
    ended_s: float | None = None
    status: int | None = None


def read_values(record: bytes) -> tuple[float, list[Value]]:
    """Returns the time of an event, and the values of its summary; raises `CorruptDataError`."""
    time_s, step, summaries = 0.0, 0, []
    for number, value in read_fields(record):
        if number == 1 and isinstance(value, bytes) and len(value) == 8:
            (time_s,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = signed(value)
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    return time_s, [_value(data, step, time_s) for one in summaries for data in messages(one, 1)]


def _value(data: bytes, step: int, time_s: float) -> Value:
    found = Value("", step, time_s)
    tensor = b""
    for number, value in read_fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            found.tag = value.decode("utf-8", "replace")
        elif number == 2 and len(value) == 4:
            (found.number,) = struct.unpack("<f", value)
        elif number == 4:
            found.image = next(messages(value, 4), b"")
        elif number == 8:
            tensor = value
        elif number == 9:
            for plugin in messages(value, 1):
                found.plugin = text_of(plugin, 1)
                found.content = next(messages(plugin, 2), b"")
    if tensor:
        _read_tensor(tensor, found)
    return found


def _read_tensor(data: bytes, found: Value) -> None:
    """Takes what a tensor holds: one number, or strings, which are texts or (after width and height) images."""
    kind, content, numbers, strings = 0, b"", b"", []
    integers: list[int] = []
    for number, value in read_fields(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number in (5, 6) and isinstance(value, bytes):
            numbers += value
        elif number in (7, 10) and isinstance(value, int):
            integers.append(signed(value))
        elif number == 8 and isinstance(value, bytes):
            strings.append(value)
    if found.plugin == "images" and len(strings) > 2:
        found.image = strings[2]
    elif found.plugin == "text" and strings:
        found.text = "\n".join(one.decode("utf-8", "replace") for one in strings)
    elif found.plugin in ("scalars", ""):
        found.number = _number(kind, content or numbers, integers)


def _number(kind: int, data: bytes, integers: list[int]) -> float | None:
    form = {_FLOAT: "<f", _DOUBLE: "<d", _INT32: "<i", _INT64: "<q", _HALF: "<e"}.get(kind)
    if form is not None and len(data) == struct.calcsize(form):
        return float(struct.unpack(form, data)[0])
    return float(integers[0]) if len(integers) == 1 else None


def read_session(content: bytes, session: Session) -> None:
    """Adds what a value of the hyperparameters plugin says."""
    for number, value in read_fields(content):
        if number == 3 and isinstance(value, bytes):
            for part, inner in read_fields(value):
                if part == 1 and isinstance(inner, bytes):
                    key = text_of(inner, 1)
                    session.params[key] = _scalar(next(messages(inner, 2), b""))
                elif part == 5:
                    session.started_s = _double(inner)
        elif number == 4 and isinstance(value, bytes):
            for part, inner in read_fields(value):
                if part == 1 and isinstance(inner, int):
                    session.status = inner
                elif part == 2:
                    session.ended_s = _double(inner)


def _scalar(data: bytes) -> Scalar:
    """Returns the value of a `google.protobuf.Value`; a whole number is one: the plugin knows no integers."""
    for number, value in read_fields(data):
        if number == 2:
            found = _double(value)
            return int(found) if found.is_integer() and abs(found) < 2**53 else found
        if number == 3 and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if number == 4:
            return bool(value)
    return None


def _double(value: int | bytes) -> float:
    if not isinstance(value, bytes) or len(value) != 8:
        raise CorruptDataError("a record of an event file is damaged", kind="bad-source")
    return cast(float, struct.unpack("<d", value)[0])
