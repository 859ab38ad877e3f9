"""Records: small things of many kinds, thousands a day, each the fold of the changes that anybody made to it.

A trace, an assessment, a scorer, a row of an evaluation dataset. A change sets some fields of one record at one stamp;
of each field the change with the greatest stamp wins, null takes it away. So the fold is commutative, associative and
idempotent by construction: changes may come in any order, and more than once. Source: docs/format.md, "Records".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gitruns.entities.ids import WriterId
from gitruns.entities.record_checks import check_fields, check_record_name
from gitruns.entities.stamp import Stamp, next_stamp
from gitruns.errors import CorruptDataError

JSON: TypeAlias = Any
"""None, bool, int of 64 bits, finite float, str, and lists and str-keyed mappings of these."""

MAX_CHANGE_BYTES = 64 * 1024
"""Of a change as written, all its fields together; more goes to the artifact store and is named by its digest."""


DELETED = "deleted"
"""The field that hides a record, reversibly."""

PURGED = "purged"
"""The field that says that a record is deleted for good: it beats everything, whatever the stamps."""

TIME = "time_ms"
"""The field that says when a record belongs, milliseconds UTC."""

BLOBS = "blobs"
"""The field that names large content: name → {"sha256", "size"}."""

_WRITER = re.compile(r"[0-9a-f]{16}\Z")
_GREATEST = 2**63 - 1
_NS_IN_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands now."""

    kind: str
    id: str
    fields: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one record at one stamp: fields with their new values, None for those taken away."""

    kind: str
    id: str
    stamp: Stamp
    fields: Mapping[str, JSON]


@dataclass(slots=True)
class RecordState:
    """A record with the stamp of each field, those that were taken away too; `apply` folds a change in."""

    fields: dict[str, JSON] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def apply(self, change: Change) -> bool:
        """Folds a change in and returns whether anything is different now."""
        different = False
        for name, value in change.fields.items():
            if name != PURGED and self.is_purged:
                continue
            known = self.stamps.get(name)
            if known is not None and not self._wins(name, value, change.stamp, known):
                continue
            different = True
            self.stamps[name] = change.stamp
            if value is None:
                self.fields.pop(name, None)
            else:
                self.fields[name] = value
        if different and self.fields.get(PURGED):
            self._purge()
        return different

    def _wins(self, name: str, value: JSON, stamp: Stamp, known: Stamp) -> bool:
        if name == PURGED:
            # Nothing takes a purge back; of two the greater stamp is kept, so that the order they come in is no matter.
            gone, goes = bool(self.fields.get(PURGED)), bool(value)
            if gone != goes:
                return goes
        if stamp != known:
            return stamp > known
        return encode_json(value) > encode_json(self.fields.get(name))

    def _purge(self) -> None:
        self.fields = {PURGED: self.fields[PURGED]}
        self.stamps = {PURGED: self.stamps[PURGED]}

    @property
    def is_purged(self) -> bool:
        """Whether the record is deleted for good."""
        return bool(self.fields.get(PURGED))

    @property
    def is_deleted(self) -> bool:
        """Whether the record is hidden."""
        return bool(self.fields.get(DELETED)) or self.is_purged


def fold(changes: Iterable[Change]) -> dict[tuple[str, str], RecordState]:
    """Returns the state of each record, by kind and id, that some changes make in whatever order."""
    states: dict[tuple[str, str], RecordState] = {}
    for change in changes:
        states.setdefault((change.kind, change.id), RecordState()).apply(change)
    return states


def next_change_stamp(previous: Stamp | None, now_ns: int, writer: WriterId) -> Stamp:
    """Returns a stamp greater than `previous` and not before `now_ns`.

    The counter begins at the nanoseconds within the millisecond, so that processes of one clone, which are one writer
    and share one clock, do not stamp two changes alike.
    """
    time_ms, rest = divmod(now_ns, _NS_IN_MS)
    if previous is None or (time_ms, rest) > (previous.time_ms, previous.counter):
        return Stamp(time_ms, rest, writer)
    following = next_stamp(previous, time_ms, writer)
    return Stamp(following.time_ms, following.counter, writer)


# The line of a change


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


def encode_json(value: JSON) -> bytes:
    """Returns the one byte form of a value: JSON without spaces, keys sorted, text as it is."""
    return _encode(value).encode()


def encode_change(change: Change) -> bytes:
    """Returns the line of a change, without its newline: the same bytes for the same change."""
    stamp = change.stamp
    return encode_json(
        {
            "at": (stamp.time_ms, stamp.counter, stamp.writer),
            "id": change.id,
            "kind": change.kind,
            "set": change.fields,
        }
    )


def decode_change(line: bytes) -> Change:
    """Returns the change of a line; raises `CorruptDataError` for anything that `encode_change` would not write."""
    try:
        if len(line) > MAX_CHANGE_BYTES:
            raise ValueError(f"it has {len(line)} bytes, at most {MAX_CHANGE_BYTES} are allowed")
        change = change_of(json.loads(line))
        if encode_change(change) != line:
            raise ValueError("it is not in the canonical form")
    except (ValueError, RecursionError) as error:
        shown = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise CorruptDataError(f"cannot read a change of a record: {shown}", kind="bad-record") from error
    return change


def change_of(given: JSON) -> Change:
    """Returns the change that decoded JSON is; raises ValueError for what is none."""
    if type(given) is not dict or given.keys() != {"at", "id", "kind", "set"}:
        raise ValueError("it has not the shape of a change")
    at = given["at"]
    if type(at) is not list or len(at) != 3 or type(at[2]) is not str or _WRITER.match(at[2]) is None:
        raise ValueError("it has no stamp")
    if any(type(number) is not int or not 0 <= number <= _GREATEST for number in at[:2]):
        raise ValueError("it has no stamp")
    check_record_name(given["kind"], given["id"])
    check_fields(given["set"])
    return Change(given["kind"], given["id"], Stamp(at[0], at[1], WriterId(at[2])), given["set"])
