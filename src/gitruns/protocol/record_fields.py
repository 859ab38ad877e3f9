"""Fields of records, of any size: a large value goes to the artifact store and its digest stays in the field `blobs`.

A record is written in as many changes as fit; they are laid over each other by field, so that nothing depends on how
they were divided. Source: docs/design/012-records.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from gitruns.errors import GitRunsError

if TYPE_CHECKING:
    from gitruns.repo.records import Record, Records

LARGE_BYTES = 16 * 1024
"""A value that takes more is kept apart."""
CHANGE_BYTES = 40 * 1024
BLOBS = "blobs"

Fields: TypeAlias = "Mapping[str, Any]"
Change: TypeAlias = "tuple[str, str, Fields]"


def changes(records: Records, kind: str, record_id: str, fields: Fields, old: Record | None = None) -> Iterator[Change]:
    """Yields the changes that set fields of a record; None takes a field away. `old` is the record as it stands."""
    blobs = dict(old.fields.get(BLOBS) or {}) if old is not None else {}
    known = dict(blobs)
    small: dict[str, Any] = {}
    for name, value in fields.items():
        blobs.pop(name, None)
        data = _encoded(value)
        if len(data) > LARGE_BYTES:
            blobs[name] = {"sha256": records.attach(data), "size": len(data)}
            value = None
        small[name] = value
    if blobs != known:
        small[BLOBS] = blobs or None
    for part in _in_parts(small):
        yield kind, record_id, part


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _in_parts(fields: Fields) -> Iterator[Fields]:
    part: dict[str, Any] = {}
    size = 0
    for name, value in fields.items():
        takes = len(name.encode()) + len(_encoded(value))
        if part and size + takes > CHANGE_BYTES:
            yield part
            part, size = {}, 0
        part[name] = value
        size += takes
    if part:
        yield part


def put(records: Records, kind: str, record_id: str, fields: Fields, old: Record | None = None) -> None:
    """Sets fields of one record."""
    records.put_many(list(changes(records, kind, record_id, fields, old)))


def value_of(records: Records, record: Record, name: str) -> Any:
    """Returns the value of a field, also of a large one; None when the record has none."""
    blob = (record.fields.get(BLOBS) or {}).get(name)
    if blob is None:
        return record.fields.get(name)
    return json.loads(records.read_blob(blob["sha256"]))


def value_here(records: Records, record: Record, name: str) -> Any:
    """Returns the value of a field; None also for a large one whose bytes are on no machine that can be reached."""
    try:
        return value_of(records, record, name)
    except GitRunsError:
        return None


def group_of(record: Record, prefix: str) -> dict[str, Any]:
    """Returns the fields whose names begin with a prefix, without it: `tags/`, `metadata/`."""
    return {
        name[len(prefix) :]: value
        for name, value in record.fields.items()
        if name.startswith(prefix) and value is not None
    }


def erased(record: Record) -> dict[str, Any]:
    """Returns the change that deletes a record: a mark is left, and nothing else."""
    return {name: None for name in record.fields if name != "deleted"} | {"deleted": True}
