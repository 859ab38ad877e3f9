"""Seals journals of records: what many processes have appended becomes a few pieces in the one ref of this clone.

Nobody waits for a process to end: whole lines are sealed at any time, and how far is noted in the file `sealed`, with
the commit that has them. The note stands before the ref moves and counts only when the ref has that commit's pieces, so
a kill in between seals the same lines once more or not at all. A journal goes once its writer is done and all of it is
on disk.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitruns.entities.ids import ObjectId, is_object_id
from gitruns.entities.record import Change
from gitruns.errors import ConflictError, GitRunsError, LockedError
from gitruns.journal import is_done, journal_sizes, read_changes
from gitruns.repo.private_lock import only_one
from gitruns.repo.record_source import decoded

if TYPE_CHECKING:
    from gitruns.gitstore.records import IsPurged
    from gitruns.repo.repo import Repo

SEAL_ABOVE_BYTES = 1024 * 1024
"""So much in journals is sealed by whoever notices."""

SEAL_ABOVE_FILES = 32
WAIT_MS = 3600 * 1000
"""No change waits longer than this for others to be sealed with."""

STALE_LOCK_S = 120.0
"""Git holds the lock of a ref for milliseconds; one that is so old was left by a process that was killed."""

_SEALED_FILE = "sealed"
_LOCK_FILE = "seal.lock"
_SMALL_BYTES = 1024
_ATTEMPTS = 5
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """Up to where each journal is in a commit."""

    commit: ObjectId
    covers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a seal did: how many changes, the commit that has them and the one before, how far journals are sealed."""

    changes: int = 0
    commit: ObjectId | None = None
    parent: ObjectId | None = None
    covers: Mapping[str, int] = field(default_factory=dict)


NOTHING = Sealed()


def seal_records(repo: Repo, folder: Path, *, force: bool) -> Sealed:
    """Seals what is journalled in `folder`, durably, and removes journals that are done.

    Without `force` only when it is much, many, or old. Two processes never do so at once: the other's is awaited with
    `force`, else left to it. Raises `GitRunsError` (kind `format-too-new`) when a newer gitruns has written the ref.
    """
    if not journal_sizes(folder):
        return NOTHING
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with only_one(folder.parent / _LOCK_FILE) as mine:
            if mine:
                return _Sealing(repo, folder).run(force=force)
        if not force or time.monotonic() > deadline:
            return NOTHING
        time.sleep(0.02)


def drop_purged(repo: Repo, folder: Path, is_purged: IsPurged) -> bool:
    """Makes the ref of this clone anew without what was purged, when there is something to leave out; returns that.

    Everything journalled must be sealed. Raises `LockedError` (kind `records-busy`) while another process seals.
    """
    with only_one(folder.parent / _LOCK_FILE) as mine:
        if not mine:
            raise LockedError("cannot clean up records: another process seals them", kind="records-busy")
        return _Sealing(repo, folder).drop_purged(is_purged)


def unsealed_changes(repo: Repo, folder: Path) -> int:
    """Returns how many changes are in journals and not in git."""
    return _Sealing(repo, folder).unsealed()


