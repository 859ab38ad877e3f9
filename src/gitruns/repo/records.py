"""Records of a repository: traces, assessments, scorers, rows of evaluation datasets, thousands a day.

A change is journalled before `put` returns, and sealed in bulk into the one ref of this clone. What is shown is the
fold of the changes of all clones, kept up to date in an index of its own. Source: docs/format.md, "Records".
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from gitruns.entities.ids import Digest, ObjectId, is_digest
from gitruns.entities.record import (
    JSON,
    MAX_CHANGE_BYTES,
    PURGED,
    Change,
    Record,
    encode_change,
    next_change_stamp,
)
from gitruns.entities.record_checks import check_fields, check_record_name
from gitruns.entities.stamp import FAR_AHEAD_MS, Stamp
from gitruns.errors import GitRunsError, InvalidInputError, LockedError, NotFoundError
from gitruns.index import RecordIndex, blobs_of, index_path
from gitruns.journal import change_journal
from gitruns.repo.indexing import user_cache_folder
from gitruns.repo.record_sealing import SEAL_ABOVE_BYTES, Sealed, drop_purged, seal_records, unsealed_changes
from gitruns.repo.record_source import RepoRecordSource

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

__all__ = ["JSON", "MAX_CHANGE_BYTES", "Record", "Records"]

FOLDER = "records"
JOURNALS = "open"
INDEX_FILE = "records.db"


_all: weakref.WeakSet[Records] = weakref.WeakSet()


class Records:
    """The records of one repository; safe to use from many threads.

    `index` has them as they stand now.
    """

    def __init__(self, repo: Repo, environ: Mapping[str, str]) -> None:
        self._repo = repo
        self._environ = environ
        self._folder = repo.folder / FOLDER / JOURNALS
        self._journal = change_journal(self._folder)
        self._lock = threading.RLock()
        self._last: Stamp | None = None
        _all.add(self)

    @cached_property
    def index(self) -> RecordIndex:
        """The index of records, opened when it is first needed."""
        beside = index_path(self._repo.folder, user_cache_folder(self._environ))
        path = (
            None
            if beside is None
            else beside.with_name(INDEX_FILE if beside.parent == self._repo.folder else f"{beside.stem}-{INDEX_FILE}")
        )
        return RecordIndex(path, RepoRecordSource(self._repo.store, self._folder))

    # Changing

    def put(self, kind: str, id: str, fields: Mapping[str, JSON | None]) -> None:  # noqa: A002  as callers say it
        """Sets fields of one record, all at one stamp, making the record when it is new; None takes a field away.

        On return the change survives the death of the process. Raises `InvalidInputError`: kind `record-too-large`
        when the change takes more than 64 KiB (keep what is large by `attach`), or naming what cannot be stored; and
        `GitRunsError` (kind `not-journalled`) when the file system refuses.
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
                _encoded(Change(kind, record_id, self._next_stamp(kind, record_id, fields), dict(fields)))
                for kind, record_id, fields in changes
            ]
        self._journal.append(lines)
        if self._journal.written_bytes >= SEAL_ABOVE_BYTES:
            self._journal.rotate()
            with suppress(GitRunsError, OSError):  # the next command tries again
                self.seal()

    def _next_stamp(self, kind: str, record_id: str, fields: Mapping[str, JSON | None]) -> Stamp:
        """Returns a stamp after all that this process has seen.

        Stamps that are far ahead of the clock count only where they are of an edited field: a clock that went wrong
        once shall not spoil all that comes later.
        """
        now_ns = time.time_ns()
        limit_ms = now_ns // 1_000_000 + FAR_AHEAD_MS
        newest = self.index.newest() if self._last is None and self.index.heard is None else self.index.heard
        seen = [stamp for stamp in (self._last, newest) if stamp is not None]
        if any(stamp.time_ms > limit_ms for stamp in seen):
            state = self.index.get(kind, record_id)
            edited = [] if state is None else [state.stamps[name] for name in fields if name in state.stamps]
            seen = [*edited, *(stamp for stamp in seen if stamp.time_ms <= limit_ms)]
        stamp = next_change_stamp(max(seen, default=None), now_ns, self._repo.writer)
        if stamp.time_ms <= limit_ms:
            self._last = stamp
        return stamp

    def purge(self, kind: str, id: str) -> None:  # noqa: A002  as callers say it
        """Deletes a record for good, here and, once they have fetched that, in all clones; nothing brings it back.

        It is hidden at once. Its changes go from this clone's ref now, from those of others when these run
        `git runs gc`; git's own gc removes the objects then. Raises `NotFoundError` when there is none.
        """
        if self.index.get(kind, id) is None:
            raise NotFoundError(f"there is no {kind} '{id[:80]}'", kind="record-not-found")
        with self._lock:
            stamp = self._next_stamp(kind, id, {PURGED: True})
        self._journal.append([encode_change(Change(kind, id, stamp, {PURGED: True}))])
        with suppress(LockedError):  # somebody seals just now: gc does the rest
            self.drop_purged()

    def is_purged(self, kind: str, id: str) -> bool:  # noqa: A002  as callers say it
        """Returns whether a record is deleted for good."""
        state = self.index.get(kind, id)
        return state is not None and state.is_purged

    def drop_purged(self) -> bool:
        """Takes what was purged, by anybody, out of this clone's own ref; returns whether there was anything."""
        self._journal.rotate()
        self.seal(force=True)
        purged = self.index.purged()
        return bool(purged) and drop_purged(self._repo, self._folder, lambda kind, one: (kind, one) in purged)

    # Reading

    def get(self, kind: str, id: str, *, deleted: bool = False) -> Record | None:  # noqa: A002  as callers say it
        """Returns a record as it stands now; None when there is none, or it is deleted and `deleted` is not said."""
        state = self.index.get(kind, id)
        if state is None or state.is_purged or (state.is_deleted and not deleted):
            return None
        return Record(kind, id, state.fields)

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
        Found quickly are time, the text of `INDEXED_FIELDS`, and `runs/<run id>` that is true; other fields are
        looked at record by record.
        """
        found = self.index.select(kind, where or {}, since_ms=since_ms, until_ms=until_ms, deleted=deleted)
        return found if limit is None else islice(found, limit)

    def count(self, kind: str, where: Mapping[str, JSON] | None = None, *, deleted: bool = False) -> int:
        """Returns how many records `select` would yield."""
        return self.index.count(kind, where or {}, deleted=deleted)

    def kinds(self) -> dict[str, int]:
        """Returns how many records there are of each kind."""
        return self.index.kinds()

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

    def needed_digests(self) -> dict[Digest, int]:
        """Returns what records name that is not in git: digest → size; deleted ones too."""
        return self.index.blobs()

    def blobs_at(self, tip: ObjectId, known: Collection[ObjectId] = ()) -> dict[Digest, int]:
        """Returns the large content that the pieces at a commit name, but for those known: digest → size."""
        found: dict[Digest, int] = {}
        for path, oid in self._repo.store.records.pieces(tip).items():
            if oid not in known:
                for change in self._repo.store.records.changes(path, oid):
                    found.update(blobs_of(change.fields))
        return found

    # Upkeep

    def seal(self, *, force: bool = False) -> int:
        """Seals journalled changes into git, durably, and returns how many; without `force` only when they are many."""
        done = seal_records(self._repo, self._folder, force=force)
        self._tell_index(done)
        return done.changes

    def _tell_index(self, done: Sealed) -> None:
        """Spares the index to read again in pieces what it has read in journals."""
        if done.commit is not None and "index" in self.__dict__:
            self.index.note_sealed(str(self._repo.writer), done.commit, done.parent, done.covers)

    def recover(self, *, force: bool = False) -> None:
        """Does what `seal` does and never raises: what stands in the way waits in the journals for the next time."""
        with suppress(GitRunsError, OSError):
            self.seal(force=force)

    def unsealed(self) -> int:
        """Returns how many changes are in journals only."""
        return unsealed_changes(self._repo, self._folder)

    def flush(self) -> bool:
        """Makes what this process has put durable, against a loss of power too; returns whether that worked."""
        return self._journal.flush()

    def close(self) -> None:
        """Makes what this process has put durable, and seals when it is much; the records can still be used."""
        self.flush()
        self.recover()
        if "index" in self.__dict__:
            self.index.close()


def _renew_locks() -> None:
    # Another thread of the parent may hold the old one.
    for records in list(_all):
        records._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def _encoded(change: Change) -> bytes:
    line = encode_change(change)
    if len(line) > MAX_CHANGE_BYTES:
        raise InvalidInputError(
            f"cannot store {change.kind} '{change.id[:40]}': its fields take {len(line)} bytes,"
            f" at most {MAX_CHANGE_BYTES} fit",
            kind="record-too-large",
            hint="keep what is large by Records.attach, and its digest in the field 'blobs'",
        )
    return line
