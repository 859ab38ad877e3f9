"""The records of an event file.

A record is its length (64 bits), a checksum of that, the bytes, and a checksum of them, all little-endian (TFRecord).
Source: tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts.source_file import open_regular
from gitruns.errors import CorruptDataError

MAX_RECORD_BYTES = 256 * 1024 * 1024
_HEAD = struct.Struct("<QI")


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a file; the last one, when it is torn, is not there yet.

    Raises `CorruptDataError` (kind `bad-source`) where the file is no event file, or damaged.
    """
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
