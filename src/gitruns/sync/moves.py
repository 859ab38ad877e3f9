"""Moves many local refs: together where that is quicker, each by compare-and-set; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gitruns.entities.ids import ObjectId
from gitruns.errors import ConflictError, GitRunsError

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore

_MANY = 24


class LocalMove(NamedTuple):
    """One ref to move from `old` (None: absent) to `new` (None: deleted)."""

    ref: str
    new: ObjectId | None
    old: ObjectId | None


def move_refs(store: GitStore, moves: Collection[LocalMove]) -> list[LocalMove]:
    """Moves refs and returns those moves that did not take place, because somebody else had moved the ref."""
    if len(moves) > _MANY:
        with suppress(GitRunsError):
            _together(store, moves)
            return []
    return [move for move in moves if not moved(store, move)]


def moved(store: GitStore, move: LocalMove) -> bool:
    """Moves one ref by compare-and-set; returns whether it is where it shall be now."""
    try:
        store.backend.update_ref(move.ref, move.new, move.old)
    except ConflictError:
        return store.backend.read_ref(move.ref) == move.new
    return True


def _together(store: GitStore, moves: Collection[LocalMove]) -> None:
    lines = []
    for ref, new, old in moves:
        if new is None:
            lines.append(f"delete {ref} {old}\n")
        elif old is None:
            lines.append(f"create {ref} {new}\n")
        else:
            lines.append(f"update {ref} {new} {old}\n")
    store.git.run(
        "-c", "core.logAllRefUpdates=false", "update-ref", "--no-deref", "--stdin", input="".join(lines).encode()
    )
