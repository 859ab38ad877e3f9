"""Protocol buffers by their wire format: pairs of a number and a value, whose meaning the reader knows.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitruns.errors import CorruptDataError

_FIXED = {1: 8, 5: 4}
Field = tuple[int, "int | bytes"]
"""A field's number, and its value: an integer, or the bytes of anything else."""


def read_fields(data: bytes) -> Iterator[Field]:
    """Yields the fields of a message; raises `CorruptDataError` for bytes that are none."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        size = _FIXED.get(kind)
        if size is None:
            if kind != 2:
                raise _bad()
            size, place = _varint(data, place)
        if place + size > len(data):
            raise _bad()
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
    raise _bad()


def signed(value: int) -> int:
    """Returns a 64-bit integer with its sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _bad() -> CorruptDataError:
    return CorruptDataError("a record is damaged", kind="bad-source")


def messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """Yields the values of one field that are bytes: messages and texts."""
    for number, value in read_fields(data):
        if number == wanted and isinstance(value, bytes):
            yield value


def text_of(data: bytes, wanted: int) -> str:
    """Returns the text of a field, empty when it is not there."""
    return next(messages(data, wanted), b"").decode("utf-8", "replace")
