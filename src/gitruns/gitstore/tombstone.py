"""Tombstones: what the ref of a purged run holds in its place. One commit without parent, so nothing old is kept."""

from __future__ import annotations

from gitruns.entities.ids import ObjectId
from gitruns.entities.tombstone import Tombstone
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.gitstore.codec.info import RUN_FILE
from gitruns.gitstore.codec.tombstone import PURGED_FILE, decode_tombstone
from gitruns.gitstore.codec.version import FORMAT_FILE
from gitruns.gitstore.tree_reader import TreeReader


def is_tombstone(reader: TreeReader, commit: ObjectId) -> bool:
    """Returns whether a commit says that its run was purged; one that cannot be read does not."""
    try:
        with reader.at(commit) as tree:
            return tree.file(RUN_FILE) is None and tree.file(PURGED_FILE) is not None
    except (CorruptDataError, NotFoundError):
        return False


def read_tombstone(reader: TreeReader, commit: ObjectId) -> Tombstone:
    """Returns what a tombstone says; raises `CorruptDataError` for a commit that is none."""
    with reader.at(commit) as tree:
        found = {path: tree.file(path) for path in (FORMAT_FILE, PURGED_FILE)}
        return decode_tombstone({path: data for path, data in found.items() if data is not None})


def run_purged(tombstone: Tombstone) -> NotFoundError:
    """Returns the error for a run that is there no more because it was purged."""
    by = f" by {tombstone.user}" if tombstone.user else ""
    why = f": {tombstone.reason}" if tombstone.reason else ""
    return NotFoundError(
        f"run '{tombstone.run_id[:8]}' was purged{by}{why}",
        kind="run-purged",
        hint=f"while its bytes are still on this machine: git runs keep {tombstone.run_id[:8]}",
        run_id=tombstone.run_id,
        time_ms=tombstone.time_ms,
    )
