"""Finds the commit that made a metric worse: recorded runs answer, and only what they leave open is asked.

Pure: a graph of commits and a way to ask come in. As `git bisect` does, each answer should halve what is left, over
merges too; commits that a recorded run answers for are looked at first, because they cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from gitruns.entities.ids import ObjectId

MAX_COMMITS = 20_000
"""Ancestors are kept as one bit a commit for each commit."""


class Answer(str, Enum):
    """What is known of a commit. `SKIP`: it cannot be judged."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


class Graph:
    """Commits that may be the first bad one, children before parents, with the parents that are among them."""

    def __init__(self, parents: Mapping[ObjectId, Sequence[ObjectId]]) -> None:
        self.commits = tuple(parents)
        self._place = {commit: place for place, commit in enumerate(self.commits)}
        self._ancestors: dict[ObjectId, int] = {}
        for commit in reversed(self.commits):
            bits = 1 << self._place[commit]
            for parent in parents[commit]:
                bits |= self._ancestors.get(parent, 0)
            self._ancestors[commit] = bits

    def ancestors(self, commit: ObjectId) -> int:
        """Returns a commit and all before it, as bits."""
        return self._ancestors.get(commit, 0)

    def bit(self, commit: ObjectId) -> int:
        """Returns the bit of a commit, 0 for one that is not in the graph."""
        return 1 << self._place[commit] if commit in self._place else 0

    def listed(self, bits: int) -> list[ObjectId]:
        """Returns the commits of some bits, children before parents."""
        return [commit for commit in self.commits if bits & (1 << self._place[commit])]


@dataclass(slots=True)
class Bisection:
    """The search as it stands: `left` are the commits one of which is the first bad one.

    `asked` are those that were asked about in order, `answered` those that recorded runs answered for.
    """

    graph: Graph
    left: int
    known: dict[ObjectId, Answer] = field(default_factory=dict)
    answered: list[ObjectId] = field(default_factory=list)
    asked: list[ObjectId] = field(default_factory=list)

    @classmethod
    def start(cls, graph: Graph, bad: ObjectId) -> Bisection:
        """Returns the search below a commit that is bad."""
        made = cls(graph, graph.ancestors(bad))
        made.known[bad] = Answer.BAD
        return made

    @property
    def found(self) -> ObjectId | None:
        """The first bad commit, None while more than one are left."""
        return self.graph.listed(self.left)[0] if self.left.bit_count() == 1 else None

    @property
    def candidates(self) -> list[ObjectId]:
        """The commits that are left, newest first."""
        return self.graph.listed(self.left)

    @property
    def steps_left(self) -> int:
        """How many answers it may still take."""
        count = self.left.bit_count()
        return math.ceil(math.log2(count)) if count > 1 else 0

    def take(self, commit: ObjectId, answer: Answer, *, recorded: bool) -> None:
        """Takes an answer."""
        self.known[commit] = answer
        (self.answered if recorded else self.asked).append(commit)
        if answer is Answer.BAD:
            self.left &= self.graph.ancestors(commit)
        elif answer is Answer.GOOD:
            self.left &= ~self.graph.ancestors(commit)

    def next_of(self, commits: Sequence[ObjectId]) -> ObjectId | None:
        """Returns which of some commits parts what is left most evenly; None when none of them parts it."""
        best, best_part = None, 0
        whole = self.left.bit_count()
        for commit in commits:
            if commit in self.known or not self.graph.bit(commit) & self.left:
                continue
            below = (self.graph.ancestors(commit) & self.left).bit_count()
            part = min(below, whole - below)
            if part > best_part:
                best, best_part = commit, part
        return best


def search(
    bisection: Bisection,
    recorded: Mapping[ObjectId, Answer],
    ask: Callable[[ObjectId, Bisection], Answer | None] | None,
) -> ObjectId | None:
    """Goes on until the first bad commit is found, or a commit must be asked about and `ask` gives no answer.

    Returns the commit that is waiting for an answer, None when there is none: `bisection.found` tells then, or only
    skipped commits are left among `bisection.candidates`.
    """
    while bisection.found is None:
        commit = bisection.next_of(list(recorded))
        if commit is not None:
            bisection.take(commit, recorded[commit], recorded=True)
            continue
        commit = bisection.next_of(bisection.graph.commits)
        if commit is None:
            return None
        answer = None if ask is None else ask(commit, bisection)
        if answer is None:
            return commit
        bisection.take(commit, answer, recorded=False)
    return None


def contradictions(bisection: Bisection, recorded: Mapping[ObjectId, Answer]) -> list[ObjectId]:
    """Returns commits whose recorded answer is not what the first bad commit says: the metric goes up and down."""
    found = bisection.found
    if found is None:
        return []
    wrong = []
    for commit, answer in recorded.items():
        after = bool(bisection.graph.ancestors(commit) & bisection.graph.bit(found))
        if (answer is Answer.GOOD and after) or (answer is Answer.BAD and not after and bisection.graph.bit(commit)):
            wrong.append(commit)
    return wrong
