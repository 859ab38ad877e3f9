"""Experiments of another tracker: each becomes the experiment of its name here, in all clones the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitruns.entities import names
from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, experiment_id_candidate
from gitruns.entities.status import Lifecycle
from gitruns.errors import ConflictError, GitRunsError, InvalidInputError
from gitruns.exchange.fitting import fitted_tags
from gitruns.exchange.foreign import IMPORTED_ID_TAG, Damage, ForeignExperiment, ForeignStore
from gitruns.gitstore.refs import experiment_ref

if TYPE_CHECKING:
    from gitruns.exchange.report import ImportReport
    from gitruns.repo import Repo

_ATTEMPTS = 20


def bring_experiments(
    repo: Repo, store: ForeignStore, report: ImportReport, *, dry_run: bool
) -> dict[str, ExperimentId]:
    """Makes the experiments that are not here, as they are there; returns which one each is here, by its id there.

    One whose name is here already stays as it is here.
    """
    found: dict[str, ExperimentId] = {}
    for given in store.experiments():
        if isinstance(given, Damage):
            report.problems.append(given)
            continue
        try:
            found[given.id] = _bring(repo, given, report, dry_run)
        except GitRunsError as error:
            report.cannot(f"experiment '{given.name:.60}'", error)
    return found


def _bring(repo: Repo, given: ForeignExperiment, report: ImportReport, dry_run: bool) -> ExperimentId:
    name = names.check_text("experiment name", given.name, names.MAX_NAME_LENGTH, empty=False)
    if not name.strip():
        raise InvalidInputError("its name is blank", kind="empty-name")
    here = repo.find_experiment(name)
    if here is not None and here.commit is not None:  # the one that is always there may have no commit yet
        return here.id
    report.experiments += 1
    made = _first_free(repo, given, report)
    if dry_run:
        return made.id
    commit = repo.store.write_experiment(
        made,
        parent=None,
        identity=repo.identity(),
        time_ms=made.creation_time_ms,
        subject=f"experiment {name}: import",
    )
    try:
        repo.store.set_experiment_tip(made.id, commit, None)
    except ConflictError:  # another process was first
        return repo.experiments.ensure(name).id
    repo.store.sync_edit(experiment_ref(made.id), commit)
    return made.id


def _first_free(repo: Repo, given: ForeignExperiment, report: ImportReport) -> Experiment:
    created = given.created_ms or 0
    for attempt in range(_ATTEMPTS):
        experiment_id = experiment_id_candidate(given.name, attempt)
        if repo.store.experiment_tip(experiment_id) is None:
            break
    tags = fitted_tags(given.tags, f"experiment '{given.name:.60}'", report, limit=names.MAX_EXPERIMENT_TAG_LENGTH)
    if given.id != experiment_id:
        tags[IMPORTED_ID_TAG] = given.id
    return Experiment(
        id=experiment_id,
        name=given.name,
        creation_time_ms=created,
        last_update_time_ms=max(given.updated_ms or created, created),
        lifecycle=Lifecycle.DELETED if given.deleted else Lifecycle.ACTIVE,
        tags=read_only(tags),
    )
