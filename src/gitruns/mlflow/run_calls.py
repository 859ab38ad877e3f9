"""The client's calls for experiments and runs, over those that all doors share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitruns.entities.run import RunStatus
from gitruns.mlflow.entities import records
from gitruns.mlflow.entities.views import experiment_record, run_record
from gitruns.mlflow.entities.words import ViewType
from gitruns.mlflow.exceptions import all_speak_mlflow, refused
from gitruns.protocol import checks, experiments, runs
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import PARENT_TAG, lifecycle_of
from gitruns.tracking.search import PagedList

Tags = Mapping[str, Any] | None


@all_speak_mlflow
class RunCalls:
    """Experiments and runs."""

    @property
    def hub(self) -> Hub:
        """The repository behind these calls."""
        raise NotImplementedError

    # Experiments

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Tags = None) -> str:
        """Creates an experiment and returns its id; artifacts are kept with the runs, not at an `artifact_location`."""
        if artifact_location:
            raise refused(
                "artifact_location is not taken: artifacts are kept with the runs",
                hint="a store for all of them is set with: git runs store",
            )
        return experiments.create_experiment(self.hub, name, None, [(key, str(value)) for key, value in _items(tags)])

    def get_experiment(self, experiment_id: str) -> records.Experiment:
        """Returns an experiment, deleted or not."""
        return experiment_record(experiments.get_experiment(self.hub, experiment_id))

    def get_experiment_by_name(self, name: str) -> records.Experiment | None:
        """Returns the experiment of a name, deleted or not, or None."""
        found = experiments.get_experiment_by_name(self.hub, name)
        return None if found is None else experiment_record(found)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.Experiment]:
        """Returns one page of experiments, those created last first unless `order_by` says otherwise."""
        found, token = experiments.search_experiments(
            self.hub,
            lifecycle=lifecycle_of(view_type),
            max_results=checks.MAX_RESULTS if max_results is None else max_results,
            filter=filter_string,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([experiment_record(one) for one in found], token or None)

    def delete_experiment(self, experiment_id: str) -> None:
        """Deletes an experiment and with it its runs, until it is restored."""
        experiments.delete_experiment(self.hub, experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Brings an experiment and its runs back."""
        experiments.restore_experiment(self.hub, experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Gives an experiment another name; its id stays."""
        experiments.rename_experiment(self.hub, experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Sets a tag of an experiment."""
        experiments.set_experiment_tag(self.hub, experiment_id, key, str(value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Takes a tag of an experiment away."""
        experiments.delete_experiment_tag(self.hub, experiment_id, key)

    # Runs

    def create_run(
        self, experiment_id: str, start_time: int | None = None, tags: Tags = None, run_name: str | None = None
    ) -> records.Run:
        """Begins a run; it stays open until `set_terminated`. A `start_time` of 0 is now, as in MLflow."""
        given = [(key, str(value)) for key, value in _items(tags)]
        return run_record(
            runs.create_run(self.hub, experiment_id, start_time_ms=start_time or None, tags=given, run_name=run_name)
        )

    def get_run(self, run_id: str) -> records.Run:
        """Returns a run as it stands now, live or ended, deleted or not."""
        return run_record(runs.get_run(self.hub, run_id))

    def get_parent_run(self, run_id: str) -> records.Run | None:
        """Returns the run that a run is nested in, or None."""
        parent = self.get_run(run_id).data.tags.get(PARENT_TAG)
        return None if parent is None else self.get_run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[records.Run]:
        """Returns one page of runs; its `token` asks for the next."""
        found, token = runs.search_runs(
            self.hub,
            [experiment_ids] if isinstance(experiment_ids, (str, int)) else experiment_ids,
            filter=filter_string,
            lifecycle=lifecycle_of(run_view_type),
            max_results=max_results,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([run_record(one) for one in found], token or None)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Changes status and name of a run."""
        runs.update_run(self.hub, run_id, status=None if status is None else _status(status), name=name)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """Ends a run and seals it into git."""
        end_ms = time.time_ns() // 1_000_000 if end_time is None else end_time
        runs.update_run(self.hub, run_id, status=_status(status or "FINISHED"), end_time_ms=end_ms)

    def delete_run(self, run_id: str) -> None:
        """Deletes a run until it is restored."""
        runs.delete_run(self.hub, run_id)

    def restore_run(self, run_id: str) -> None:
        """Brings a run back."""
        runs.restore_run(self.hub, run_id)


def _items(tags: Tags) -> Iterable[tuple[str, Any]]:
    return (tags or {}).items()


def _status(word: str) -> RunStatus:
    try:
        return RunStatus(str(word).upper())
    except ValueError:
        raise refused(
            f"Invalid run status '{word}': it is none of {', '.join(one.value for one in RunStatus)}"
        ) from None
