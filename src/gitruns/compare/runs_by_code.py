"""Runs found by the code they ran: by the trees and the commits that their sources are. The index answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from gitruns.entities.ids import ExperimentId, ObjectId
from gitruns.entities.run import Lifecycle, Run, RunStatus

if TYPE_CHECKING:
    from gitruns.repo import Repo

_PLAIN = re.compile(r"[\w./+-]+")
"""A name that stands in a query as it is."""

MOST_RUNS = 2000
"""Of one code no more than the newest so many are looked at."""


class RunsByCode:
    """Looks runs up by tree (equal tracked files, or equal snapshot), and by the commit that was checked out.

    Runs that were taken out of sight are not there; `experiments` and `keep` limit which others are. They come with
    their facts alone: no params, tags and metrics.
    """

    def __init__(
        self,
        repo: Repo,
        *,
        experiments: Collection[ExperimentId] | None = None,
        keep: Callable[[Run], bool] = lambda run: True,
    ) -> None:
        self._repo = repo
        self._experiments = experiments
        self._keep = keep

    @cached_property
    def trees(self) -> frozenset[ObjectId]:
        """The trees that runs ran."""
        return frozenset(self._repo.index.source_trees())

    @cached_property
    def _bases(self) -> frozenset[ObjectId]:
        return frozenset(self._repo.index.source_bases())

    @cached_property
    def _hidden(self) -> frozenset[ExperimentId]:
        return frozenset(one.id for one in self._repo.list_experiments(lifecycle=Lifecycle.DELETED))

    def of_tree(self, tree: ObjectId) -> list[Run]:
        """Returns the runs of exactly this code, the one started last first."""
        return self.of_trees([tree])

    def of_trees(self, trees: Iterable[ObjectId]) -> list[Run]:
        """Returns the runs of any of these trees, the one started last first."""
        wanted = self.trees.intersection(trees)
        return self._kept(self._repo.index.infos_of_trees(wanted, self._experiments, MOST_RUNS)) if wanted else []

    def on_commit(self, commit: ObjectId) -> list[Run]:
        """Returns the runs that were started on this commit, changed files or not, the one started last first."""
        if commit not in self._bases:
            return []
        return self._kept(self._repo.index.infos_of_bases([commit], self._experiments, MOST_RUNS))

    def of_branch(self, branch: str) -> list[Run]:
        """Returns the runs that were started on a branch of this name, the one started last first."""
        query = f"attributes.branch = '{branch}'" if _PLAIN.fullmatch(branch) else ""
        return [run for run in self.all(query) if run.info.source.branch == branch]

    def all(self, query: str = "") -> list[Run]:
        """Returns all runs that match a query, the one started last first."""
        return self._kept(self._repo.index.list_infos(self._repo.search(query)))

    def _kept(self, runs: Iterable[Run]) -> list[Run]:
        return [
            run
            for run in runs
            if run.info.lifecycle is Lifecycle.ACTIVE
            and run.info.experiment_id not in self._hidden
            and (self._experiments is None or run.info.experiment_id in self._experiments)
            and self._keep(run)
        ]


def finished(run: Run) -> bool:
    """Returns whether a run ended as it should, so that its results count."""
    return run.info.status is RunStatus.FINISHED and not run.live


def preferred(runs: list[Run]) -> Run | None:
    """Returns the first run that finished, else the first one."""
    return next((run for run in runs if run.info.status is RunStatus.FINISHED), runs[0] if runs else None)
