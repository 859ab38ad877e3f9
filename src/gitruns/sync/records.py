"""Records as sync moves them: looked at line by line, then joined by the union of their pieces.

States of a writer's ref are told apart by what they hold, not by their history, so it works alike where history is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitruns.entities.ids import Digest, ObjectId, WriterId
from gitruns.errors import ConflictError, GitRunsError
from gitruns.gitstore import refs

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.repo import Repo

_ATTEMPTS = 20


def look_at(store: GitStore, writer: WriterId, tip: ObjectId) -> int:
    """Returns the time of the greatest stamp that a fetched commit brings; what is here already is known to be good.

    Raises `CorruptDataError` for what we would not write so, `InvalidInputError` for a newer format.
    """
    here = store.records.tip(writer)
    known = () if here is None else store.records.pieces(here).values()
    return store.records.validate(tip, known)


def take_in(store: GitStore, writer: WriterId, tip: ObjectId) -> int:
    """Joins a good commit with what is here, and returns how many pieces came."""
    for _ in range(_ATTEMPTS):
        here = store.records.tip(writer)
        merged = tip if here is None else store.records.merge(writer, (here, tip))
        if merged == here:
            return 0
        try:
            store.records.set_tip(writer, merged, here)
        except ConflictError:
            continue
        before = set() if here is None else set(store.records.pieces(here).values())
        return len(set(store.records.pieces(merged).values()) - before)
    raise ConflictError(f"cannot take in records of '{writer}': others keep changing them", kind="ref-moved")


def keeps_all(store: GitStore, old: ObjectId, new: ObjectId) -> bool:
    """Returns whether a ref that went from one commit to another has kept all it had, as far as is known here."""
    has = store.backend.has_object
    if old == new or not has(old) or not has(new):
        return True
    try:
        return store.records.has_all_of(new, old)
    except GitRunsError:
        return True  # what is wrong with it is found when it is looked at


def builds_on(store: GitStore, old: ObjectId, new: ObjectId) -> bool:
    """Returns whether it is known here that nothing is lost when `new` takes the place of `old`."""
    try:
        return store.records.has_all_of(new, old)
    except GitRunsError:
        return False


def blobs_in(repo: Repo, moved: Mapping[str, ObjectId], known: Mapping[str, ObjectId]) -> dict[Digest, int]:
    """Returns the large content, as far as it is here, that refs of records name and what a remote has does not."""
    found: dict[Digest, int] = {}
    for ref, tip in moved.items():
        if refs.records_writer_of(ref) is None:
            continue
        found.update(repo.records.blobs_at(tip, _pieces(repo.store, known.get(ref))))
    return {digest: size for digest, size in found.items() if repo.cache.has(digest)}


def _pieces(store: GitStore, tip: ObjectId | None) -> set[ObjectId]:
    try:
        return set() if tip is None else set(store.records.pieces(tip).values())
    except GitRunsError:
        return set()
