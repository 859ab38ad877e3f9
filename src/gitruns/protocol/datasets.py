"""Calls for the datasets that runs read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gitruns.entities.canonical import encode_text
from gitruns.entities.dataset import DatasetInput
from gitruns.protocol import checks
from gitruns.protocol.errors import refused
from gitruns.protocol.experiments import experiment_ids_of
from gitruns.protocol.hub import Hub
from gitruns.protocol.logging import log_input_models
from gitruns.protocol.runs import active_run
from gitruns.protocol.shown import CONTEXT_TAG

_MOST_DATASETS = 1000
_MOST_CHARACTERS = 4 << 20


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset that some run of an experiment read."""

    experiment_id: str
    name: str
    digest: str
    context: str | None


def dataset_input(
    *,
    name: str,
    digest: str,
    source: str,
    source_type: str,
    schema: str | None = None,
    profile: str | None = None,
    tags: Iterable[tuple[str, str]] = (),
) -> DatasetInput:
    """Returns a dataset that went into a run as it is kept: what it was for is a tag with MLflow."""
    named = dict(tags)
    context = named.pop(CONTEXT_TAG, None)
    return DatasetInput(
        name=name,
        digest=digest,
        source=source,
        source_type=source_type,
        schema=schema,
        profile=profile,
        context=context,
        tags=tuple(named.items()),
    )


class GivenDataset(Protocol):
    """A dataset as MLflow's objects have it: `dataset` with name, digest, source and the rest, `tags` of the link."""

    dataset: Any
    tags: Any


def dataset_of(given: GivenDataset) -> DatasetInput:
    """Returns a dataset that a client gave, as it is kept."""
    dataset = given.dataset
    return dataset_input(
        name=dataset.name,
        digest=dataset.digest,
        source=dataset.source,
        source_type=dataset.source_type,
        schema=dataset.schema,
        profile=dataset.profile,
        tags=[(tag.key, tag.value) for tag in given.tags or ()],
    )


def dataset_tags(dataset: DatasetInput) -> list[tuple[str, str]]:
    """Returns the tags of a dataset as MLflow has them."""
    context = [] if dataset.context is None else [(CONTEXT_TAG, dataset.context)]
    return [*context, *dataset.tags]


def log_inputs(hub: Hub, run_id: str, datasets: Sequence[DatasetInput] = (), models: Sequence[str] = ()) -> None:
    """Logs datasets and logged models that a run reads; a dataset is kept once a run."""
    checks.check_run_id(run_id)
    checks.check_datasets(datasets)
    run = active_run(hub, run_id)
    known = {(one.name, one.digest) for one in run.inputs}
    fresh: dict[tuple[str, str], DatasetInput] = {}
    for given in datasets:
        if (given.name, given.digest) not in known:
            fresh.setdefault((given.name, given.digest), given)
    if fresh:
        _check_size([*run.inputs, *fresh.values()])
        hub.logs.write(run.info.id, lambda log: log.add_inputs(list(fresh.values())))
    log_input_models(hub, run.info.id, models)


def _check_size(datasets: Iterable[DatasetInput]) -> None:
    """Refuses more than a run's tree may hold in one file."""
    texts = (text for one in datasets for text in (one.name, one.digest, one.source, one.schema, one.profile))
    if sum(len(encode_text(text)) for text in texts if text) > _MOST_CHARACTERS:
        raise refused(f"The datasets of a run can hold at most {_MOST_CHARACTERS} characters together.")


def search_datasets(hub: Hub, experiment_ids: Iterable[object]) -> list[DatasetSummary]:
    """Returns the distinct datasets of all runs of some experiments, 1,000 at most."""
    repo = hub.repo
    search = repo.search("", experiment_ids=experiment_ids_of(experiment_ids), lifecycle=None)
    found: dict[DatasetSummary, None] = {}
    for listed in repo.index.list_runs(search)[0]:
        for one in repo.get_run(listed.run.info.id).inputs if listed.inputs else ():
            if len(found) < _MOST_DATASETS:
                found[DatasetSummary(str(listed.run.info.experiment_id), one.name, one.digest, one.context)] = None
    return list(found)
