"""One look at a work tree: what differs from HEAD, what of it is taken, and the trees that hold it.

All in a private index; the user's own, and all else of theirs, is only read.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gitruns.capture.attributes import ATTRIBUTES_FILE
from gitruns.capture.choose import Choice, choose, fold_left_out, left
from gitruns.capture.exact import ExactFiles, Inexact, write_raw
from gitruns.capture.private_index import PrivateIndex
from gitruns.capture.reuse import Key
from gitruns.capture.rules import SnapshotRules, is_within
from gitruns.capture.workspace import IndexFacts, Workspace
from gitruns.capture.worktree import Changes, list_changes
from gitruns.entities.ids import ObjectId
from gitruns.entities.source import LeftOut
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """The commit that a snapshot stands on."""

    commit: ObjectId
    tree: ObjectId
    time_s: int


def read_head_facts(space: Workspace, commit: ObjectId) -> HeadFacts:
    """Returns tree and time of a commit, also of one that a stricter reader would refuse."""
    data = space.store.backend.read_object(commit)[1]
    tree = re.match(rb"tree ([0-9a-f]+)\n", data)
    if tree is None:
        raise CorruptDataError(f"cannot read commit '{commit}': it names no tree", kind="corrupt-object", oid=commit)
    committed = re.search(rb"^committer .*> ([0-9]{1,12})\b", data.partition(b"\n\n")[0], re.MULTILINE)
    return HeadFacts(
        commit=commit,
        tree=ObjectId(tree[1].decode()),
        time_s=int(committed[1]) if committed else 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """What one look gave: the tracked files' tree, the whole tree, what is raw in it and what is not in it at all."""

    code_tree: ObjectId
    snapshot_tree: ObjectId
    raw: tuple[bytes, ...]
    left_out: tuple[LeftOut, ...]


