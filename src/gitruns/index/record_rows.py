"""Rows of the index of records: changes folded into them, and records read from them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitruns.entities.ids import Digest, WriterId, is_digest
from gitruns.entities.record import BLOBS, TIME, Change, RecordState, encode_json
from gitruns.entities.stamp import Stamp
from gitruns.index.record_schema import INDEXED_FIELDS, LINK_PREFIX, LINKED, MAX_LABEL_LENGTH

SHOWN, DELETED, PURGED = 0, 1, 2
"""Whether a record is hidden."""

_LEAST, _GREATEST = -(2**63), 2**63 - 1


def apply_changes(connection: sqlite3.Connection, changes: Iterable[Change]) -> int:
    """Folds changes into the rows and returns how many records are different now; in a transaction of the caller's."""
    by_record: dict[tuple[str, str], list[Change]] = {}
    newest: Stamp | None = None
    for change in changes:
        by_record.setdefault((change.kind, change.id), []).append(change)
        if newest is None or change.stamp > newest:
            newest = change.stamp
    different = 0
    for (kind, record_id), made in by_record.items():
        different += _fold_into_row(connection, kind, record_id, made)
    if newest is not None:
        _note_newest(connection, newest)
    return different


def _fold_into_row(connection: sqlite3.Connection, kind: str, record_id: str, changes: list[Change]) -> bool:
    row = connection.execute(
        "SELECT record, stamps, fields FROM records WHERE kind = ? AND id = ?", (kind, record_id)
    ).fetchone()
    state = RecordState() if row is None else state_of(row[1], row[2])
    before = None if row is None else _labels(kind, record_id, state)
    blobs_before = None if row is None else blobs_of(state.fields)
    different = False
    for change in changes:
        different |= state.apply(change)
    if not different:
        return False
    values = (_time_of(state), _hidden(state), _encode_stamps(state), encode_json(state.fields).decode())
    if row is None:
        made = connection.execute(
            "INSERT INTO records (kind, id, time_ms, hidden, stamps, fields) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, record_id, *values),
        )
        number = int(made.lastrowid or 0)
    else:
        number = row[0]
        connection.execute(
            "UPDATE records SET time_ms = ?, hidden = ?, stamps = ?, fields = ? WHERE record = ?", (*values, number)
        )
    _write_labels(connection, number, before, _labels(kind, record_id, state))
    _write_blobs(connection, number, blobs_before, blobs_of(state.fields))
    return True


_Label = tuple[str, str, str, int, str]


def _labels(kind: str, record_id: str, state: RecordState) -> set[_Label]:
    time_ms = _time_of(state)
    found = {
        (kind, name, value, time_ms, record_id)
        for name in INDEXED_FIELDS
        if isinstance(value := state.fields.get(name), str) and len(value) <= MAX_LABEL_LENGTH
    }
    for name, value in state.fields.items():
        if value is True and name.startswith(LINK_PREFIX):
            found.add((kind, name, LINKED, time_ms, record_id))
    return found


def _write_labels(connection: sqlite3.Connection, number: int, before: set[_Label] | None, after: set[_Label]) -> None:
    if before and before != after:
        connection.executemany(
            "DELETE FROM labels WHERE kind = ? AND name = ? AND value = ? AND time_ms = ? AND id = ?", before - after
        )
    fresh = after if before is None else after - before
    if fresh:
        connection.executemany("INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?)", [(*label, number) for label in fresh])


def _write_blobs(
    connection: sqlite3.Connection,
    number: int,
    before: Mapping[Digest, int] | None,
    after: Mapping[Digest, int],
) -> None:
    if before == after:
        return
    if before:
        connection.execute("DELETE FROM blobs WHERE record = ?", (number,))
    if after:
        connection.executemany(
            "INSERT INTO blobs VALUES (?, ?, ?)", [(digest, number, size) for digest, size in after.items()]
        )


def blobs_of(fields: Mapping[str, Any]) -> dict[Digest, int]:
    """Returns the large content that fields name: digest → size in bytes."""
    named = fields.get(BLOBS)
    found: dict[Digest, int] = {}
    for one in named.values() if isinstance(named, dict) else ():
        digest, size = (one.get("sha256"), one.get("size")) if isinstance(one, dict) else (None, None)
        if isinstance(digest, str) and is_digest(digest) and type(size) is int and size >= 0:
            found[Digest(digest)] = size
    return found


def _time_of(state: RecordState) -> int:
    found = state.fields.get(TIME)
    return found if type(found) is int and _LEAST <= found <= _GREATEST else 0


def _hidden(state: RecordState) -> int:
    if state.is_purged:
        return PURGED
    return DELETED if state.is_deleted else SHOWN


# Stamps: groups of fields that were changed together. The largest group that is all there goes without its names.


def _encode_stamps(state: RecordState) -> str:
    only = next(iter(state.stamps.values()), None)
    if (
        only is not None
        and len(state.fields) == len(state.stamps)
        and all(one is only for one in state.stamps.values())
    ):
        return f'[[{only.time_ms},{only.counter},"{only.writer}"]]'  # as most records are: made by one change
    groups: dict[Stamp, list[str]] = {}
    for name, stamp in state.stamps.items():
        groups.setdefault(stamp, []).append(name)
    whole = [stamp for stamp, names in groups.items() if all(name in state.fields for name in names)]
    base = max(whole, key=lambda stamp: len(groups[stamp]), default=None)
    listed = [
        [stamp.time_ms, stamp.counter, stamp.writer, *([] if stamp == base else [names])]
        for stamp, names in groups.items()
    ]
    return json.dumps(listed, separators=(",", ":"))


def state_of(stamps: str, fields: str) -> RecordState:
    """Returns the record that two columns of a row hold."""
    state = RecordState(fields=json.loads(fields))
    base = None
    for time_ms, counter, writer, *names in json.loads(stamps):
        stamp = Stamp(time_ms, counter, WriterId(writer))
        if names:
            state.stamps.update(dict.fromkeys(names[0], stamp))
        else:
            base = stamp
    if base is not None:
        for name in state.fields:
            state.stamps.setdefault(name, base)
    return state


# The greatest stamp


def _note_newest(connection: sqlite3.Connection, stamp: Stamp) -> None:
    known = newest_stamp(connection)
    if known is None or stamp > known:
        text = json.dumps([stamp.time_ms, stamp.counter, stamp.writer])
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('newest', ?)", (text,))


def newest_stamp(connection: sqlite3.Connection) -> Stamp | None:
    """Returns the greatest stamp of all changes that are in."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'newest'").fetchone()
    if row is None:
        return None
    time_ms, counter, writer = json.loads(row[0])
    return Stamp(time_ms, counter, WriterId(writer))


def named_blobs(connection: sqlite3.Connection) -> Iterator[tuple[Digest, int]]:
    """Yields what all records name, deleted ones too: digest and size."""
    for digest, size in connection.execute("SELECT digest, max(size) FROM blobs GROUP BY digest"):
        yield Digest(digest), size
