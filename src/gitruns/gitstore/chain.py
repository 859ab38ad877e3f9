"""The commits of one run: from its tip down to its first one, and never into its source."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.fields import Fields
from gitruns.gitstore.objects import Commit, decode_commit
from gitruns.gitstore.tree_reader import TreeReader
from gitruns.gitstore.trees import read_entries

MAX_COMMITS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEntry:
    """One commit of a run: when (milliseconds UTC), by whom (`Name <address>`), and its first line."""

    commit: ObjectId
    time_ms: int
    author: str
    subject: str


def run_chain(reader: TreeReader, tip: ObjectId) -> list[ChainEntry]:
    """Returns the commits of the run at `tip`, newest first, children before parents."""
    return [
        ChainEntry(
            commit=oid,
            time_ms=commit.author.time_ms,
            author=f"{commit.author.identity.name} <{commit.author.identity.email}>",
            subject=commit.message.partition("\n")[0],
        )
        for oid, commit in walk_chain(reader, tip)
    ]


def own_objects(backend: Backend, reader: TreeReader, tip: ObjectId) -> set[ObjectId]:
    """Returns commits, trees and files of the run or experiment at `tip`."""
    found: set[ObjectId] = set()
    for oid, commit in walk_chain(reader, tip):
        found.add(oid)
        waiting = [commit.tree]
        while waiting:
            tree = waiting.pop()
            if tree in found:
                continue
            found.add(tree)
            for entry in read_entries(backend, tree):
                (waiting.append if entry.is_folder else found.add)(entry.oid)
    return found


def walk_chain(reader: TreeReader, tip: ObjectId) -> Iterator[tuple[ObjectId, Commit]]:
    """Yields the commits that belong to what `tip` holds; a shallow clone's history ends where it is cut."""
    owner = _owner(reader, tip)
    seen = {tip}
    first = decode_commit(reader.read_commit(tip), tip)
    # Greatest time first; of equal times the one met first, which is the child.
    waiting = [(-first.committer.time_ms, 0, tip, first)]
    while waiting:
        _, _, oid, commit = heapq.heappop(waiting)
        yield oid, commit
        for parent in commit.parents:
            if parent in seen or len(seen) >= MAX_COMMITS:
                continue
            seen.add(parent)
            try:
                if owner is None or _owner(reader, parent) != owner:
                    continue
                older = decode_commit(reader.read_commit(parent), parent)
            except NotFoundError:
                continue
            heapq.heappush(waiting, (-older.committer.time_ms, len(seen), parent, older))


def _owner(reader: TreeReader, commit: ObjectId) -> tuple[str, str] | None:
    """Returns which run or experiment a commit belongs to, None for a commit of source code.

    The source of a run can itself have files of these names, even be another run's commit: the id decides.
    """
    try:
        with reader.at(commit) as tree:
            if tree.file("format") is None:
                return None
            for name in ("run.yaml", "experiment.yaml"):
                data = tree.file(name)
                if data is not None:
                    fields = Fields.read(data, name)
                    return name, fields.required("id", fields.text)
    except CorruptDataError:
        return None
    return None
