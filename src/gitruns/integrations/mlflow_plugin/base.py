"""What all calls of the tracking store stand on: a repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.protocol import experiments, logging, runs
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import LOCATION_TAG


class StoreBase:
    """A repository behind MLflow's calls. What a call means is said in `gitruns.protocol`, for the server too."""

    hub: Hub

    # For the calls of logged models

    def _experiment(self, experiment_id: object) -> Experiment:
        return experiments.find_experiment(self.hub, experiment_id)

    def _check_experiment_is_active(self, experiment: Experiment) -> None:
        experiments.active_experiment(self.hub, experiment.id)

    def _experiment_ids(self, experiment_ids: Iterable[object]) -> list[ExperimentId]:
        return experiments.experiment_ids_of(experiment_ids)

    def _location(self, experiment_id: ExperimentId) -> str | None:
        return self.hub.repo.get_experiment(experiment_id).tags.get(LOCATION_TAG)

    def _write_tags(self, record: RunId, tags: Mapping[str, Any]) -> None:
        logging.write_tags(self.hub, record, tags)

    def _deleted_ms(self, record: RunId) -> int:
        return runs._deleted_ms(self.hub, record)
