"""One run: what it is, its files, how it came to be what it is, what it belongs to."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gitruns.entities.artifact import Manifest
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Run
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary
from gitruns.errors import NotFoundError
from gitruns.registry import Registry
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import Number, PageToken, RunRequest, Time, Value, cell, number
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import of_run, run_named

MAX_FILES = 1000
_MOST_CHILDREN = 1000
_MOST_COMMITS = 1000


class MetricAnswer(Struct):
    """What is summed up of a metric's points; `last` is at `step` and `time_ms`."""

    last: Number
    first: Number
    min: Number
    max: Number
    mean: Number
    count: int
    nan: int
    step: int
    time_ms: Time


class LeftOutAnswer(Struct):
    """A file that is not in the snapshot of the source, and why."""

    path: str
    reason: str
    size_bytes: int | None


class SourceAnswer(Struct):
    """The code that ran: `commit` holds it exactly, `base` is what was checked out."""

    commit: str | None
    base: str | None
    branch: str | None
    dirty: bool
    incomplete: bool
    left_out: list[LeftOutAnswer]
    code_tree: str | None
    snapshot_tree: str | None
    remote_url: str | None


class EnvironmentAnswer(Struct):
    """What it ran on."""

    python: str
    platform: str
    packages: dict[str, str]
    hardware: dict[str, str]
    variables: dict[str, str]


class InputAnswer(Struct):
    """A dataset that went in. `source`, `schema` and `profile` are as logged, mostly JSON in text."""

    name: str
    digest: str
    context: str | None
    source: str
    source_type: str
    schema: str | None
    profile: str | None
    tags: dict[str, str]


class RunAnswer(Struct):
    """One run. Keys mean what they mean in docs/json.md."""

    id: str
    name: str
    status: str
    lifecycle: str
    live: bool
    experiment_id: str
    experiment: str | None
    start_time_ms: Time
    end_time_ms: Time | None
    user: str | None
    host: str | None
    entry_point: str | None
    command: list[str]
    exit_code: int | None
    error: str | None
    parent_run_id: str | None
    note: str
    params: dict[str, Value]
    metrics: dict[str, MetricAnswer]
    tags: dict[str, str]
    source: SourceAnswer
    environment: EnvironmentAnswer | None
    inputs: list[InputAnswer]
    artifact_count: int
    commit: str | None
    dropped: int
    writer: str
    format_version: int


class FileAnswer(Struct):
    """A file or a folder of a run. A folder has neither size nor digest."""

    path: str
    is_dir: bool
    size_bytes: int | None
    sha256: str | None


class FilesRequest(RunRequest):
    """Whose files, and below which folder."""

    path: Annotated[str, Meta(max_length=4000)] = ""
    page_token: PageToken = ""


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
    """What a run belongs to: the run that it is part of, its parts, and the versions that it made."""

    parent: RunName | None
    children: list[RunName]
    versions: list[VersionName]


def get_run(context: Context, request: RunRequest) -> RunAnswer:
    """Returns a run as it stands now, live ones too."""
    run = run_named(context, request.run_id)
    return run_answer(run, _experiment_name(context, run))


def run_answer(run: Run, experiment: str | None) -> RunAnswer:
    """Returns a run as JSON has it."""
    info = run.info
    return RunAnswer(
        id=info.id,
        name=info.name,
        status=info.status.value,
        lifecycle=info.lifecycle.value,
        live=run.live,
        experiment_id=info.experiment_id,
        experiment=experiment,
        start_time_ms=info.start_time_ms,
        end_time_ms=info.end_time_ms,
        user=info.user,
        host=info.host,
        entry_point=info.entry_point,
        command=list(info.command),
        exit_code=info.exit_code,
        error=info.error,
        parent_run_id=info.parent_run_id,
        note=run.note,
        params={key: cell(value) for key, value in run.params.items()},
        metrics={key: _metric(summary) for key, summary in run.metrics.items()},
        tags=dict(run.shown_tags),
        source=_source(info.source),
        environment=None if run.environment is None else _environment(run.environment),
        inputs=[_input(data) for data in run.inputs],
        artifact_count=_artifact_count(run),
        commit=run.commit,
        dropped=info.dropped,
        writer=info.writer,
        format_version=run.format_version,
    )


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
    return RunLineage(_parent(context, run), _children(context, run), _versions(context, run.info.id))


def _parent(context: Context, run: Run) -> RunName | None:
    parent_id = run.info.parent_run_id
    parent = None if parent_id is None else context.hub.repo.find_run(parent_id)
    if parent is None or not _may_see(context, parent):
        return None
    return _run_name(parent)


def _children(context: Context, run: Run) -> list[RunName]:
    found = context.hub.repo.search_runs(
        f"parent_run_id = '{run.info.id}'", order_by=("start_time",), max_results=_MOST_CHILDREN
    )
    return [_run_name(one) for one in found.runs if _may_see(context, one)]


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


def _run_name(run: Run) -> RunName:
    return RunName(run.info.id, run.info.name, run.info.status.value)


def _experiment_name(context: Context, run: Run) -> str | None:
    try:
        return context.hub.repo.get_experiment(ExperimentId(run.info.experiment_id)).name
    except NotFoundError:  # it was not fetched
        return None


def _artifact_count(run: Run) -> int:
    lists = () if run.manifest is None else (run.manifest, *run.more_manifests)
    return len(run.artifacts) + sum(one.count for one in lists if isinstance(one, Manifest))


def _metric(summary: MetricSummary) -> MetricAnswer:
    return MetricAnswer(
        last=number(summary.last),
        first=number(summary.first),
        min=number(summary.min),
        max=number(summary.max),
        mean=number(summary.mean),
        count=summary.count,
        nan=summary.nan,
        step=summary.step,
        time_ms=summary.time_ms,
    )


def _source(source: Source) -> SourceAnswer:
    return SourceAnswer(
        commit=source.commit,
        base=source.base,
        branch=source.branch,
        dirty=source.dirty,
        incomplete=source.incomplete,
        left_out=[LeftOutAnswer(one.path, one.reason, one.size) for one in source.left_out],
        code_tree=source.code_tree,
        snapshot_tree=source.snapshot_tree,
        remote_url=source.remote_url,
    )


def _environment(found: Environment) -> EnvironmentAnswer:
    return EnvironmentAnswer(
        found.python, found.platform, dict(found.packages), dict(found.hardware), dict(found.variables)
    )


def _input(data: DatasetInput) -> InputAnswer:
    return InputAnswer(
        name=data.name,
        digest=data.digest,
        context=data.context,
        source=data.source,
        source_type=data.source_type,
        schema=data.schema,
        profile=data.profile,
        tags=dict(data.tags),
    )


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
        about="Its parent, its children, and the versions of models that it made.",
        role=Role.READER,
        request=RunRequest,
        answer=RunLineage,
        act=lineage,
        experiments=of_run,
    ),
)