class Look:
    """One look at a work tree, in a private index that is gone afterwards.

    With `scratch`, objects are written to a folder of the look's own and are gone with it.
    """

    def __init__(
        self,
        space: Workspace,
        head: HeadFacts | None,
        rules: SnapshotRules,
        written: Collection[Path],
        folder: Path,
        *,
        scratch: bool = False,
    ) -> None:
        self._space = space
        self._head = head
        self._rules = rules
        self._written = written
        objects = folder / "objects"
        if scratch:
            objects.mkdir()
        self._started_ns = time.time_ns()
        self.index = PrivateIndex(
            space.store.git,
            folder / "index",
            space.work_tree,
            objects=space.store.paths.common_dir / "objects",
            scratch=objects if scratch else None,
        )
        self.changes = self._list_changes()
        attribute_files = [path for path in self.changes.untracked if path.rpartition(b"/")[2] == ATTRIBUTES_FILE]
        self._conversions = space.conversions((*self._facts.attribute_files, *attribute_files))

    def _list_changes(self) -> Changes:
        signature = self._space.index_signature()
        kept = self._space.kept_index(signature)
        if kept is not None:
            try:
                return self._list_from(kept, signature)
            except GitRunsError:  # a torn file, after a power cut: the user's own is the truth
                kept.unlink(missing_ok=True)
        return self._list_from(self._space.users_index, signature)

    def _list_from(self, seed: Path, signature: str | None) -> Changes:
        space, index = self._space, self.index
        index.seed(seed)
        self._facts = self._read_facts()
        index.look_at(self._facts.assumed, space.hidden_by_hand(self._facts.skipped))
        before = _written_at(index.path)
        changes = list_changes(
            index,
            self._rules,
            self._written,
            head=self._head.commit if self._head else None,
            outside=space.outside,
            submodules=self._facts.has_submodules,
        )
        if _written_at(index.path) != before:
            space.keep_refreshed(index, signature)
        return changes

    def _read_facts(self) -> IndexFacts:
        facts = self._space.index_facts()
        if facts is not None and not facts.split:
            return facts
        if facts is not None:
            self.index.run("update-index", "--no-split-index")
        return IndexFacts.of(self._space.read_index(self.index.path))

    def key(self) -> Key:
        """Returns the key under which an equal look gives equal trees."""
        key = Key()
        key.add(self._head, self._rules, self._space.configuration(), self._conversions.state)
        key.add_changes(self.changes, self._space.work_tree)
        if self._conversions:
            # Files that git calls unchanged may still stand otherwise than it would write them.
            self.index.run("update-index", "-q", "--refresh", ok=(0, 1))
            for entry in self._space.read_index(self.index.path):
                key.add(entry)
        return key

    def is_settled(self, key: Key) -> bool:
        """Returns whether the key may be kept."""
        return key.is_settled(self._started_ns)

    def make_trees(self) -> Trees:
        """Writes the trees and what they need."""
        index = self.index
        choice = choose(self.changes, self._space.work_tree, self._rules, self._read_blob)
        index.set_entries([*self.changes.elsewhere, *choice.restore])
        choice.left_out += self._add_tracked(choice)
        unchanged = not (self.changes.tracked or self.changes.elsewhere)
        code_tree = self._head.tree if self._head is not None and unchanged else index.write_tree()
        choice.left_out += [left(path, reason) for path, reason in self._add(choice.take_untracked)]
        # These stand as HEAD has them, not as the work tree; a path that left the index may have come in as untracked.
        skipped = {path for _, _, path in choice.restore} - set(choice.take_untracked)
        inexact = self._find_inexact(skipped)
        snapshot_tree = code_tree
        if choice.take_untracked or inexact.raw:
            snapshot_tree = index.write_tree()
        choice.left_out += [left(entry.path, "filtered", self._size(entry.path)) for entry in inexact.filtered]
        return Trees(
            code_tree=code_tree,
            snapshot_tree=snapshot_tree,
            raw=tuple(sorted(entry.path for entry in inexact.raw)),
            left_out=fold_left_out(choice.left_out),
        )

    def _add_tracked(self, choice: Choice) -> list[LeftOut]:
        """Adds the tracked files; one that git refuses is as HEAD has it, whatever of it is staged."""
        refused = dict(self._add(choice.take))
        if refused:
            entries = [change.as_in_head for change in self.changes.tracked if change.path in refused]
            self.index.set_entries(entries)
            choice.restore += entries
        return [left(path, reason) for path, reason in refused.items()]

    def _add(self, paths: list[bytes]) -> list[tuple[bytes, str]]:
        """Adds files; when git refuses some (a filter fails, a file vanished), all others still go in.

        Returns those that did not, each with the reason.
        """
        try:
            self.index.add(paths)
        except GitRunsError as error:
            if error.kind != "git-failed":
                raise
            if len(paths) > 1:  # halved until what git refuses is alone
                middle = len(paths) // 2
                return self._add(paths[:middle]) + self._add(paths[middle:])
            if self.index.can_read(paths[0]):
                raise  # nothing is wrong with the file: git cannot write
            return [(paths[0], "filter-failed" if "filter" in str(error.facts.get("stderr")) else "unreadable")]
        return []

    def _find_inexact(self, skipped: set[bytes]) -> Inexact:
        if not self._conversions:
            return Inexact((), ())
        entries = self._space.read_index(self.index.path)
        files = ExactFiles(self._space.folder / "exact", self._conversions)
        roots = self._rules.roots
        inexact = files.check(self.index, (e for e in entries if e.path not in skipped and is_within(e.path, roots)))
        files.save()
        write_raw(self.index, inexact.raw)
        return inexact

    def _size(self, path: bytes) -> int | None:
        try:
            return (self._space.work_tree / os.fsdecode(path)).lstat().st_size
        except OSError:
            return None

    def _read_blob(self, oid: str) -> bytes | None:
        try:
            return self._space.store.backend.read_object(ObjectId(oid))[1]
        except (NotFoundError, CorruptDataError):
            return None


def _written_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
