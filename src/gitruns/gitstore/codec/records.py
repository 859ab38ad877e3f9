"""Pieces of records: files of lines, a change each, in the folder of their day.

A piece never changes once it is written. Source: docs/format.md, "Records".
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timezone
from typing import NamedTuple

from gitruns.entities.ids import ObjectId
from gitruns.entities.record import Change, change_of, decode_change, encode_change
from gitruns.errors import CorruptDataError

MAX_PIECE_BYTES = 1024 * 1024
"""What is written at most into one piece."""

MAX_READ_BYTES = 4 * 1024 * 1024
"""A larger piece is none of ours."""

_DAY_MS = 24 * 3600 * 1000
_PATH = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/([1-9][0-9]{0,8})(?:-[0-9a-f]{16})?\.jsonl\Z")


class PieceName(NamedTuple):
    """Where a piece stands: its day, UTC, and its number in it."""

    day: str
    number: int


def piece_name_of(path: str) -> PieceName | None:
    """Returns what the path of a piece says, None for another file."""
    match = _PATH.match(path)
    return None if match is None or not _is_day(match[1]) else PieceName(match[1], int(match[2]))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def day_of(time_ms: int) -> str:
    """Returns the day of a time, UTC; raises ValueError for one that no calendar has."""
    return _day(time_ms // _DAY_MS)


@functools.lru_cache(maxsize=64)
def _day(number: int) -> str:
    try:
        return datetime.fromtimestamp(number * 86400, timezone.utc).strftime("%Y-%m-%d")
    except (OverflowError, OSError) as error:
        raise ValueError("its stamp is beyond the calendar") from error


def encode_pieces(changes: Iterable[Change]) -> Iterator[tuple[str, bytes]]:
    """Yields day and content of the pieces that some changes make, by day and then by stamp: the same for the same."""
    days: dict[str, list[tuple[Change, bytes]]] = {}
    for change in changes:
        days.setdefault(day_of(change.stamp.time_ms), []).append((change, encode_change(change)))
    for day in sorted(days):
        lines: list[bytes] = []
        size = 0
        for _, line in sorted(days[day], key=lambda pair: (pair[0].stamp, pair[1])):
            if lines and line == lines[-1]:
                continue
            if size + len(line) + 1 > MAX_PIECE_BYTES:
                yield day, b"\n".join(lines) + b"\n"
                lines, size = [], 0
            lines.append(line)
            size += len(line) + 1
        yield day, b"\n".join(lines) + b"\n"


def decode_piece(data: bytes, path: str, *, strict: bool) -> list[Change]:
    """Returns the changes of a piece; raises `CorruptDataError` naming path and line.

    With `strict` they must stand there exactly as we would write them.
    """
    name = piece_name_of(path)
    if name is None:
        raise _bad(path, None, "that is no name of a piece")
    if not data.endswith(b"\n"):
        raise _bad(path, None, "it does not end with a newline")
    changes = []
    for number, line in enumerate(data[:-1].split(b"\n"), 1):
        try:
            change = decode_change(line) if strict else change_of(json.loads(line))
            if strict and day_of(change.stamp.time_ms) != name.day:
                raise _bad(path, number, "it is of another day")
        except (ValueError, RecursionError) as error:
            raise _bad(path, number, str(error)) from error
        except CorruptDataError as error:
            raise _bad(path, number, error.message.rpartition(": ")[2]) from error
        changes.append(change)
    return changes


def named_pieces(pieces: Iterable[tuple[PieceName, ObjectId]]) -> Mapping[str, ObjectId]:
    """Returns paths for pieces of several trees; of different ones with one name each has its id's beginning in it."""
    by_name: dict[PieceName, set[ObjectId]] = {}
    for name, oid in pieces:
        by_name.setdefault(name, set()).add(oid)
    return {
        f"{name.day}/{name.number}{'' if len(oids) == 1 else f'-{oid[:16]}'}.jsonl": oid
        for name, oids in by_name.items()
        for oid in oids
    }


def _bad(path: str, line: int | None, why: str) -> CorruptDataError:
    place = path if line is None else f"{path}:{line}"
    return CorruptDataError(f"cannot read '{place[:80]}': {why}", kind="bad-record", path=path, line=line)


def newest_ms(changes: Iterable[Change]) -> int:
    """Returns the time of the greatest stamp, 0 when there is none."""
    return max((change.stamp.time_ms for change in changes), default=0)