class _Sealing:
    """One seal, under the lock."""

    def __init__(self, repo: Repo, folder: Path) -> None:
        self._repo = repo
        self._records = repo.store.records
        self._folder = folder
        self._mark_path = folder.parent / _SEALED_FILE

    def run(self, *, force: bool) -> Sealed:
        covers = self._covers()
        sizes = journal_sizes(self._folder)
        covers = {name: offset for name, offset in covers.items() if name in sizes}
        waiting = {name: size - covers.get(name, 0) for name, size in sizes.items() if size > covers.get(name, 0)}
        for name in [name for name, size in waiting.items() if size <= _SMALL_BYTES]:
            if self._says_nothing(name, covers):
                del waiting[name]
        if not waiting or not (force or self._is_due(waiting, covers)):
            self._remove(covers, durable=False)
            return NOTHING
        changes: list[Change] = []
        for name in waiting:
            for found, offset in read_changes(self._folder / name, covers.get(name, 0)):
                changes += decoded(found)
                covers[name] = offset
        done = self._write(changes, covers) if changes else NOTHING
        self._remove(covers, durable=True)
        return done

    def unsealed(self) -> int:
        """Returns how many changes are still to be sealed."""
        covers = self._covers()
        return sum(
            len(found)
            for name in journal_sizes(self._folder)
            for found, _ in read_changes(self._folder / name, covers.get(name, 0))
        )

    def _says_nothing(self, name: str, covers: dict[str, int]) -> bool:
        """Returns whether the rest of a journal holds no change, as after a goodbye; then it counts as sealed."""
        rest = list(read_changes(self._folder / name, covers.get(name, 0)))
        if not rest or any(found for found, _ in rest):
            return False
        covers[name] = rest[-1][1]
        return True

    def _is_due(self, waiting: Mapping[str, int], covers: Mapping[str, int]) -> bool:
        if sum(waiting.values()) >= SEAL_ABOVE_BYTES or len(waiting) >= SEAL_ABOVE_FILES:
            return True
        limit_ms = time.time_ns() // 1_000_000 - WAIT_MS
        return any(self._first_ms(name, covers.get(name, 0), limit_ms) < limit_ms for name in waiting)

    def _first_ms(self, name: str, start: int, default: int) -> int:
        """Returns when the first change of a journal behind an offset was made."""
        for found, _ in read_changes(self._folder / name, start):
            for change in decoded(found[:1]):
                return change.stamp.time_ms
        return default

    def _write(self, changes: list[Change], covers: Mapping[str, int]) -> Sealed:
        for _ in range(_ATTEMPTS):
            writer = self._repo.writer
            tip = self._records.tip(writer)
            commit = self._records.seal(writer, changes, parent=tip, identity=self._repo.own_identity())
            self._note(_Mark(commit, covers))
            with suppress(ConflictError):  # a fetch has moved it forward
                if commit != tip:
                    self._move(commit, tip)
                self._records.sync_ref(writer)
                return Sealed(len(changes), commit, tip, covers)
        raise ConflictError("cannot seal records: others keep moving their ref", kind="ref-moved")

    def drop_purged(self, is_purged: IsPurged) -> bool:
        """Moves the ref to a commit without what was purged; what journals are sealed is then said of that one."""
        writer = self._repo.writer
        tip = self._records.tip(writer)
        if tip is None:
            return False
        commit = self._records.without_purged(writer, tip, is_purged, self._repo.own_identity())
        if commit == tip:
            return False
        covers = self._covers()
        # Should the ref not move after all, the note does not count, and the one before it does.
        self._note(_Mark(commit, covers))
        self._move(commit, tip)
        self._records.sync_ref(writer)
        return True

    def _move(self, commit: ObjectId, tip: ObjectId | None) -> None:
        """Moves the ref; a lock on it that a killed process has left is taken away, because all seals wait for it."""
        try:
            self._records.set_tip(self._repo.writer, commit, tip)
        except LockedError as error:
            lock = Path(str(error.facts.get("path", "")))
            with suppress(OSError):
                if lock.name.endswith(".lock") and lock.stat().st_mtime < time.time() - STALE_LOCK_S:
                    lock.unlink()
            self._records.set_tip(self._repo.writer, commit, tip)

    # How far journals are sealed

    def _covers(self) -> dict[str, int]:
        for mark in self._marks():
            if self._is_in(mark.commit):
                return dict(mark.covers)
        return {}

    def _marks(self) -> list[_Mark]:
        try:
            given = json.loads(self._mark_path.read_bytes())
            listed = [given, given.get("before")]
        except (OSError, ValueError, AttributeError):
            return []
        return [mark for one in listed if (mark := _parsed(one)) is not None]

    def _is_in(self, commit: ObjectId) -> bool:
        tip = self._records.tip(self._repo.writer)
        try:
            return tip is not None and self._records.has_all_of(tip, commit)
        except GitRunsError:  # a power cut has taken it
            return False

    def _note(self, mark: _Mark) -> None:
        before = next((one for one in self._marks() if self._is_in(one.commit)), None)
        shown: dict[str, Any] = {"commit": mark.commit, "covers": dict(mark.covers)}
        if before is not None:
            shown["before"] = {"commit": before.commit, "covers": dict(before.covers)}
        temporary = self._mark_path.with_name(f"{_SEALED_FILE}.{os.getpid()}")
        temporary.write_text(json.dumps(shown) + "\n", encoding="utf-8")
        temporary.replace(self._mark_path)

    # Journals that are done

    def _remove(self, covers: Mapping[str, int], *, durable: bool) -> None:
        """Removes what is sealed whole and written by nobody; `durable` says that the seal is known to be on disk."""
        for name, offset in covers.items():
            path = self._folder / name
            with suppress(OSError):
                if _has_more(path, offset) or not is_done(path):
                    continue
                if not durable:
                    self._records.sync_ref(self._repo.writer)
                # Emptied first: a writer elsewhere that was only slow brings back nothing but what it wrote since.
                os.truncate(path, 0)
                path.unlink()


def _has_more(path: Path, offset: int) -> bool:
    """Returns whether a whole line stands behind the offset; what a dead writer did not finish is none."""
    with path.open("rb") as file:
        file.seek(offset)
        return b"\n" in file.read()


def _parsed(given: object) -> _Mark | None:
    if not isinstance(given, dict) or not is_object_id(str(given.get("commit"))):
        return None
    covers = given.get("covers")
    if not isinstance(covers, dict) or not all(type(size) is int and size >= 0 for size in covers.values()):
        return None
    return _Mark(ObjectId(given["commit"]), covers)
