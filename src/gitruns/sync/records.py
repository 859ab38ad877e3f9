"""Records as sync moves them: looked at line by line, then joined by the union of their pieces.

States of a writer's ref are told apart by what they hold, not by their history, so it works alike where history is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitruns.entities.ids import Digest, ObjectId, WriterId
from gitruns.errors import ConflictError, GitRunsError, InvalidInputError
from gitruns.gitstore import refs

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.repo import Repo

PUBLISH_KEY = "runs.publishRecords"
_POLICIES = ("always", "never")
_ATTEMPTS = 20


def may_travel(store: GitStore) -> bool:
    """Returns whether records are pushed, as `runs.publishRecords` says; raises `InvalidInputError` for a bad value."""
    said = store.config(PUBLISH_KEY) or _POLICIES[0]
    if said not in _POLICIES:
        raise InvalidInputError(
            f"'{PUBLISH_KEY}' is '{said}', not one of {', '.join(_POLICIES)}",
            kind="bad-setting",
            hint=f"git config {PUBLISH_KEY} never",
        )
    return said == _POLICIES[0]


def has_unsealed(repo: Repo) -> bool:
    """Returns whether there are journalled changes that the next push would seal and send."""
    return may_travel(repo.store) and repo.records.unsealed() > 0


def look_at(store: GitStore, writer: WriterId, tip: ObjectId) -> int:
    """Returns the time of the greatest stamp that a fetched commit brings; what is here already is known to be good.

    Raises `CorruptDataError` for what we would not write so, `InvalidInputError` for a newer format.
    """
    here = store.records.tip(writer)
    known = () if here is None else store.records.pieces(here).values()
    return store.records.validate(tip, known)


def take_in(repo: Repo, writer: WriterId, tip: ObjectId) -> int:
    """Joins a good commit with what is here, and returns how many pieces came."""
    records = repo.store.records
    for _ in range(_ATTEMPTS):
        here = records.tip(writer)
        merged = tip if here is None else _joined(repo, writer, here, tip)
        if merged == here:
            return 0
        try:
            records.set_tip(writer, merged, here)
        except ConflictError:
            continue
        before = set() if here is None else set(records.pieces(here).values())
        return max(len(set(records.pieces(merged).values()) - before), 1)
    raise ConflictError(f"cannot take in records of '{writer}': others keep changing them", kind="ref-moved")


def _joined(repo: Repo, writer: WriterId, here: ObjectId, tip: ObjectId) -> ObjectId:
    """Returns the commit that two states make: one of them when it lacks nothing, or only what was purged."""
    records = repo.store.records
    forward = records.supersedes(tip, here, repo.records.is_purged)
    back = records.supersedes(here, tip, repo.records.is_purged)
    if forward and back:  # they differ in what was purged: the one with less of it, the same in every clone
        return min((here, tip), key=lambda commit: (_size(repo.store, commit), commit))
    if forward or back:
        return tip if forward else here
    return records.merge(writer, (here, tip))


def _size(store: GitStore, commit: ObjectId) -> int:
    return sum(store.backend.object_header(piece)[1] for piece in store.records.pieces(commit).values())


def keeps_all(repo: Repo, old: ObjectId, new: ObjectId) -> bool:
    """Returns whether a ref that went from one commit to another has kept all but what was purged, as far as known."""
    has = repo.store.backend.has_object
    return not has(old) or not has(new) or _supersedes(repo, new, old, unknown=True)


def builds_on(repo: Repo, old: ObjectId, new: ObjectId) -> bool:
    """Returns whether it is known here that nothing but what was purged is lost when `new` takes the place of `old`."""
    return _supersedes(repo, new, old, unknown=False)


def _supersedes(repo: Repo, new: ObjectId, old: ObjectId, *, unknown: bool) -> bool:
    try:
        return repo.store.records.supersedes(new, old, repo.records.is_purged)
    except GitRunsError:
        return unknown  # what is wrong with it is found when it is looked at


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
