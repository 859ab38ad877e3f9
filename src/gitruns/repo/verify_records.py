"""Checks that records are what they say they are: their pieces, line by line, and the large content that they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitruns.entities.ids import Digest, ObjectId, WriterId
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.gitstore.checking import damaged_files
from gitruns.repo.verify import Problem

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


def verify_records(repo: Repo) -> Iterator[Problem]:
    """Yields what is wrong with records, writer by writer, then with what they name."""
    for writer, tip in sorted(repo.store.records.tips().items()):
        yield from _piece_problems(repo, writer, tip)
    needed = repo.records.needed_digests()
    absent = repo.stores.absent(needed)
    for digest in sorted(needed):
        yield from _blob_problems(repo, digest, is_absent=digest in absent)


def _piece_problems(repo: Repo, writer: WriterId, tip: ObjectId) -> Iterator[Problem]:
    damaged = list(damaged_files(repo.store.backend, tip))
    if damaged:
        for place, why in damaged:
            yield _problem(f"records/{writer}/{place}", why)
        return
    try:
        pieces = repo.store.records.pieces(tip)
    except GitRunsError as error:
        yield _problem(f"records/{writer}", str(error))
        return
    for path, oid in sorted(pieces.items()):
        try:
            repo.store.records.changes(path, oid, strict=True)
        except GitRunsError as error:
            yield _problem(f"records/{writer}/{path}", str(error))


def _blob_problems(repo: Repo, digest: Digest, *, is_absent: bool) -> Iterator[Problem]:
    if is_absent:
        yield _problem(f"records: {digest[:12]}", "its bytes are not on this machine")
    elif repo.cache.has(digest):
        try:
            repo.cache.verify(digest)
        except CorruptDataError:
            yield _problem(f"records: {digest[:12]}", "its bytes have changed: they are not its digest")


def _problem(place: str, message: str) -> Problem:
    return Problem(run_id=None, place=place, message=message)
