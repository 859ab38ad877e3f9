"""The records of an event file, and the fields of the messages in them.

A record is its length (64 bits), a checksum of that, the bytes, and a checksum of them, all little-endian (TFRecord).
The bytes are protocol buffers, of which only the wire format is needed here: pairs of a number and a value.
Sources: tensorflow/core/lib/io/record_writer.h; protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts.source_file import open_regular
from gitruns.errors import CorruptDataError

MAX_RECORD_BYTES = 256 * 1024 * 1024
_HEAD = struct.Struct("<QI")
_FIXED = {1: 8, 5: 4}
Field = tuple[int, "int | bytes"]
"""A field's number, and its value: an integer, or the bytes of anything else."""


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a file; the last one, when it is torn, is not there yet.

    Raises `CorruptDataError` (kind `bad-source`) where the file is no event file, or damaged.
    """
    import os

    with open_regular(path) as source, os.fdopen(os.dup(source.fd), "rb") as file:
        while (record := _record(file, path.name)) is not None:
            yield record


def _record(file: BinaryIO, name: str) -> bytes | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    if masked_crc32c(head[:8]) != checksum or length > MAX_RECORD_BYTES:
        raise CorruptDataError(f"'{name}' is no event file, or damaged at byte {file.tell()}", kind="bad-source")
    data = file.read(length)
    return data if len(data) == length and len(file.read(4)) == 4 else None


def masked_crc32c(data: bytes) -> int:
    """Returns the checksum that TFRecord has: CRC-32C, turned and moved."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


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
    return CorruptDataError("a record of an event file is damaged", kind="bad-source")
