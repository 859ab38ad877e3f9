"""The tracking store's calls for experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow import entities
from mlflow.entities import ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils import validation

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId
from gitruns.entities.status import Lifecycle
from gitruns.errors import NotFoundError
from gitruns.integrations.mlflow_plugin.base import StoreBase, lifecycle_of
from gitruns.integrations.mlflow_plugin.errors import missing, refused, speaks_mlflow
from gitruns.integrations.mlflow_plugin.views import LOCATION_TAG, experiment_entity
from gitruns.query.dialects import Dialect


@speaks_mlflow
class ExperimentCalls(StoreBase):
    """Creates, finds, changes, deletes and restores experiments."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Sequence[Any] | None = None
    ) -> str:
        """Creates an experiment and returns its id, which comes from the name: clones agree on it."""
        validation._validate_experiment_name(name)
        for tag in tags or ():
            validation._validate_experiment_tag(tag.key, tag.value)
        kept = {tag.key: tag.value for tag in tags or ()}
        if artifact_location:
            from mlflow.utils.uri import resolve_uri_if_local

            location = resolve_uri_if_local(artifact_location)
            if hasattr(validation, "_validate_experiment_artifact_location_length"):
                validation._validate_experiment_artifact_location_length(location)
            kept[LOCATION_TAG] = location
        if self.hub.repo.find_experiment(name) is not None:
            raise refused(f"Experiment(name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")
        return str(self.hub.repo.create_experiment(name, kept))

    def get_experiment(self, experiment_id: str) -> entities.Experiment:
        """Returns an experiment, deleted or not."""
        return self._experiment_entity(self._experiment(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> entities.Experiment | None:
        """Returns the experiment of a name, deleted or not, or None."""
        found = self.hub.repo.find_experiment(experiment_name)
        return None if found is None else self._experiment_entity(found)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList:
        """Returns one page of experiments."""
        self._check_max_results(max_results)
        found = self.hub.repo.search_experiments(
            filter_string or "",
            lifecycle=lifecycle_of(view_type),
            max_results=max_results,
            order_by=tuple(order_by or ()),
            page_token=page_token or "",
            dialect=Dialect.MLFLOW,
        )
        return PagedList([self._experiment_entity(one) for one in found.experiments], found.next_token or None)

    def delete_experiment(self, experiment_id: str) -> None:
        """Deletes an experiment and with it its runs, until it is restored."""
        self._experiment_in(experiment_id, Lifecycle.ACTIVE)
        self.hub.repo.set_experiment_lifecycle(ExperimentId(str(experiment_id)), Lifecycle.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        """Brings an experiment and its runs back."""
        self._experiment_in(experiment_id, Lifecycle.DELETED)
        self.hub.repo.set_experiment_lifecycle(ExperimentId(str(experiment_id)), Lifecycle.ACTIVE)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Gives an experiment another name."""
        validation._validate_experiment_name(new_name)
        found = self._experiment(experiment_id)
        if found.lifecycle is not Lifecycle.ACTIVE:
            raise refused("Cannot rename a non-active experiment.", "INVALID_STATE")
        self.hub.repo.rename_experiment(found.id, new_name)

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Sets a tag of an experiment."""
        validation._validate_experiment_tag(tag.key, tag.value)
        found = self._experiment(experiment_id)
        self._check_experiment_is_active(found)
        self.hub.repo.set_experiment_tag(found.id, tag.key, tag.value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Takes a tag of an experiment away."""
        found = self._experiment(experiment_id)
        self._check_experiment_is_active(found)
        if key not in found.tags:
            raise missing(f"No tag with name: {key} in experiment with id {experiment_id}")
        self.hub.repo.delete_experiment_tag(found.id, key)

    # Inside

    def _experiment(self, experiment_id: str) -> Experiment:
        number = self._experiment_id(experiment_id or "0")
        try:
            return self.hub.repo.get_experiment(number)
        except NotFoundError as error:
            raise missing(f"No Experiment with id={number} exists") from error

    def _experiment_in(self, experiment_id: str, lifecycle: Lifecycle) -> Experiment:
        found = self._experiment(experiment_id)
        if found.lifecycle is not lifecycle:
            raise missing(f"No Experiment with id={found.id} exists")
        return found

    def _check_experiment_is_active(self, experiment: Experiment) -> None:
        if experiment.lifecycle is not Lifecycle.ACTIVE:
            raise refused(
                f"The experiment {experiment.id} must be in the 'active' state. "
                f"Current state is {experiment.lifecycle.value}."
            )

    def _experiment_entity(self, experiment: Experiment) -> entities.Experiment:
        return experiment_entity(experiment, self.hub.uri)

    # What `mlflow gc` asks for

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        """Leaves the experiment deleted: its name and id stay taken, as every clone that has it knows them."""
        self._experiment_in(experiment_id, Lifecycle.DELETED)
