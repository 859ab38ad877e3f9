"""Runs found by the code they ran: by the trees and the commits that their sources are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run, RunStatus


class RunsByCode:
    """Looks runs up by tree (equal tracked files, or equal snapshot), and by the commit that their tree lay on."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._by_tree: dict[ObjectId, dict[str, Run]] = defaultdict(dict)
        self._by_base: dict[ObjectId, dict[str, Run]] = defaultdict(dict)
        for run in runs:
            source = run.info.source
            for tree in (source.code_tree, source.snapshot_tree):
                if tree is not None:
                    self._by_tree[tree][run.info.id] = run
            base = source.base or source.commit
            if base is not None:
                self._by_base[base][run.info.id] = run

    def of_tree(self, tree: ObjectId) -> list[Run]:
        """Returns the runs of exactly this code, the one started last first."""
        return newest_first(self._by_tree.get(tree, {}).values())

    def on_commit(self, commit: ObjectId) -> list[Run]:
        """Returns the runs that were started on this commit, changed files or not, the one started last first."""
        return newest_first(self._by_base.get(commit, {}).values())

    def trees(self) -> Iterable[ObjectId]:
        """Returns the trees that runs ran."""
        return self._by_tree.keys()


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """Returns runs, the one started last first, then by id."""
    return sorted(runs, key=lambda run: (-run.info.start_time_ms, run.info.id))


def preferred(runs: list[Run]) -> Run | None:
    """Returns the first run that finished, else the first one."""
    return next((run for run in runs if run.info.status is RunStatus.FINISHED), runs[0] if runs else None)
