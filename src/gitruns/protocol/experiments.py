"""Calls for experiments: created, found, changed, deleted, restored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.status import Lifecycle
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.protocol import checks
from gitruns.protocol.addresses import below
from gitruns.protocol.errors import missing, refused
from gitruns.protocol.hub import Hub
from gitruns.protocol.shown import LOCATION_TAG, ShownExperiment
from gitruns.query.dialects import Dialect

_DIGITS = re.compile(r"[0-9]{1,19}\Z")


def experiment_id_of(given: object) -> ExperimentId:
    """Returns the id that a text spells: MLflow's store takes numbers."""
    text = str(given)
    if _DIGITS.match(text) is None:
        raise refused(f"Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")
    return ExperimentId(str(int(text)))


def experiment_ids_of(given: Iterable[object]) -> list[ExperimentId]:
    """Returns the ids that texts spell."""
    return [experiment_id_of(one) for one in given]


def find_experiment(hub: Hub, experiment_id: object) -> Experiment:
    """Returns an experiment, deleted or not; no id is that of the default one."""
    number = experiment_id_of(experiment_id or "0")
    try:
        return hub.repo.get_experiment(number)
    except NotFoundError as error:
        raise missing(f"No Experiment with id={number} exists") from error


def active_experiment(hub: Hub, experiment_id: object) -> Experiment:
    """Returns an experiment that is not deleted."""
    found = find_experiment(hub, experiment_id)
    if found.lifecycle is not Lifecycle.ACTIVE:
        raise refused(
            f"The experiment {found.id} must be in the 'active' state. Current state is {found.lifecycle.value}."
        )
    return found


def experiment_in(hub: Hub, experiment_id: object, lifecycle: Lifecycle) -> Experiment:
    """Returns an experiment that is in one state; in another it is as if it were not there."""
    found = find_experiment(hub, experiment_id)
    if found.lifecycle is not lifecycle:
        raise missing(f"No Experiment with id={found.id} exists")
    return found


def shown_experiment(hub: Hub, experiment: Experiment) -> ShownExperiment:
    """Returns an experiment with the place of its artifacts, which is with the runs unless it was put elsewhere."""
    place = hub.uri if "/" in hub.uri else f"{hub.uri}/"
    return ShownExperiment(experiment, experiment.tags.get(LOCATION_TAG, place))


def artifacts_at(hub: Hub, experiment_id: ExperimentId, *parts: str) -> str:
    """Returns the address of artifacts of a record (`parts` is its path) of an experiment."""
    try:
        elsewhere = hub.repo.get_experiment(experiment_id).tags.get(LOCATION_TAG)
    except GitRunsError:  # the experiment was not fetched
        elsewhere = None
    return below(hub.uri if elsewhere is None else elsewhere, *parts)


def run_artifacts_at(hub: Hub, experiment_id: ExperimentId, run_id: RunId) -> str:
    """Returns the address of a run's artifacts."""
    return artifacts_at(hub, experiment_id, run_id, "artifacts")


# Calls


def create_experiment(
    hub: Hub, name: str, artifact_location: str | None = None, tags: Iterable[tuple[str, str]] = ()
) -> str:
    """Creates an experiment and returns its id, which comes from the name: clones agree on it."""
    checks.check_experiment_name(name)
    kept = dict(checks.check_experiment_tag(key, value) for key, value in tags)
    if artifact_location:
        kept[LOCATION_TAG] = artifact_location
    if hub.repo.find_experiment(name) is not None:
        raise refused(f"Experiment(name={name}) already exists.", "RESOURCE_ALREADY_EXISTS")
    return str(hub.repo.create_experiment(name, kept))


def get_experiment(hub: Hub, experiment_id: object) -> ShownExperiment:
    """Returns an experiment, deleted or not."""
    return shown_experiment(hub, find_experiment(hub, experiment_id))


def get_experiment_by_name(hub: Hub, name: str) -> ShownExperiment | None:
    """Returns the experiment of a name, deleted or not, or None."""
    found = hub.repo.find_experiment(name)
    return None if found is None else shown_experiment(hub, found)


def search_experiments(
    hub: Hub,
    *,
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
    max_results: int = 1000,
    filter: str | None = None,  # noqa: A002  the field's word, and MLflow's
    order_by: Sequence[str] | None = None,
    page_token: str | None = None,
) -> tuple[list[ShownExperiment], str]:
    """Returns one page of experiments, and the token of the next, empty on the last."""
    checks.check_max_results(max_results)
    found = hub.repo.search_experiments(
        filter or "",
        lifecycle=lifecycle,
        max_results=max_results,
        order_by=tuple(order_by or ()),
        page_token=page_token or "",
        dialect=Dialect.MLFLOW,
    )
    return [shown_experiment(hub, one) for one in found.experiments], found.next_token


def delete_experiment(hub: Hub, experiment_id: object) -> None:
    """Deletes an experiment and with it its runs, until it is restored."""
    found = experiment_in(hub, experiment_id, Lifecycle.ACTIVE)
    hub.repo.set_experiment_lifecycle(found.id, Lifecycle.DELETED)
    hub.logs.look_again()


def restore_experiment(hub: Hub, experiment_id: object) -> None:
    """Brings an experiment and its runs back."""
    found = experiment_in(hub, experiment_id, Lifecycle.DELETED)
    hub.repo.set_experiment_lifecycle(found.id, Lifecycle.ACTIVE)
    hub.logs.look_again()


def rename_experiment(hub: Hub, experiment_id: object, new_name: str) -> None:
    """Gives an experiment another name."""
    checks.check_experiment_name(new_name)
    found = find_experiment(hub, experiment_id)
    if found.lifecycle is not Lifecycle.ACTIVE:
        raise refused("Cannot rename a non-active experiment.", "INVALID_STATE")
    hub.repo.rename_experiment(found.id, new_name)


def set_experiment_tag(hub: Hub, experiment_id: object, key: str, value: str) -> None:
    """Sets a tag of an experiment."""
    checks.check_experiment_tag(key, value)
    hub.repo.set_experiment_tag(active_experiment(hub, experiment_id).id, key, value)


def delete_experiment_tag(hub: Hub, experiment_id: object, key: str) -> None:
    """Takes a tag of an experiment away."""
    found = active_experiment(hub, experiment_id)
    if key not in found.tags:
        raise missing(f"No tag with name: {key} in experiment with id {experiment_id}")
    hub.repo.delete_experiment_tag(found.id, key)


def locations_of(hub: Hub, experiment_ids: Iterable[ExperimentId]) -> Mapping[ExperimentId, str]:
    """Returns of each experiment what addresses of its runs' artifacts begin with."""
    found = {}
    for one in experiment_ids:
        try:
            found[one] = hub.repo.get_experiment(one).tags.get(LOCATION_TAG, hub.uri)
        except GitRunsError:
            found[one] = hub.uri
    return found
