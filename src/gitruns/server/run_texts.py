"""Runs as the JSON text that is sent of them, kept until they change: pages ask for the same runs again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.status import Lifecycle
from gitruns.protocol.experiments import locations_of
from gitruns.protocol.hub import Hub
from gitruns.protocol.runs import shown_runs
from gitruns.server.run_views import run_json

MAX_BYTES = 64 << 20
"""What is kept in each worker at most."""

_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class _Experiment:
    """Where an experiment stands, as far as its runs show it."""

    deleted: bool
    place: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A text, and what it is true of: the stored state of the run, and where its experiment stands."""

    state: str
    experiment_id: ExperimentId
    experiment: _Experiment
    text: bytes


class RunTexts:
    """Gives the JSON of runs, made when it is first asked for. Used by many threads at once."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._kept: OrderedDict[tuple[str, RunId], _Kept] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def of(self, hub: Hub, states: Sequence[tuple[RunId, str]]) -> list[orjson.Fragment]:
        """Returns the JSON of runs that are in some states, in their order; of one that has gone meanwhile, none."""
        place = str(hub.repo.folder)
        found = self._find(hub, place, states)
        lacking = [run_id for run_id, _ in states if run_id not in found]
        if lacking:
            found.update(self._made(hub, place, lacking))
        return [orjson.Fragment(found[run_id]) for run_id, _ in states if run_id in found]

    def _find(self, hub: Hub, place: str, states: Sequence[tuple[RunId, str]]) -> dict[RunId, bytes]:
        with self._lock:
            known = {run_id: self._kept.get((place, run_id)) for run_id, _ in states}
            for run_id, one in known.items():
                if one is not None:
                    self._kept.move_to_end((place, run_id))
        experiments = _experiments(hub, {one.experiment_id for one in known.values() if one is not None})
        return {
            run_id: one.text
            for run_id, state in states
            if (one := known[run_id]) is not None
            and one.state == state
            and one.experiment == experiments[one.experiment_id]
        }

    def _made(self, hub: Hub, place: str, run_ids: list[RunId]) -> dict[RunId, bytes]:
        listed = hub.repo.index.read_runs(run_ids)
        experiments = _experiments(hub, {one.run.info.experiment_id for one in listed})
        made: dict[RunId, bytes] = {}
        for one, shown in zip(listed, shown_runs(hub, listed), strict=True):
            info = one.run.info
            text = made[info.id] = orjson.dumps(run_json(shown))
            if one.state:  # none: it is to be read again
                self._keep(
                    (place, info.id), _Kept(one.state, info.experiment_id, experiments[info.experiment_id], text)
                )
        return made

    def _keep(self, key: tuple[str, RunId], one: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = one
            self._bytes += _size(one) - (_size(before) if before is not None else 0)
            while self._bytes > self._max_bytes:
                self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(one: _Kept) -> int:
    return len(one.text) + _OVERHEAD_BYTES


def _experiments(hub: Hub, experiment_ids: set[ExperimentId]) -> dict[ExperimentId, _Experiment]:
    deleted = {one.id for one in hub.repo.list_experiments(lifecycle=Lifecycle.DELETED)}
    places = locations_of(hub, experiment_ids)
    return {one: _Experiment(one in deleted, places[one]) for one in experiment_ids}
