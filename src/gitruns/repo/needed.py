"""What runs name that is not in git: artifacts, long histories, long lists of artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, RunId
from gitruns.entities.merge import all_manifests
from gitruns.entities.run import Run
from gitruns.errors import NotFoundError

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


@dataclass(frozen=True, slots=True)
class Needed(Mapping[Digest, int]):
    """Digest → size in bytes; `by_run` says which run names which, for the root that spares them."""

    sizes: Mapping[Digest, int]
    by_run: Mapping[RunId, frozenset[Digest]]

    def __getitem__(self, digest: Digest) -> int:
        return self.sizes[digest]

    def __iter__(self) -> Iterator[Digest]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)


def needed_digests(repo: Repo, runs: Iterable[Run]) -> Needed:
    """Returns what whole runs (as `Repo.get_run` gives them) name, but for small texts, which are in git themselves.

    Of a list of artifacts that is not to be had only the list itself is named.
    """
    sizes: dict[Digest, int] = {}
    by_run: dict[RunId, frozenset[Digest]] = {}
    for run in runs:
        named = {artifact.digest: artifact.size_bytes for artifact in _objects(repo, run) if not artifact.in_git}
        if named:
            sizes |= named
            by_run[run.info.id] = frozenset(named)
    return Needed(sizes, by_run)


def _objects(repo: Repo, run: Run) -> Iterator[Artifact]:
    yield from (part.stored_as for part in run.parts if part.stored_as is not None)
    if run.manifest is not None:
        yield from all_manifests(run)
    try:
        yield from repo.artifacts_of(run)
    except NotFoundError:
        yield from run.artifacts


def joined_needs(one: Needed, other: Needed) -> Needed:
    """Returns what both name."""
    by_run = dict(one.by_run)
    for run_id, named in other.by_run.items():
        by_run[run_id] = by_run.get(run_id, frozenset()) | named
    return Needed({**one.sizes, **other.sizes}, by_run)
