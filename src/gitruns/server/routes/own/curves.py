"""Curves of metrics: many runs and many metrics in one request, with no more points than a screen can show."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from operator import le
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError
from gitruns.repo.series import Series
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.kinds import Key, Number, RunId, number
from gitruns.server.routes.own.route import Route
from gitruns.server.routes.own.scope import of_runs, run_named
from gitruns.server.routes.own.thinning import thin_out

MAX_CURVES = 2000
MAX_POINTS = 1_000_000
MAX_WHOLE_POINTS = 2_000_000


class CurvesRequest(Struct):
    """Which curves. `start` and `end` cut a piece out of the axis, both included.

    `axis` is what points are laid out along: `step`, `time` (milliseconds UTC) or `relative` (milliseconds since the
    run began). `detail`: `curve` draws very long histories from what each run keeps for that, `all` from every point.
    """

    run_ids: Annotated[list[RunId], Meta(min_length=1, max_length=500)]
    metrics: Annotated[list[Key], Meta(min_length=1, max_length=100)]
    axis: Literal["step", "time", "relative"] = "step"
    max_points: Annotated[int, Meta(ge=2, le=10_000, description="At most so many points a curve.")] = 500
    start: int | None = None
    end: int | None = None
    detail: Literal["curve", "all"] = "curve"


class Curve(Struct):
    """One metric of one run. `x` ascends; `y` has a value for each. `count` is how many points were logged.

    `thinned`: there are points between these. The least and the greatest value of each stretch are among them.
    """

    run_id: str
    metric: str
    count: int
    thinned: bool
    x: list[int]
    y: list[Number]


class Unreadable(Struct):
    """A run that is not here, or whose points are not, and why."""

    run_id: str
    reason: str


class Curves(Struct):
    """Curves by run, then metric, in the order asked for; a metric that a run does not have is left out."""

    axis: str
    curves: list[Curve]
    unreadable: list[Unreadable]


def curves(context: Context, request: CurvesRequest) -> Curves:
    """Returns all curves that can be drawn, and which runs' points are not here."""
    run_ids, metrics = list(dict.fromkeys(request.run_ids)), list(dict.fromkeys(request.metrics))
    _check_size(len(run_ids) * len(metrics), request)
    answer = Curves(request.axis, [], [])
    runs = list(_runs(context, run_ids, answer.unreadable))
    whole = request.detail == "all"
    if whole:
        _check_whole(runs, metrics)
    reader = context.hub.repo.series
    for run in runs:
        try:
            found = reader.read(run, metrics, whole=whole)
        except GitRunsError as error:
            answer.unreadable.append(Unreadable(run.info.id, error.message))
            continue
        for metric, series in found.items():
            answer.curves.append(_curve(run, metric, series, request))
    return answer


def _runs(context: Context, run_ids: Iterable[str], unreadable: list[Unreadable]) -> Iterator[Run]:
    """A run that was deleted for good meanwhile does not keep the others from being drawn."""
    for run_id in run_ids:
        try:
            yield run_named(context, run_id)
        except NotFoundError as error:
            unreadable.append(Unreadable(run_id, error.message))


def _check_size(count: int, request: CurvesRequest) -> None:
    if count > MAX_CURVES or count * request.max_points > MAX_POINTS:
        raise InvalidInputError(
            f"{count} curves of {request.max_points} points are too many",
            kind="too-much",
            hint=f"at most {MAX_CURVES} curves and {MAX_POINTS} points at once: lower max_points, or ask in pieces",
            limit=MAX_POINTS,
        )


def _check_whole(runs: Sequence[Run], metrics: Collection[str]) -> None:
    """All points are read for it, those of other metrics in the same file too."""
    points = sum(summary.count for run in runs if run.metrics.keys() & metrics for summary in run.metrics.values())
    if points > MAX_WHOLE_POINTS:
        raise InvalidInputError(
            f"{points} points are too many to read all of them",
            kind="too-much",
            hint="ask for fewer runs, or for detail 'curve'",
            limit=MAX_WHOLE_POINTS,
        )


def _curve(run: Run, metric: str, series: Series, request: CurvesRequest) -> Curve:
    begun_ms = run.info.start_time_ms if request.axis == "relative" else 0
    axis, values = _laid_out(series, by_step=request.axis == "step")
    first = 0 if request.start is None else bisect_left(axis, request.start + begun_ms)
    last = len(axis) if request.end is None else bisect_right(axis, request.end + begun_ms)
    axis, values = axis[first:last], values[first:last]
    chosen = thin_out(axis, values, request.max_points)
    count = run.metrics[metric].count
    kept_all = len(series.steps) >= count
    return Curve(
        run_id=run.info.id,
        metric=metric,
        count=count,
        thinned=not kept_all or len(chosen) < len(axis),
        x=[axis[place] - begun_ms for place in chosen],
        y=[number(values[place]) for place in chosen],
    )


def _laid_out(series: Series, *, by_step: bool) -> tuple[array[int], array[float]]:
    """Returns the axis, ascending, and the values along it."""
    axis, ties = (series.steps, series.times_ms) if by_step else (series.times_ms, series.steps)
    if all(map(le, axis, islice(axis, 1, None))):
        return axis, series.values
    order = sorted(range(len(axis)), key=lambda place: (axis[place], ties[place]))
    return array("q", map(axis.__getitem__, order)), array("d", map(series.values.__getitem__, order))


def _of_drawn(context: Context, request: CurvesRequest) -> Collection[str]:
    return of_runs(context, request.run_ids)


ROUTES = (
    Route(
        method="POST",
        path="/metrics/curves",
        name="Curves",
        summary="Curves of metrics",
        about="Thinned so that the least and the greatest value of each stretch of the axis stay.",
        role=Role.READER,
        request=CurvesRequest,
        answer=Curves,
        act=curves,
        experiments=_of_drawn,
    ),
)
