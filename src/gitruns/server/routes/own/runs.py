"""One run: what it is, its files, how it came to be what it is, what it belongs to."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.logged_model import MODEL_PREFIX
from gitruns.entities.run import MODEL_KIND, Run
from gitruns.errors import NotFoundError
from gitruns.registry import Registry
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import RunRequest, ShortPageToken, Time
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.run_answers import RunAnswer, run_answer
from gitruns.server.routes.own.scope import of_run, run_named

MAX_FILES = 1000
_MOST_CHILDREN = 1000
_MOST_COMMITS = 1000


class FileAnswer(Struct):
    """A file or a folder of a run. A folder has neither size nor digest."""

    path: str
    is_dir: bool
    size_bytes: int | None
    sha256: str | None


class FilesRequest(RunRequest):
    """Whose files, and below which folder."""

    path: Annotated[str, Meta(max_length=1000)] = ""
    page_token: ShortPageToken = ""


class Files(Struct):
    """What is directly in a folder, by path, at most a thousand at once."""

    files: list[FileAnswer]
    next_page_token: str


class Change(Struct):
    """One commit of a run: when, by whom, what."""

    commit: str
    time_ms: Time
    author: str
    subject: str
    reason: str


class History(Struct):
    """The commits of a run, newest first; `more` says that there are older ones."""

    changes: list[Change]
    more: bool


class RunName(Struct):
    """Enough of a run to name it."""

    id: str
    name: str
    status: str


class VersionName(Struct):
    """A version of a registered model."""

    model: str
    version: int
    aliases: list[str]


class RunLineage(Struct):
    """What a run belongs to: the run that it is part of, its parts, the models that it logged, and their versions."""

    parent: RunName | None
    children: list[RunName]
    logged_models: list[RunName]
    versions: list[VersionName]


def get_run(context: Context, request: RunRequest) -> RunAnswer:
    """Returns a run as it stands now, live ones too."""
    run = run_named(context, request.run_id)
    return run_answer(run, _experiment_name(context, run))


def list_files(context: Context, request: FilesRequest) -> Files:
    """Returns what is directly in a folder of a run."""
    run = run_named(context, request.run_id)
    found = context.hub.repo.list_artifacts(run.info.id, request.path)
    after = [one for one in found if one.path > request.page_token]
    page = after[:MAX_FILES]
    return Files(
        [FileAnswer(one.path, one.is_dir, one.size_bytes, one.digest) for one in page],
        page[-1].path if len(after) > MAX_FILES else "",
    )


def history(context: Context, request: RunRequest) -> History:
    """Returns who changed a run, and when."""
    run = run_named(context, request.run_id)
    entries = context.hub.repo.run_history(run.info.id)
    shown = [Change(one.commit, one.time_ms, one.author, one.subject, one.reason) for one in entries[:_MOST_COMMITS]]
    return History(shown, more=len(entries) > _MOST_COMMITS)


def lineage(context: Context, request: RunRequest) -> RunLineage:
    """Returns parent, children and versions."""
    run = run_named(context, request.run_id)
    return RunLineage(
        parent=_parent(context, run),
        children=[_run_name(one) for one in _parts_of(context, run) if _may_see(context, one)],
        logged_models=[_model_name(one) for one in _parts_of(context, run, MODEL_KIND) if _may_see(context, one)],
        versions=_versions(context, run.info.id),
    )


def _parent(context: Context, run: Run) -> RunName | None:
    parent_id = run.info.parent_run_id
    parent = None if parent_id is None else context.hub.repo.find_run(parent_id)
    if parent is None or not _may_see(context, parent):
        return None
    return _run_name(parent)


def _parts_of(context: Context, run: Run, kind: str | None = None) -> tuple[Run, ...]:
    query = f"parent_run_id = '{run.info.id}'"
    return context.hub.repo.search_runs(query, order_by=("start_time",), kind=kind, max_results=_MOST_CHILDREN).runs


def _versions(context: Context, run_id: RunId) -> list[VersionName]:
    if context.only is not None:
        return []
    registry = Registry(context.hub.repo)
    return [
        VersionName(one.model.name, one.version.shown_number, one.aliases)
        for model in registry.list_models()
        for one in registry.list_versions(model.name)
        if registry.made_by(one.version) == run_id
    ]


def _may_see(context: Context, run: Run) -> bool:
    return context.only is None or run.info.experiment_id in context.only


def _model_name(record: Run) -> RunName:
    return RunName(MODEL_PREFIX + record.info.id, record.info.name, record.info.status.value)


def _run_name(run: Run) -> RunName:
    return RunName(run.info.id, run.info.name, run.info.status.value)


def _experiment_name(context: Context, run: Run) -> str | None:
    try:
        return context.hub.repo.get_experiment(ExperimentId(run.info.experiment_id)).name
    except NotFoundError:  # it was not fetched
        return None


ROUTES = (
    Route(
        method="GET",
        path="/runs/{run_id}",
        name="ShowRun",
        summary="Show one run",
        about="Facts, params, tags, summaries of metrics, source, environment and inputs; deleted and live runs too.",
        role=Role.READER,
        request=RunRequest,
        answer=RunAnswer,
        act=get_run,
        experiments=of_run,
    ),
    Route(
        method="GET",
        path="/runs/{run_id}/artifacts",
        name="ListRunFiles",
        summary="List the files of a run",
        about="What is directly in a folder; empty for a file and for nothing.",
        role=Role.READER,
        request=FilesRequest,
        answer=Files,
        act=list_files,
        experiments=of_run,
    ),
    Route(
        method="GET",
        path="/runs/{run_id}/history",
        name="RunHistory",
        summary="Who changed a run, and when",
        about="The commits of the run, newest first; empty while it is only in its journal.",
        role=Role.READER,
        request=RunRequest,
        answer=History,
        act=history,
        experiments=of_run,
    ),
    Route(
        method="GET",
        path="/runs/{run_id}/lineage",
        name="RunLineage",
        summary="What a run belongs to",
        about="Its parent, its children, the models that it logged, and the versions that it made.",
        role=Role.READER,
        request=RunRequest,
        answer=RunLineage,
        act=lineage,
        experiments=of_run,
    ),
)
