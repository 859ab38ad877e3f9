"""What differs between two runs, and many runs side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta, Struct

from gitruns.compare import compare_runs, diff_runs, find_baseline
from gitruns.compare.code import CodeDiff, diff_sources, git_diff_text
from gitruns.compare.environment import diff_environments
from gitruns.compare.render.records import (
    baseline_record,
    code_record,
    comparison_record,
    diff_record,
    environment_record,
)
from gitruns.entities.ids import RunId as Id
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.diff_answers import (
    CodeDiffAnswer,
    ComparisonAnswer,
    EnvironmentDiffAnswer,
    RunDiffAnswer,
)
from gitruns.server.routes.own.kinds import Key, RunId, sayable
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import of_runs, run_named

MAX_PATCH_LINES = 20_000
MAX_COMPARED = 100
BASELINE = "baseline"

Other = Annotated[
    str,
    Meta(pattern="^([0-9a-f]{32}|baseline)$", description="Id of a run, or `baseline`.", max_length=32),
]


class DiffRequest(Struct):
    """From which run to which. `other` is the one before; `baseline` is the run of the code that it grew from."""

    run_id: RunId
    other: Other


class CodeDiffRequest(DiffRequest):
    """`patch` asks for the lines; `path` limits it to a file or folder."""

    patch: bool = False
    path: Annotated[str, Meta(max_length=1000)] = ""


class CompareRequest(Struct):
    """Which runs, and what of them. `sort` orders them by a field, `-metrics.acc` with the greatest first."""

    run_ids: Annotated[list[RunId], Meta(min_length=1, max_length=MAX_COMPARED)]
    only_changed: bool = False
    sort: Key | None = None


def whole_diff(context: Context, request: DiffRequest) -> dict[str, Any]:
    """Returns everything that differs, the lines of the code aside."""
    before, after, baseline = _sides(context, request)
    found = diff_runs(context.hub.repo, before, after)
    answer: dict[str, Any] = sayable({**diff_record(found), "baseline": baseline})
    return answer


def code_diff(context: Context, request: CodeDiffRequest) -> dict[str, Any]:
    """Returns how the code differs."""
    repo = context.hub.repo
    before, after, _ = _sides(context, request)
    paths = [request.path] if request.path else []
    old, new = repo.get_run(before).info.source, repo.get_run(after).info.source
    found = diff_sources(repo, old, new, paths=paths)
    cut = request.patch and found.added + found.removed > MAX_PATCH_LINES
    if request.patch and not cut and found.files and found.before and found.after:
        found = replace(found, patch=git_diff_text(repo, found.before, found.after, paths))
    return _code_record(found, cut=cut)


def _code_record(found: CodeDiff, *, cut: bool) -> dict[str, Any]:
    return {**code_record(found), "hint": found.hint, "patch_left_out": cut}


def environment_diff(context: Context, request: DiffRequest) -> dict[str, Any]:
    """Returns how the environments differ."""
    repo = context.hub.repo
    before, after, _ = _sides(context, request)
    found = diff_environments(repo.get_run(before).environment, repo.get_run(after).environment)
    return environment_record(found)


def compare(context: Context, request: CompareRequest) -> dict[str, Any]:
    """Returns runs side by side."""
    ids = [run_named(context, run_id).info.id for run_id in request.run_ids]
    if len(set(ids)) < len(ids):
        raise InvalidInputError("a run is named twice", kind="bad-request", hint="name each run once")
    found = compare_runs(context.hub.repo, ids, only_changed=request.only_changed)
    if request.sort is not None:
        found = found.sorted_by(request.sort)
    answer: dict[str, Any] = sayable(comparison_record(found))
    return answer


def _sides(context: Context, request: DiffRequest) -> tuple[Id, Id, dict[str, Any] | None]:
    """Returns the two runs, the one before first, and why it is that one where nobody has named it."""
    after = run_named(context, request.run_id)
    if request.other != BASELINE:
        return run_named(context, request.other).info.id, after.info.id, None
    baseline = find_baseline(context.hub.repo, after)
    if baseline is None:
        raise NotFoundError(
            f"there is nothing to compare run '{after.info.name}' with: it is the first of its experiment",
            kind="no-baseline",
        )
    return baseline.run.info.id, after.info.id, baseline_record(baseline)


def _of_sides(context: Context, request: DiffRequest) -> Collection[str]:
    # A baseline is of the same experiment.
    return of_runs(context, {request.run_id, request.other} - {BASELINE})


def _of_compared(context: Context, request: CompareRequest) -> Collection[str]:
    return of_runs(context, request.run_ids)


ROUTES = (
    Route(
        method="GET",
        path="/runs/{run_id}/diff/{other}",
        name="DiffRuns",
        summary="All that differs between two runs",
        about="From `other` to the run: metrics, better or worse, params, code, environment, data, artifacts, tags.",
        role=Role.READER,
        request=DiffRequest,
        answer=RunDiffAnswer,
        act=whole_diff,
        experiments=_of_sides,
    ),
    Route(
        method="GET",
        path="/runs/{run_id}/diff/{other}/code",
        name="DiffCode",
        summary="How the code of two runs differs",
        about=f"The files, and with `patch` git's own diff, unless it has more than {MAX_PATCH_LINES} lines.",
        role=Role.READER,
        request=CodeDiffRequest,
        answer=CodeDiffAnswer,
        act=code_diff,
        experiments=_of_sides,
    ),
    Route(
        method="GET",
        path="/runs/{run_id}/diff/{other}/environment",
        name="DiffEnvironment",
        summary="How the environments of two runs differ",
        about="Interpreter, platform, packages, hardware, variables.",
        role=Role.READER,
        request=DiffRequest,
        answer=EnvironmentDiffAnswer,
        act=environment_diff,
        experiments=_of_sides,
    ),
    Route(
        method="POST",
        path="/runs/compare",
        name="CompareRuns",
        summary="Runs side by side",
        about=f"At most {MAX_COMPARED}: a row a field, with the places of the best values.",
        role=Role.READER,
        request=CompareRequest,
        answer=ComparisonAnswer,
        act=compare,
        experiments=_of_compared,
    ),
)
