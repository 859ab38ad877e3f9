"""Makes the tree of a snapshot through a private index; the user's own index, and all else of theirs, is only read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gitruns.capture.attributes import ATTRIBUTES_FILE
from gitruns.capture.choose import choose, fold_left_out, left
from gitruns.capture.exact import ExactFiles, Inexact, write_raw
from gitruns.capture.private_index import PrivateIndex
from gitruns.capture.reuse import Kept, Key, read_kept, write_kept
from gitruns.capture.rules import SnapshotRules
from gitruns.capture.workspace import IndexFacts, Workspace
from gitruns.capture.worktree import Changes, list_changes
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Identity
from gitruns.entities.source import LeftOut
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.gitstore.objects import Author, Commit, encode_commit

AUTHOR = Identity(name="gitruns", email="gitruns@localhost")
"""The same for everybody, as is the time: so that one tree on one parent is one commit."""

_SUBJECT = "source of a run\n"
_RAW_TRAILER = "Raw: "


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """The commit that a snapshot stands on."""

    commit: ObjectId
    tree: ObjectId
    time_ms: int


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
        time_ms=int(committed[1]) * 1000 if committed else 0,
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
        index.look_at(space.present(self._facts.assumed), space.present(self._facts.skipped))
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
        choice.left_out += self._add(choice.take)
        unchanged = not (self.changes.tracked or self.changes.elsewhere)
        code_tree = self._head.tree if self._head is not None and unchanged else index.write_tree()
        choice.left_out += self._add(choice.take_untracked)
        skipped = {path for _, _, path in (*self.changes.elsewhere, *choice.restore)}
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

    def _add(self, paths: list[bytes]) -> list[LeftOut]:
        """Adds files; when git refuses some, all others still go in. Returns those that did not."""
        if not paths:
            return []
        try:
            self.index.add(paths)
        except GitRunsError as error:
            if error.kind != "git-failed":
                raise
            return self._add_one_by_one(paths, error)
        return []

    def _add_one_by_one(self, paths: list[bytes], error: GitRunsError) -> list[LeftOut]:
        """Halves the list until what git refuses is alone: a filter that fails, a file that vanished."""
        if len(paths) == 1:
            return [left(paths[0], "filter-failed" if "filter" in str(error.facts) else "unreadable", None)]
        middle = len(paths) // 2
        return self._add(paths[:middle]) + self._add(paths[middle:])

    def _find_inexact(self, skipped: set[bytes]) -> Inexact:
        if not self._conversions:
            return Inexact((), ())
        entries = self._space.read_index(self.index.path)
        files = ExactFiles(self._space.folder / "exact", self._conversions)
        inexact = files.check(self.index, (entry for entry in entries if entry.path not in skipped))
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


def take_snapshot(
    space: Workspace, head: HeadFacts | None, rules: SnapshotRules, written: Collection[Path]
) -> tuple[Kept, bool]:
    """Returns the snapshot of a work tree that may be dirty, and whether anything differs from HEAD.

    The snapshot's commit is HEAD itself where nothing that is taken differs, None in an empty repository without
    commits. It is on disk on return, and no ref names it yet.
    """
    with space.temporary() as folder:
        look = Look(space, head, rules, written, folder)
        key = look.key()
        kept = read_kept(space.last_file, key.hexdigest())
        if kept is None or not _still_there(space, kept):
            trees = look.make_trees()
            kept = Kept(
                commit=_commit(space, head, trees),
                code_tree=trees.code_tree,
                snapshot_tree=trees.snapshot_tree,
                left_out=trees.left_out,
            )
            if look.is_settled(key):
                write_kept(space.last_file, key.hexdigest(), head.commit if head else None, kept)
        if head is not None and kept.commit == head.commit and not look.changes:
            space.last_file.unlink(missing_ok=True)
        return kept, bool(look.changes)


def _still_there(space: Workspace, kept: Kept) -> bool:
    """Whether the snapshot's commit is here; it is made young again, so that no gc takes it before a ref holds it."""
    backend = space.store.backend
    if kept.commit is None:
        return True
    if not (backend.has_object(kept.commit) and backend.has_object(kept.snapshot_tree)):
        return False
    backend.write_object("commit", backend.read_object(kept.commit)[1])
    return True


def _commit(space: Workspace, head: HeadFacts | None, trees: Trees) -> ObjectId | None:
    if head is not None and trees.snapshot_tree == head.tree:
        return head.commit
    backend = space.store.backend
    if head is None and not backend.read_object(trees.snapshot_tree)[1]:
        return None
    author = Author(AUTHOR, head.time_ms if head else 0)
    commit = Commit(
        tree=trees.snapshot_tree,
        parents=(head.commit,) if head else (),
        author=author,
        committer=author,
        message=format_message(trees.raw),
    )
    oid = backend.write_object("commit", encode_commit(commit))
    backend.sync((oid,), ())
    return oid


# The message: it says which files are in the tree as raw bytes and must come out so


def format_message(raw: Collection[bytes]) -> str:
    """Returns the message of a snapshot commit. Paths are quoted as git quotes them, in ASCII."""
    if not raw:
        return _SUBJECT
    return _SUBJECT + "\n" + "".join(f"{_RAW_TRAILER}{_quoted(path)}\n" for path in sorted(raw))


def parse_message(message: bytes) -> list[bytes]:
    """Returns the paths that a snapshot's message names as raw; nothing for the message of any other commit."""
    if not message.startswith(_SUBJECT.encode()):
        return []
    lines = re.findall(rb'^Raw: "((?:[^"\\]|\\.)*)"$', message, re.MULTILINE)
    return [_unquoted(line) for line in lines]


def _quoted(path: bytes) -> str:
    return (
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in path) + '"'
    )


def _unquoted(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), text)
