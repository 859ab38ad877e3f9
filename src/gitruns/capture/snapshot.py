"""Makes the snapshot of a work tree: a commit that is the same for the same tree on the same parent."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gitruns.capture.look import HeadFacts, Look, Trees
from gitruns.capture.message import format_message
from gitruns.capture.reuse import Kept, read_kept, write_kept
from gitruns.capture.rules import SnapshotRules
from gitruns.capture.workspace import Workspace
from gitruns.entities.ids import ObjectId

AUTHOR = "gitruns <gitruns@localhost>"
"""The same for everybody, as is the time: so that one tree on one parent is one commit."""


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
        if head is not None and kept.commit == head.commit and not look.changes and not kept.left_out:
            space.last_file.unlink(missing_ok=True)  # clean again: the next start may ask for that first
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
    if head is not None and trees.snapshot_tree == head.tree and not trees.raw:
        return head.commit
    backend = space.store.backend
    if head is None and not backend.read_object(trees.snapshot_tree)[1]:
        return None
    oid = backend.write_object("commit", _encode(trees, head))
    backend.sync((oid,), ())
    return oid


def _encode(trees: Trees, head: HeadFacts | None) -> bytes:
    lines = [f"tree {trees.snapshot_tree}"]
    lines += [f"parent {head.commit}"] if head else []
    lines += [f"{role} {AUTHOR} {head.time_s if head else 0} +0000" for role in ("author", "committer")]
    return "\n".join([*lines, "", format_message(trees.raw)]).encode()
