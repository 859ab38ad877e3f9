"""The commits of one run: from its tip down to its first one, and never into its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.codec.fields import Fields
from gitruns.gitstore.commits import reason_in
from gitruns.gitstore.lineage import Lineage, lineage
from gitruns.gitstore.objects import Commit
from gitruns.gitstore.tree_reader import TreeReader, tree_in
from gitruns.gitstore.trees import read_entries

_MAX_OWNERS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEntry:
    """One commit of a run: when (milliseconds UTC), by whom (`Name <address>`), its first line, and the reason given.

    `reason` is what stands between the first line and the trailers.
    """

    commit: ObjectId
    time_ms: int
    author: str
    subject: str
    reason: str = ""


def run_chain(reader: TreeReader, tip: ObjectId) -> list[ChainEntry]:
    """Returns the commits of the run at `tip`, newest first, children before parents."""
    return [
        ChainEntry(
            commit=oid,
            time_ms=commit.author.time_ms,
            author=f"{commit.author.identity.name} <{commit.author.identity.email}>",
            subject=commit.message.partition("\n")[0],
            reason=reason_in(commit.message),
        )
        for oid, commit in walk_chain(reader, tip)
    ]


def own_objects(backend: Backend, reader: TreeReader, tip: ObjectId) -> set[ObjectId]:
    """Returns commits, trees and files of the run or experiment at `tip`."""
    found: set[ObjectId] = set()
    for oid, commit in walk_chain(reader, tip):
        found.add(oid)
        _add_tree(backend, commit.tree, found)
    return found


def commit_objects(backend: Backend, reader: TreeReader, oid: ObjectId) -> set[ObjectId]:
    """Returns one commit, its trees and files."""
    found = {oid}
    _add_tree(backend, tree_in(reader.read_commit(oid), oid), found)
    return found


def _add_tree(backend: Backend, root: ObjectId, found: set[ObjectId]) -> None:
    waiting = [root]
    while waiting:
        tree = waiting.pop()
        if tree in found:
            continue
        found.add(tree)
        for entry in read_entries(backend, tree):
            (waiting.append if entry.is_folder else found.add)(entry.oid)


def walk_chain(reader: TreeReader, tip: ObjectId) -> Iterator[tuple[ObjectId, Commit]]:
    """Yields the commits that belong to what `tip` holds, children first, both sides of merges too.

    A shallow clone's history ends where it is cut.
    """
    return own_lineage(reader, tip).newest_first()


def own_lineage(reader: TreeReader, tip: ObjectId) -> Lineage:
    """Returns the commits that belong to what `tip` holds, and which of those before them are not here."""
    owner = _owner(reader, tip)
    return lineage(reader, tip, lambda commit: owner is not None and _owner(reader, commit) == owner)


def _owner(reader: TreeReader, commit: ObjectId) -> tuple[str, str] | None:
    """Returns which run or experiment a commit belongs to, None for a commit of source code.

    The source of a run can itself have files of these names, even be another run's commit: the id decides. That never
    changes, and a long chain is walked often, so it is found once.
    """
    if commit not in reader.owners:
        if len(reader.owners) >= _MAX_OWNERS:
            reader.owners.clear()
        reader.owners[commit] = _find_owner(reader, commit)
    return reader.owners[commit]


def _find_owner(reader: TreeReader, commit: ObjectId) -> tuple[str, str] | None:
    try:
        with reader.at(commit) as tree:
            if tree.file("format") is None:
                return None
            for name in ("run.yaml", "experiment.yaml", "model.yaml"):
                data = tree.file(name)
                if data is not None:
                    fields = Fields.read(data, name)
                    return name, fields.required("id", fields.text)
    except CorruptDataError:
        return None
    return None
