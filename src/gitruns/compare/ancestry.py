"""Walks history from a commit back, by distance: how many steps of parents lie between.

git lists the commits with their trees, children before parents, and the walk ends as soon as nothing nearer can come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from gitruns.entities.ids import ObjectId

if TYPE_CHECKING:
    from gitruns.repo import Repo

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of a walk. `distance` counts steps of parents from where the walk began, by the shortest way."""

    commit: ObjectId
    tree: ObjectId
    parents: tuple[ObjectId, ...]
    distance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest(Generic[T]):
    """What was looked for, and the nearest commit that has it."""

    step: Step
    found: T


def walk(repo: Repo, start: str, *, without: str | None = None) -> Iterator[Step]:
    """Yields a commit and all before it, children before parents; those that `without` reaches are left out."""
    limits = ("--not", without) if without else ()
    listing = ("log", "--topo-order", "--no-show-signature", "--no-decorate", "--format=%H %T %P")
    distances: dict[str, int] = {start: 0}
    with repo.store.git.stream(*listing, start, *limits, "--") as lines:
        for line in lines:
            commit, tree, *parents = line.decode().split()
            distance = distances.pop(commit, 0)
            for parent in parents:
                distances[parent] = min(distances.get(parent, distance + 1), distance + 1)
            yield Step(
                commit=ObjectId(commit),
                tree=ObjectId(tree),
                parents=tuple(map(ObjectId, parents)),
                distance=distance,
            )


def nearest(steps: Iterator[Step], look: Callable[[Step], T | None]) -> Nearest[T] | None:
    """Returns the nearest commit of a walk for which `look` finds something, or None."""
    best: Nearest[T] | None = None
    pending: dict[ObjectId, int] = {}
    for step in steps:
        pending.pop(step.commit, None)
        if best is None or step.distance < best.step.distance:
            found = look(step)
            if found is not None:
                best = Nearest(step=step, found=found)
        for parent in step.parents:
            pending[parent] = min(pending.get(parent, step.distance + 1), step.distance + 1)
        if best is not None and min(pending.values(), default=best.step.distance) >= best.step.distance:
            break
    return best


def commit_here(repo: Repo, commit: ObjectId | None) -> bool:
    """Returns whether a commit is named and is in this clone."""
    return commit is not None and repo.store.backend.has_object(commit)
