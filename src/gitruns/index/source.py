"""What the index asks of the layer above: what there is to index, what revisions mean, what points were.

The index knows neither git nor journals. Whoever joins them gives a `Source`; `Revisions` and `Points` are needed only
by queries that ask for git terms and for values at a step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.index.rows import RunRows

EXPERIMENTS_PLACE = "experiments"
"""The place whose mark speaks for the experiments; it has no states of runs."""

UNSETTLED = ""
"""The mark of a place that may have changed without showing it: it is looked at again each time."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A run whose stored state cannot be read, and why, in one line.

    `gone`: it is there no more, for good, though a place still says something of it.
    """

    run_id: RunId
    reason: str
    gone: bool = False


class Source(Protocol):
    """Where runs are kept: some places, each of which says of some runs in what state it has them.

    A place is a set of refs, an archive segment, the journals of live runs. Its **mark** changes whenever what it says
    may have changed, and is cheap to have (`marks.mark_of`). A run's **state** in a place is a text such as the commit
    at a ref's tip: the run reads the same as long as its states are the same.
    """

    def places(self) -> Mapping[str, str]:
        """Returns the mark of each place. Order matters: a place that runs move away from comes before where they go.

        So a run that is sealed meanwhile is seen twice and never missed: journals first, then refs.
        """

    def states(self, place: str) -> Mapping[RunId, str]:
        """Returns the state of each run that the place has."""

    def combine(self, said: Mapping[str, str]) -> str:
        """Returns the one state of a run from what the places say (place to state, one at least); pure.

        Equal results mean that the run need not be read again: a ref that was only packed gives the same.
        """

    def read(self, wanted: Sequence[tuple[RunId, str]]) -> Iterable[Run | RunRows | Unreadable]:
        """Reads runs as they are now, in any order; the second of each pair is the combined state.

        A run that is there no more is left out. Rows (`rows_of`) are given for runs that were announced only.
        """

    def expect(self, wanted: Sequence[tuple[RunId, str]], left: int) -> None:
        """Hears which runs will most likely be read next, and how many after all: it may begin with them.

        Nothing left (0) ends what was begun.
        """

    def experiments(self) -> Iterable[Experiment]:
        """Returns all experiments, deleted ones and the default one too."""


class Revisions(Protocol):
    """What git says; each method raises `GitRunsError` where a name means nothing."""

    def commit(self, revision: str) -> ObjectId:
        """Returns the commit that a revision names."""

    def commits_in(self, span: str) -> Collection[ObjectId]:
        """Returns the commits of a range: `main..feature`, `main...feature`."""

    def ancestors_of(self, revision: str) -> Collection[ObjectId]:
        """Returns the commit that a revision names and all before it."""

    def touching(self, path: str) -> Collection[ObjectId]:
        """Returns the commits that changed a path, snapshots of sources too."""

    def authors(self, commits: Collection[ObjectId]) -> Mapping[ObjectId, str]:
        """Returns who wrote each commit, as `Ada Lovelace <ada@example.org>`; one that is not here is left out."""

    def trees_of(self, run: str) -> Collection[ObjectId]:
        """Returns the trees that stand for the code of a run: of the tracked files, and of the snapshot."""

    def time_ms(self, revision: str) -> int:
        """Returns when the commit that a revision names was made, milliseconds UTC."""


class Points(Protocol):
    """The points of metrics, which only the parts hold."""

    def values_at(self, run_ids: Sequence[RunId], metric: str, step: int) -> Mapping[RunId, float]:
        """Returns a metric's value at a step for the runs that have one there.

        Of several points at that step it is the value of the greatest (time, value), NaN the lowest.
        """
