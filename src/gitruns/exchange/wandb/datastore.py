"""The records of a `run-<id>.wandb` file.

A log as LevelDB has it: blocks of 32 KiB, in them pieces with a checksum, a length and whether they begin, go on or end
a record. Source: wandb/sdk/internal/datastore.py.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts.source_file import open_regular
from gitruns.errors import CorruptDataError

_BLOCK = 32 * 1024
_HEAD = struct.Struct("<IHB")
_OPENING = b":W&B\xe1\xbe"
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEEDS = {kind: zlib.crc32(bytes([kind])) for kind in (_FULL, _FIRST, _MIDDLE, _LAST)}
_MAX_RECORD = 256 * 1024 * 1024


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a file; one that is torn at the end is not there yet.

    Raises `CorruptDataError` (kind `bad-source`) where the file is another, or damaged.
    """
    with open_regular(path) as source, os.fdopen(os.dup(source.fd), "rb") as file:
        if not file.read(7).startswith(_OPENING):
            raise CorruptDataError(f"'{path.name}' is no file of W&B", kind="bad-source")
        parts: list[bytes] = []
        for kind, data in _pieces(file, path.name):
            parts.append(data)
            if sum(map(len, parts)) > _MAX_RECORD:
                raise CorruptDataError(f"'{path.name}' has a record that is too long", kind="bad-source")
            if kind in (_FULL, _LAST):
                yield b"".join(parts)
                parts.clear()


def _pieces(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    while True:
        left = _BLOCK - file.tell() % _BLOCK
        if left < _HEAD.size:  # what is left of a block is filled with zeros
            file.read(left)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        checksum, length, kind = _HEAD.unpack(head)
        data = file.read(length)
        if len(data) < length:
            return
        if kind not in _SEEDS or zlib.crc32(data, _SEEDS[kind]) != checksum:
            raise CorruptDataError(f"'{name}' is damaged before byte {file.tell()}", kind="bad-source")
        yield kind, data
