"""`git runs plot`"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import READING, command
from gitruns.cli.exitcodes import CONFLICT
from gitruns.cli.queries import METRIC, Asked, Query, joined, order_of, search_options
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.cli.charts import Curve
    from gitruns.entities.ids import RunId
    from gitruns.entities.run import Run
    from gitruns.entities.values import Point

_MAX_POINTS = 2000
_UNITS = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@command(
    "plot",
    exits=(*READING, CONFLICT),
    examples=[
        "git runs plot loss latest",
        "git runs plot loss 3f2a calm-stork-7",
        "git runs plot loss 'model = \"mlp\"' --log",
        "git runs plot loss --x time -n 3 --sort loss",
        "git runs plot loss -o /tmp/loss.svg",
    ],
)
@click.argument("metric", type=METRIC)
@search_options
@click.option(
    "-n",
    "--max-count",
    "count",
    type=click.IntRange(1, 100),
    default=8,
    metavar="N",
    help="At most N runs, 8 unless said.",
)
@click.option("--sort", "sorts", metavar="FIELD", multiple=True, help="Which runs come first, as for list.")
@click.option(
    "--x", "axis", type=click.Choice(["step", "time"]), default="step", help="Over steps, or time since the start."
)
@click.option("--log", is_flag=True, help="A logarithmic scale.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw into FILE: .png, .svg, .pdf, .html.",
)
@click.option("--force", is_flag=True, help="Write FILE anew when it is there.")
@pass_app
def plot(
    app: App,
    metric: str,
    asked: Asked,
    count: int,
    sorts: Sequence[str],
    axis: str,
    log: bool,
    output: Path | None,
    force: bool,
) -> None:
    """Draw a metric of some runs

    QUERY may also be RUNs by name, id or `latest`; without any, the latest runs that have the metric are drawn. It
    needs `pip install 'gitruns[plot]'`.
    """
    from gitruns.cli.charts import Chart, check_picture, draw_picture, terminal_chart
    from gitruns.cli.measures import measure_of
    from gitruns.exchange import check_free, new_file

    if output is not None:
        check_picture(output)
        check_free(output, replace=force)
    known = app.open_repo().known_keys()
    metrics = measure_of(metric, known).metrics
    if len(metrics) != 1 or not any((key.kind, key.name) == ("metric", metrics[0]) for key in known):
        raise InvalidInputError(f"'{metric}' is no metric", kind="bad-query", hint="see what there is: git runs list")
    runs = _chosen(app, asked, sorts, metrics[0], count)
    if not runs:
        app.out.talk("no such runs")
        return
    title, curves = _curves(app, runs, metrics[0], axis, log=log)
    chart = Chart(metrics[0], title, curves, log)
    if output is not None:
        with new_file(output, replace=force) as partial:
            draw_picture(chart, partial)
        app.out.talk(f"drew {metrics[0]} of {len(curves)} run{'' if len(curves) == 1 else 's'} into '{output}'")
        return
    lines = shutil.get_terminal_size((80, 24)).lines
    app.out.write(terminal_chart(chart, app.out.terminal, min(max(lines - len(curves) - 3, 12), 30)))


def _chosen(app: App, asked: Asked, sorts: Sequence[str], metric: str, count: int) -> list[Run]:
    """Returns the runs that were named, then those that the query finds."""
    from gitruns.query import format_query
    from gitruns.query.ast import Entity, Field, Is

    repo = app.open_repo()
    named: list[RunId] = []
    words = []
    for word in asked.words:
        try:
            named.append(repo.resolve_run(word))
        except NotFoundError:
            words.append(word)
    found: list[RunId] = []
    if words or not named:
        query = Query(app, replace(asked, words=tuple(words)), order_of(app, sorts))
        has_it = format_query(Is(Field(Entity.METRIC, metric), "null", True))
        query.text = joined([piece for piece in (query.text, has_it) if piece])
        found, more = query.ids(count)
        if more:
            app.out.talk(f"{more:,} more {'run has' if more == 1 else 'runs have'} it: -n draws more of them")
    return [repo.get_run(run_id) for run_id in dict.fromkeys((*named, *found))]


def _curves(app: App, runs: Sequence[Run], metric: str, axis: str, *, log: bool) -> tuple[str, list[Curve]]:
    """Returns the title of the x axis, and the curves of the runs that have points."""
    from gitruns.cli.charts import Curve, drawable

    points = {run.info.id: _points(app, run, metric) for run in runs}
    unit, word = 1, "seconds"
    if axis == "time":
        longest = max((p[-1].time_ms - run.info.start_time_ms for run in runs if (p := points[run.info.id])), default=0)
        unit, word = next((one for one in _UNITS if longest >= 2000 * one[0]), _UNITS[-1])
    curves = []
    for run in runs:
        found = points[run.info.id]
        start = run.info.start_time_ms
        xs = [(point.time_ms - start) / 1000 / unit if axis == "time" else float(point.step) for point in found]
        xs, ys = drawable(xs, [point.value for point in found], log=log)
        if len(ys) < len(found):
            left, why = len(found) - len(ys), "no number above zero" if log else "no number"
            app.out.talk(f"run '{run.info.name}': left out {left:,} {'point' if left == 1 else 'points'}: {why}")
        if ys:
            curves.append(Curve(run.info.name, run.info.id, xs, ys))
        else:
            app.out.talk(f"run '{run.info.name}' has no points of {metric} to draw")
    if not curves:
        raise NotFoundError(f"there is nothing to draw of '{metric}'", kind="points-not-here")
    return (f"{word} since the start" if axis == "time" else "step"), curves


def _points(app: App, run: Run, metric: str) -> list[Point]:
    """Returns the points to draw, by step and time; where they are elsewhere, those that the run's tree keeps."""
    from gitruns.entities.history import downsample
    from gitruns.repo.curves import curve_points

    repo = app.open_repo()
    try:
        points = repo.metric_history(run.info.id, metric)
    except GitRunsError as error:
        points = curve_points(repo, run, metric)
        if points:
            app.out.talk(f"run '{run.info.name}' is drawn from the points kept in git: {error}")
    ordered = sorted(points, key=lambda point: (point.step, point.time_ms))
    return downsample(ordered, _MAX_POINTS // 2)


COMMAND = plot
