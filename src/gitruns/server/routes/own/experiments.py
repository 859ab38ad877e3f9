"""Experiments: listed, searched, made, changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from gitruns.entities import names
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId as Id
from gitruns.entities.run import Lifecycle
from gitruns.errors import InvalidInputError
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import ExperimentId, ShortFilter, ShortPageToken, Sight, Time, lifecycle_of
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import of_all_one_may_see

_MOST_TAGS = 100
Tags = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=names.MAX_KEY_LENGTH)], str], Meta(max_length=_MOST_TAGS)
]
TagChanges = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=names.MAX_KEY_LENGTH)], str | None],
    Meta(max_length=_MOST_TAGS, description="Key → text to set, null to take the tag away."),
]
Name = Annotated[str, Meta(min_length=1, max_length=names.MAX_NAME_LENGTH)]


class ExperimentAnswer(Struct):
    """One experiment. `runs` counts its active runs; `commit` is the one that holds its present state."""

    id: str
    name: str
    lifecycle: str
    tags: dict[str, str]
    runs: int
    creation_time_ms: Time
    last_update_time_ms: Time
    commit: str | None


class ListExperiments(Struct):
    """Which experiments to list."""

    filter: ShortFilter = ""
    lifecycle: Sight = "active"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    page_token: ShortPageToken = ""


class Experiments(Struct):
    """One page of experiments, those made last first."""

    experiments: list[ExperimentAnswer]
    next_page_token: str


class OneExperiment(Struct):
    """A request about one experiment."""

    experiment_id: ExperimentId


class NewExperiment(Struct):
    """What a new experiment is called."""

    name: Name
    tags: Tags = field(default_factory=dict)


class ChangeExperiment(Struct):
    """What to change of an experiment; what is left out stays as it is."""

    experiment_id: ExperimentId
    name: Name | None = None
    lifecycle: Lifecycle | None = None
    tags: TagChanges = field(default_factory=dict)


def list_experiments(context: Context, request: ListExperiments) -> Experiments:
    """Returns one page of those that the caller may see."""
    repo = context.hub.repo
    page = repo.search_experiments(
        request.filter,
        lifecycle=lifecycle_of(request.lifecycle),
        max_results=request.limit,
        page_token=request.page_token,
    )
    shown = [one for one in page.experiments if context.only is None or one.id in context.only]
    counts = _run_counts(context, shown)
    return Experiments([_answer(one, counts[one.id]) for one in shown], page.next_token)


def get_experiment(context: Context, request: OneExperiment) -> ExperimentAnswer:
    """Returns one, deleted or not."""
    return _one(context, Id(request.experiment_id))


def create_experiment(context: Context, request: NewExperiment) -> ExperimentAnswer:
    """Makes one."""
    made = context.hub.repo.create_experiment(request.name, request.tags)
    return _one(context, made)


def change_experiment(context: Context, request: ChangeExperiment) -> ExperimentAnswer:
    """Changes name, tags and lifecycle."""
    repo, found = context.hub.repo, Id(request.experiment_id)
    before = repo.get_experiment(found)
    _check_change(before, request)
    if request.lifecycle is Lifecycle.ACTIVE:
        repo.set_experiment_lifecycle(found, Lifecycle.ACTIVE)
    if request.name is not None and request.name != before.name:
        repo.rename_experiment(found, request.name)
    for key, text in request.tags.items():
        if text is not None:
            repo.set_experiment_tag(found, key, text)
        elif key in before.tags:
            repo.delete_experiment_tag(found, key)
    if request.lifecycle is Lifecycle.DELETED:
        repo.set_experiment_lifecycle(found, Lifecycle.DELETED)
    return _one(context, found)


def _check_change(before: Experiment, request: ChangeExperiment) -> None:
    """Refuses what cannot be before any of it is done."""
    for key, text in request.tags.items():
        if text is not None:
            names.check_tag(key, text, limit=names.MAX_EXPERIMENT_TAG_LENGTH)
    if request.lifecycle is None and before.lifecycle is Lifecycle.DELETED:
        raise InvalidInputError(
            f"cannot change experiment '{before.name}': it is deleted",
            kind="experiment-deleted",
            hint="restore it first: lifecycle active",
        )


def _one(context: Context, experiment_id: Id) -> ExperimentAnswer:
    found = context.hub.repo.get_experiment(experiment_id)
    return _answer(found, _run_counts(context, [found])[found.id])


def _run_counts(context: Context, experiments: Sequence[Experiment]) -> Counter[object]:
    """Returns how many active runs each has: one question for all of them."""
    if not experiments:
        return Counter()
    ids = [one.id for one in experiments]
    return Counter(context.hub.repo.table("", ["experiment_id"], experiment_ids=ids)[1]["experiment_id"])


def _answer(found: Experiment, runs: int) -> ExperimentAnswer:
    return ExperimentAnswer(
        id=found.id,
        name=found.name,
        lifecycle=found.lifecycle.value,
        tags=dict(found.tags),
        runs=runs,
        creation_time_ms=found.creation_time_ms,
        last_update_time_ms=found.last_update_time_ms,
        commit=found.commit,
    )


def _itself(context: Context, request: OneExperiment | ChangeExperiment) -> list[str]:
    return [request.experiment_id]


ROUTES = (
    Route(
        method="GET",
        path="/experiments",
        name="ListExperiments",
        summary="List experiments",
        about="Those made last come first.",
        role=Role.READER,
        request=ListExperiments,
        answer=Experiments,
        act=list_experiments,
        experiments=of_all_one_may_see,
    ),
    Route(
        method="POST",
        path="/experiments",
        name="CreateOwnExperiment",
        summary="Make an experiment",
        about="Names are unique, over deleted ones too.",
        role=Role.WRITER,
        request=NewExperiment,
        answer=ExperimentAnswer,
        act=create_experiment,
    ),
    Route(
        method="GET",
        path="/experiments/{experiment_id}",
        name="GetOwnExperiment",
        summary="Show one experiment",
        about="Deleted ones too.",
        role=Role.READER,
        request=OneExperiment,
        answer=ExperimentAnswer,
        act=get_experiment,
        experiments=_itself,
    ),
    Route(
        method="PATCH",
        path="/experiments/{experiment_id}",
        name="ChangeExperiment",
        summary="Rename, tag, delete or restore an experiment",
        about="With an experiment its runs go out of sight, and come back.",
        role=Role.WRITER,
        request=ChangeExperiment,
        answer=ExperimentAnswer,
        act=change_experiment,
        experiments=_itself,
    ),
)
