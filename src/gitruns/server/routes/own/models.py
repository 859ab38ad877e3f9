"""The model registry, for reading: models, versions, what made them, and who moved what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gitruns.entities.model import RegisteredModel
from gitruns.registry import Registry, lineage_of, search_models
from gitruns.registry.registered import RegisteredVersion
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import ShortFilter, ShortPageToken, Sight, Time, lifecycle_of
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.runs import Change, History

_MOST_CHANGES = 1000
ModelName = Annotated[str, Meta(min_length=1, max_length=256)]


class ModelsRequest(Struct):
    """Which models to list."""

    filter: ShortFilter = ""
    lifecycle: Sight = "active"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    page_token: ShortPageToken = ""


class ModelAnswer(Struct):
    """One registered model. `aliases` name numbers of versions; `versions` counts those that are not deleted."""

    name: str
    lifecycle: str
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]
    versions: int
    creation_time_ms: Time
    last_update_time_ms: Time
    commit: str | None


class Models(Struct):
    """One page of models, by name."""

    models: list[ModelAnswer]
    next_page_token: str


class VersionAnswer(Struct):
    """One version. `confirmed`: its number is given for good, in the git tag `git_tag`."""

    model: str
    version: int
    confirmed: bool
    stage: str
    aliases: list[str]
    description: str
    tags: dict[str, str]
    source: str
    run_id: str | None
    digest: str | None
    size_bytes: int | None
    user: str | None
    git_tag: str | None
    creation_time_ms: Time
    last_update_time_ms: Time


class OneModel(Struct):
    """A request about one model."""

    name: ModelName


class WholeModel(ModelAnswer):
    """A model with its versions, by number."""

    all_versions: list[VersionAnswer]


class OneVersion(OneModel):
    """A request about one version: by number, `latest`, a stage, or `@` and an alias."""

    version: Annotated[str, Meta(min_length=1, max_length=257)]


class DataAnswer(Struct):
    """A dataset that the run of a version read."""

    name: str
    digest: str
    context: str | None


class VersionLineage(Struct):
    """A version and what made it. `source_commit` is the code, `release` what the git tag is at.

    Of a run that is not here only its id is known.
    """

    version: VersionAnswer
    run_id: str | None
    run_name: str | None
    experiment_id: str | None
    source_commit: str | None
    release: str | None
    data: list[DataAnswer]


def list_models(context: Context, request: ModelsRequest) -> Models:
    """Returns one page of models."""
    page = search_models(
        Registry(context.hub.repo),
        request.filter,
        lifecycle=lifecycle_of(request.lifecycle),
        max_results=request.limit,
        page_token=request.page_token,
    )
    return Models([ModelAnswer(*_facts(model)) for model in page.items], page.next_token)


def get_model(context: Context, request: OneModel) -> WholeModel:
    """Returns a model with all its versions."""
    registry = Registry(context.hub.repo)
    model = registry.get_model(request.name)
    versions = [_version(registry, one) for one in registry.list_versions(model.name)]
    return WholeModel(*_facts(model), all_versions=versions)


def get_version(context: Context, request: OneVersion) -> VersionLineage:
    """Returns a version with the run, code and data that made it."""
    registry = Registry(context.hub.repo)
    named = request.version if request.version.startswith("@") else f"/{request.version}"
    found = registry.find_version(request.name + named)
    made = lineage_of(registry, found)
    info = None if made.run is None else made.run.info
    return VersionLineage(
        version=_version(registry, found),
        run_id=registry.made_by(found.version),
        run_name=None if info is None else info.name,
        experiment_id=None if info is None else info.experiment_id,
        source_commit=made.source,
        release=made.release,
        data=[DataAnswer(one.name, one.digest, one.context) for one in made.data],
    )


def model_history(context: Context, request: OneModel) -> History:
    """Returns all that happened to a model."""
    entries = Registry(context.hub.repo).history(request.name)
    shown = [Change(one.commit, one.time_ms, one.author, one.subject, one.reason) for one in entries[:_MOST_CHANGES]]
    return History(shown, more=len(entries) > _MOST_CHANGES)


_Facts = tuple[str, str, str, "dict[str, str]", "dict[str, int]", int, int, int, "str | None"]


def _facts(model: RegisteredModel) -> _Facts:
    numbers = {version.id: version.shown_number for version in model.active_versions()}
    return (
        model.name,
        model.lifecycle.value,
        model.description,
        dict(model.tags),
        {alias: numbers[version] for alias, version in model.aliases.items() if version in numbers},
        len(numbers),
        model.creation_time_ms,
        model.last_update_time_ms,
        model.commit,
    )


def _version(registry: Registry, found: RegisteredVersion) -> VersionAnswer:
    version = found.version
    return VersionAnswer(
        model=found.model.name,
        version=version.shown_number,
        confirmed=version.confirmed,
        stage=version.stage.value,
        aliases=found.aliases,
        description=version.description,
        tags=dict(version.tags),
        source=version.source,
        run_id=registry.made_by(version),
        digest=version.digest,
        size_bytes=version.size_bytes,
        user=version.user,
        git_tag=version.git_tag,
        creation_time_ms=version.creation_time_ms,
        last_update_time_ms=version.last_update_time_ms,
    )


ROUTES = (
    Route(
        method="GET",
        path="/models",
        name="ListModels",
        summary="List registered models",
        about="By name.",
        role=Role.READER,
        request=ModelsRequest,
        answer=Models,
        act=list_models,
    ),
    Route(
        method="GET",
        path="/models/{name}",
        name="ShowModel",
        summary="Show one registered model",
        about="With all its versions.",
        role=Role.READER,
        request=OneModel,
        answer=WholeModel,
        act=get_model,
    ),
    Route(
        method="GET",
        path="/models/{name}/history",
        name="ModelHistory",
        summary="What happened to a model",
        about="Who moved which alias, when, and the reason given; newest first.",
        role=Role.READER,
        request=OneModel,
        answer=History,
        act=model_history,
    ),
    Route(
        method="GET",
        path="/models/{name}/versions/{version}",
        name="ShowModelVersion",
        summary="Show one version and what made it",
        about="The run, the code and the data.",
        role=Role.READER,
        request=OneVersion,
        answer=VersionLineage,
        act=get_version,
    ),
)
