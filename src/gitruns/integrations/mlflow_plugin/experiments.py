"""The tracking store's calls for experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow import entities
from mlflow.entities import ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils import validation

from gitruns.entities.status import Lifecycle
from gitruns.integrations.mlflow_plugin.base import StoreBase
from gitruns.integrations.mlflow_plugin.errors import speaks_mlflow
from gitruns.integrations.mlflow_plugin.views import experiment_entity
from gitruns.protocol import experiments
from gitruns.protocol.shown import lifecycle_of


@speaks_mlflow
class ExperimentCalls(StoreBase):
    """Creates, finds, changes, deletes and restores experiments."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Sequence[Any] | None = None
    ) -> str:
        """Creates an experiment and returns its id, which comes from the name: clones agree on it."""
        location = None
        if artifact_location:
            from mlflow.utils.uri import resolve_uri_if_local

            location = resolve_uri_if_local(artifact_location)
            if hasattr(validation, "_validate_experiment_artifact_location_length"):
                validation._validate_experiment_artifact_location_length(location)
        return experiments.create_experiment(self.hub, name, location, [(tag.key, tag.value) for tag in tags or ()])

    def get_experiment(self, experiment_id: str) -> entities.Experiment:
        """Returns an experiment, deleted or not."""
        return experiment_entity(experiments.get_experiment(self.hub, experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> entities.Experiment | None:
        """Returns the experiment of a name, deleted or not, or None."""
        found = experiments.get_experiment_by_name(self.hub, experiment_name)
        return None if found is None else experiment_entity(found)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of experiments."""
        found, token = experiments.search_experiments(
            self.hub,
            lifecycle=lifecycle_of(view_type),
            max_results=max_results,
            filter=filter_string,
            order_by=order_by,
            page_token=page_token,
        )
        return PagedList([experiment_entity(one) for one in found], token or None)

    def delete_experiment(self, experiment_id: str) -> None:
        """Deletes an experiment and with it its runs, until it is restored."""
        experiments.delete_experiment(self.hub, experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Brings an experiment and its runs back."""
        experiments.restore_experiment(self.hub, experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Gives an experiment another name."""
        experiments.rename_experiment(self.hub, experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Sets a tag of an experiment."""
        experiments.set_experiment_tag(self.hub, experiment_id, tag.key, tag.value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Takes a tag of an experiment away."""
        experiments.delete_experiment_tag(self.hub, experiment_id, key)

    # What `mlflow gc` asks for

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        """Leaves the experiment deleted: its name and id stay taken, as every clone that has it knows them."""
        experiments.experiment_in(self.hub, experiment_id, Lifecycle.DELETED)
