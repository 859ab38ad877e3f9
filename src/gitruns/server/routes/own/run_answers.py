"""One run as JSON: what it is made of, and how a run of ours becomes it."""

from __future__ import annotations

from msgspec import Struct

from gitruns.entities.artifact import Manifest
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.run import Run
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary
from gitruns.server.routes.own.kinds import Number, Time, Value, cell, number


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
