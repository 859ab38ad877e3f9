"""The last snapshot of a work tree, kept so that an unchanged dirty tree costs a look and nothing more.

A sweep starts a hundred runs on one dirty tree: all of them share one snapshot, whichever process made it. The key is
what git says differs from HEAD and the stat data of each of these files, so it holds as long as git's own index does.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitruns.capture.worktree import Changes
from gitruns.entities.ids import ObjectId, is_object_id
from gitruns.entities.source import LeftOut

_RACY_NS = 2_000_000_000
"""A file changed this short before it was looked at may change again without a trace in its stat data."""

_ALGORITHM = 1
"""Counted up when the same tree would be captured in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a snapshot gave."""

    commit: ObjectId | None
    code_tree: ObjectId
    snapshot_tree: ObjectId
    left_out: tuple[LeftOut, ...]


class Key:
    """What a snapshot depends on, added up."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"%d\0" % _ALGORITHM)
        self.youngest_ns = 0

    def add(self, *facts: object) -> None:
        """Adds some facts by their text."""
        for fact in facts:
            self._hash.update(repr(fact).encode("utf-8", "surrogateescape") + b"\0")

    def add_changes(self, changes: Changes, work_tree: Path) -> None:
        """Adds what differs from HEAD, with the stat data of every file of it."""
        self.add(changes.tracked, changes.closed, changes.elsewhere)
        self.add_files(work_tree, (change.path for change in changes.tracked))
        self.add_files(work_tree, changes.untracked)

    def add_files(self, work_tree: Path, paths: Iterable[bytes]) -> None:
        """Adds the stat data of some files; one that is not there is a fact as well."""
        root = os.fsencode(work_tree) + b"/"
        for path in paths:
            try:
                found = os.lstat(root + path)
            except OSError:
                self.add(path, None)
                continue
            self.youngest_ns = max(self.youngest_ns, found.st_ctime_ns)
            self.add(path, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    def is_settled(self, looked_at_ns: int) -> bool:
        """Returns whether every file was old enough when it was looked at for its stat data to vouch for it."""
        return looked_at_ns - self.youngest_ns > _RACY_NS

    def hexdigest(self) -> str:
        """Returns the key."""
        return self._hash.hexdigest()


def was_dirty(path: Path, head: ObjectId) -> bool:
    """Returns whether the last look found the tree unlike this commit: it will be so again."""
    try:
        found: Any = json.loads(path.read_bytes())
        return bool(found["head"] == head)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_kept(path: Path, key: str) -> Kept | None:
    """Returns the last snapshot when it was made under this key."""
    try:
        found: Any = json.loads(path.read_bytes())
        if found["key"] != key:
            return None
        return Kept(
            commit=_oid(found["commit"]) if found["commit"] is not None else None,
            code_tree=_oid(found["code_tree"]),
            snapshot_tree=_oid(found["snapshot_tree"]),
            left_out=tuple(LeftOut(**item) for item in found["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not ours: it is made again
        return None


def _oid(text: str) -> ObjectId:
    if not is_object_id(text):
        raise ValueError(text)
    return ObjectId(text)


def write_kept(path: Path, key: str, head: ObjectId | None, kept: Kept) -> None:
    """Keeps a snapshot in place of the last one; where that cannot be written, the next run makes it again."""
    left_out = [{"path": item.path, "reason": item.reason, "size": item.size} for item in kept.left_out]
    facts: Mapping[str, object] = {
        "key": key,
        "head": head,
        "commit": kept.commit,
        "code_tree": kept.code_tree,
        "snapshot_tree": kept.snapshot_tree,
        "left_out": left_out,
    }
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix="last.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(facts, stream)
        Path(name).replace(path)
