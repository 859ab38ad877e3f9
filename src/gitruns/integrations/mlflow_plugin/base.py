"""What all calls of the tracking store stand on: the repository, and the texts of MLflow's own refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlflow.entities import ViewType

from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import Run
from gitruns.entities.status import Lifecycle
from gitruns.integrations.mlflow_plugin.errors import refused
from gitruns.integrations.mlflow_plugin.views import LOCATION_TAG
from gitruns.protocol.hub import Hub

MAX_RESULTS = 50_000
_DIGITS = re.compile(r"[0-9]{1,19}\Z")


class StoreBase:
    """A repository behind MLflow's calls."""

    hub: Hub

    def _experiment_id(self, experiment_id: object) -> ExperimentId:
        text = str(experiment_id)
        if _DIGITS.match(text) is None:
            raise refused(f"Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")
        return ExperimentId(str(int(text)))

    def _experiment_ids(self, experiment_ids: Iterable[object]) -> list[ExperimentId]:
        return [self._experiment_id(one) for one in experiment_ids]

    def _check_max_results(self, max_results: int | None, *, allow_none: bool = False) -> None:
        if max_results is None and allow_none:
            return
        if not isinstance(max_results, int) or max_results < 1:
            raise refused(
                f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer"
            )
        if max_results > MAX_RESULTS:
            raise refused(
                f"Invalid value {max_results} for parameter 'max_results' supplied. It must be at most {MAX_RESULTS}"
            )

    def _location(self, experiment_id: ExperimentId) -> str | None:
        """Returns where an experiment's artifacts are if that is not with the runs."""
        return self.hub.repo.get_experiment(experiment_id).tags.get(LOCATION_TAG)

    def _artifact_uri(self, run: Run, elsewhere: str | None) -> str:
        if elsewhere is None:
            return f"{self.hub.uri}/{run.info.id}/artifacts"
        from mlflow.utils.uri import append_to_uri_path

        return str(append_to_uri_path(elsewhere, run.info.id, "artifacts"))


def lifecycle_of(view_type: int | None) -> Lifecycle | None:
    """Returns what a view shows, None for all."""
    if view_type == ViewType.ALL:
        return None
    return Lifecycle.DELETED if view_type == ViewType.DELETED_ONLY else Lifecycle.ACTIVE
