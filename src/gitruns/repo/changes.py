"""What changed in a repository since somebody looked: which runs, and whether experiments or models did.

It is seen by the same marks and states that the index goes by, so that a look at a repository in which nothing happened
costs some `stat`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ExperimentId, ObjectId, RunId
from gitruns.entities.model import ModelId
from gitruns.index import EXPERIMENTS_PLACE, UNSETTLED, mark_of
from gitruns.repo.indexing import RepoSource

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

_States = Mapping[RunId, str]
_NONE: _States = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Runs that are new or changed, runs that are gone, and whether any experiment or model changed."""

    runs: frozenset[RunId] = frozenset()
    gone: frozenset[RunId] = frozenset()
    experiments: bool = False
    models: bool = False

    def __bool__(self) -> bool:
        return bool(self.runs or self.gone or self.experiments or self.models)


class ChangeWatch:
    """Looks at a repository again and again; for one thread at a time."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._source = RepoSource(repo, {})
        common = repo.store.paths.common_dir
        shared = [common / "packed-refs", common / "reftable" / "tables.list"]
        self._model_files = [*shared, common / "refs" / "runs" / "models"]
        self._marks: dict[str, str] = {}
        self._states: dict[str, _States] = {}
        self._experiments: Mapping[ExperimentId, ObjectId] = {}
        self._models: Mapping[ModelId, ObjectId] = {}
        self.look()

    def look(self) -> Changes:
        """Returns what changed since the look before."""
        marks = dict(self._source.places())
        experiments = self._have_experiments_changed(marks.pop(EXPERIMENTS_PLACE))
        models = self._have_models_changed()
        before = self._states
        self._states = {place: self._states_of(place, mark) for place, mark in marks.items()}
        self._marks.update(marks)
        touched = _touched(before, self._states)
        known = {run_id: self._combined(before, run_id) for run_id in touched}
        now = {run_id: self._combined(self._states, run_id) for run_id in touched}
        return Changes(
            runs=frozenset(run_id for run_id in touched if now[run_id] is not None and now[run_id] != known[run_id]),
            gone=frozenset(run_id for run_id in touched if now[run_id] is None and known[run_id] is not None),
            experiments=experiments,
            models=models,
        )

    def _states_of(self, place: str, mark: str) -> _States:
        if mark != UNSETTLED and mark == self._marks.get(place) and place in self._states:
            return self._states[place]
        return dict(self._source.states(place))

    def _combined(self, states: Mapping[str, _States], run_id: RunId) -> str | None:
        said = {place: ids[run_id] for place, ids in states.items() if run_id in ids}
        return self._source.combine(said) if said else None

    def _have_experiments_changed(self, mark: str) -> bool:
        if not self._is_news(EXPERIMENTS_PLACE, mark):
            return False
        before, self._experiments = self._experiments, self._repo.store.experiment_tips()
        return before != self._experiments

    def _have_models_changed(self) -> bool:
        if not self._is_news("models", mark_of(self._model_files, time.time_ns())):
            return False
        before, self._models = self._models, self._repo.store.models.tips()
        return before != self._models

    def _is_news(self, place: str, mark: str) -> bool:
        before = self._marks.get(place)
        self._marks[place] = mark
        return mark == UNSETTLED or mark != before


def _touched(before: Mapping[str, _States], after: Mapping[str, _States]) -> set[RunId]:
    """Returns the runs of which some place says something else than it did."""
    found: set[RunId] = set()
    for place in before.keys() | after.keys():
        old, new = before.get(place, _NONE), after.get(place, _NONE)
        if old is not new:
            found.update(run_id for run_id, _ in old.items() ^ new.items())
    return found
