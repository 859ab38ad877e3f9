"""The commits of one run, experiment or model: its own history, never its source's, and where that history is cut.

A chain may hold merges. A commit that is not here, as in a shallow clone, hides what comes before it; except the
source of a run, which is not part of the run and need not be here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gitruns.entities.ids import ObjectId
from gitruns.errors import NotFoundError
from gitruns.gitstore.objects import Commit, decode_commit
from gitruns.gitstore.tree_reader import TreeReader

MAX_COMMITS = 100_000


@dataclass(frozen=True, slots=True)
class Lineage:
    """What comes before some commits: all commits that are here, by id, and those that are not."""

    commits: dict[ObjectId, Commit]
    missing: frozenset[ObjectId]

    def newest_first(self) -> Iterator[tuple[ObjectId, Commit]]:
        """Yields the commits, children before parents, else by time; the same order in every clone."""
        children = dict.fromkeys(self.commits, 0)
        for commit in self.commits.values():
            for parent in set(commit.parents) & children.keys():
                children[parent] += 1
        ready = [self._place(oid) for oid, count in children.items() if not count]
        heapq.heapify(ready)
        while ready:
            oid = heapq.heappop(ready)[1]
            yield oid, self.commits[oid]
            for parent in set(self.commits[oid].parents) & children.keys():
                children[parent] -= 1
                if not children[parent]:
                    heapq.heappush(ready, self._place(parent))

    def _place(self, oid: ObjectId) -> tuple[int, ObjectId]:
        return -self.commits[oid].committer.time_ms, oid


def lineage(reader: TreeReader, tip: ObjectId, belongs: Callable[[ObjectId], bool]) -> Lineage:
    """Returns the own history of what stands at `tip`: those of its ancestors that `belongs` says yes to."""
    commits = {tip: decode_commit(reader.read_commit(tip), tip)}
    missing: set[ObjectId] = set()
    waiting = [tip]
    while waiting and len(commits) < MAX_COMMITS:
        for parent in commits[waiting.pop()].parents:
            if parent in commits or parent in missing:
                continue
            try:
                if belongs(parent):
                    commits[parent] = decode_commit(reader.read_commit(parent), parent)
                    waiting.append(parent)
            except NotFoundError:
                missing.add(parent)
    return Lineage(commits, frozenset(missing))


def heads_among(
    tips: Iterable[ObjectId], history: Callable[[ObjectId], Lineage], sources: Callable[[ObjectId], frozenset[ObjectId]]
) -> tuple[ObjectId, ...]:
    """Returns those tips that come before no other, in order of their ids.

    `sources` are the commits that a tip names as its source: one of these that is not here hides nothing. Raises
    `NotFoundError` (kind `history-hidden`) when a cut history leaves it open whether a tip comes before another; its
    facts `tips` and `missing` say what to deepen.
    """
    left = set(tips)
    hidden: dict[ObjectId, frozenset[ObjectId]] = {}
    for tip in sorted(left):
        if len(left) < 2:
            break
        if tip in left:  # what comes before one that is out comes before the other too
            own = history(tip)
            left -= own.commits.keys() - {tip}
            if own.missing:
                hidden[tip] = own.missing
    if len(left) > 1:
        cut = {tip: missing for tip in left & hidden.keys() if (missing := hidden[tip] - sources(tip))}
        if cut:
            raise _history_hidden(cut)
    return tuple(sorted(left))


def _history_hidden(cut: dict[ObjectId, frozenset[ObjectId]]) -> NotFoundError:
    tips = tuple(sorted(cut))
    missing = tuple(sorted(frozenset().union(*cut.values())))
    return NotFoundError(
        f"cannot tell which of several states is newer: the history of '{tips[0][:12]}' is cut at '{missing[0][:12]}'",
        kind="history-hidden",
        hint="git fetch --unshallow",
        tips=tips,
        missing=missing,
    )
