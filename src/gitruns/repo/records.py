"""Records of a repository: traces, assessments, scorers, rows of evaluation datasets, thousands a day.

A change is journalled before `put` returns, and sealed in bulk into the one ref of this clone. What is shown is the
fold of the changes of all clones. Source: docs/format.md, "Records".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitruns.entities.ids import Digest, is_digest
from gitruns.entities.record import (
    JSON,
    MAX_CHANGE_BYTES,
    PURGED,
    TIME,
    Change,
    Record,
    RecordState,
    change_of,
    check_fields,
    check_record_name,
    encode_change,
    next_change_stamp,
)
from gitruns.entities.stamp import Stamp
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.journal import change_journal, journal_sizes, read_changes

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

__all__ = ["JSON", "MAX_CHANGE_BYTES", "Record", "Records"]

FOLDER = "records"
JOURNALS = "open"


class Records:
    """The records of one repository; safe to use from many threads."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._journal = change_journal(repo.folder / FOLDER / JOURNALS)
        self._lock = threading.RLock()
        self._last: Stamp | None = None
        self._states: dict[str, dict[str, RecordState]] = {}
        self._offsets: dict[str, int] = {}

    # Changing

    def put(self, kind: str, id: str, fields: Mapping[str, JSON | None]) -> None:  # noqa: A002  as callers say it
        """Sets fields of one record, all at one stamp, making the record when it is new; None takes a field away.

        On return the change survives the death of the process. Raises `InvalidInputError`: kind `record-too-large`
        when the change takes more than 64 KiB (keep what is large by `attach`), or naming what cannot be stored.
        """
        self.put_many([(kind, id, fields)])

    def put_many(self, changes: Sequence[tuple[str, str, Mapping[str, JSON | None]]]) -> None:
        """Sets fields of many records; nothing is stored when one of them cannot be."""
        for kind, record_id, fields in changes:
            check_record_name(kind, record_id)
            check_fields(fields)
            if PURGED in fields:
                raise InvalidInputError(f"field '{PURGED}' of a record is not for setting", kind="bad-field-name")
        with self._lock:
            lines = [
                self._encoded(Change(kind, record_id, self._next_stamp(), dict(fields)))
                for kind, record_id, fields in changes
            ]
            self._journal.append(lines)

    def _encoded(self, change: Change) -> bytes:
        line = encode_change(change)
        if len(line) > MAX_CHANGE_BYTES:
            raise InvalidInputError(
                f"cannot store {change.kind} '{change.id[:40]}': its fields take {len(line)} bytes,"
                f" at most {MAX_CHANGE_BYTES} fit",
                kind="record-too-large",
                hint="keep what is large by Records.attach, and its digest in the field 'blobs'",
            )
        return line

    def _next_stamp(self) -> Stamp:
        self._last = next_change_stamp(self._last, time.time_ns(), self._repo.writer)
        return self._last

    # Reading

    def get(self, kind: str, id: str, *, deleted: bool = False) -> Record | None:  # noqa: A002  as callers say it
        """Returns a record as it stands now; None when there is none, or it is deleted and `deleted` is not said."""
        with self._lock:
            self._refresh()
            state = self._states.get(kind, {}).get(id)
            return None if state is None or not _is_shown(state, deleted) else Record(kind, id, dict(state.fields))

    def select(
        self,
        kind: str,
        where: Mapping[str, JSON] | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        deleted: bool = False,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Yields the records of a kind whose fields equal those of `where`, newest `time_ms` first, then by id.

        `since_ms` is the least `time_ms`, `until_ms` the first that is too late. Deleted ones only with `deleted`.
        """
        with self._lock:
            self._refresh()
            found = [
                Record(kind, record_id, dict(state.fields))
                for record_id, state in self._states.get(kind, {}).items()
                if _is_shown(state, deleted)
                and all(state.fields.get(name) == value for name, value in (where or {}).items())
            ]
        chosen = [
            one
            for one in found
            if (since_ms is None or _time(one) >= since_ms) and (until_ms is None or _time(one) < until_ms)
        ]
        yield from sorted(chosen, key=lambda one: (-_time(one), one.id))[:limit]

    def count(self, kind: str, where: Mapping[str, JSON] | None = None, *, deleted: bool = False) -> int:
        """Returns how many records `select` would yield."""
        return sum(1 for _ in self.select(kind, where, deleted=deleted))

    def _refresh(self) -> None:
        folder = self._journal.folder
        for name, size in journal_sizes(folder).items():
            if size > self._offsets.get(name, 0):
                for found, offset in read_changes(folder / name, self._offsets.get(name, 0)):
                    for change in map(change_of, found):
                        self._states.setdefault(change.kind, {}).setdefault(change.id, RecordState()).apply(change)
                    self._offsets[name] = offset

    # Large content

    def attach(self, data: bytes) -> str:
        """Keeps large content and returns its SHA-256, durably; name it in a record's field `blobs` within the hour.

        `blobs` is a mapping of names to `{"sha256": …, "size": …}`: what is named so is pushed, kept and verified.
        """
        return self._repo.cache.put_bytes(data)[0]

    def read_blob(self, digest: str) -> bytes:
        """Returns content that was attached, from the store where it is not here; raises `NotFoundError`."""
        if not is_digest(digest):
            raise NotFoundError(f"'{digest[:80]}' is no digest", kind="artifact-not-found")
        with self._repo.cache.open(Digest(digest)) as file:
            return file.read()

    # Upkeep

    def seal(self, *, force: bool = False) -> int:
        """Seals journalled changes into git and returns how many; without `force` only when they are many or old."""
        return 0


def _is_shown(state: RecordState, deleted: bool) -> bool:
    return not state.is_purged and (deleted or not state.is_deleted)


def _time(record: Record) -> int:
    found = record.fields.get(TIME)
    return found if isinstance(found, int) else 0
