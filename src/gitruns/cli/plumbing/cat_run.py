"""`git runs cat-run`"""

from __future__ import annotations

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import run_argument
from gitruns.cli.commands import command
from gitruns.cli.output import json_text
from gitruns.cli.run_json import run_details, run_record


@command(
    "cat-run",
    examples=["git runs cat-run latest", "git runs cat-run latest --points", "git runs cat-run latest --points acc"],
)
@run_argument
@click.argument("metrics", metavar="[METRIC]...", nargs=-1)
@click.option("--points", is_flag=True, help="Print points instead, of all metrics or those named.")
@pass_app
def cat_run(app: App, run: str, metrics: tuple[str, ...], points: bool) -> None:
    """Print all that is known of a run as JSON, or its points

    The JSON is one object on one line, its keys are in docs/json.md. A point is a line: metric, step, time in
    milliseconds UTC, value, with a tab between them, as docs/format.md has it.
    """
    if metrics and not points:
        raise click.UsageError("metrics are named with --points")
    found = app.run(run)
    repo = app.open_repo()
    if not points:
        experiment = app.experiment_names().get(found.info.experiment_id)
        whole = run_record(found, experiment, app.now_ms) | run_details(found, app.artifacts_of(found))
        app.out.line(json_text(whole))
        return
    from gitruns.entities.history import encode_metric_key, encode_point

    for point in repo.iter_points(found.info.id):
        if not metrics or point.metric in metrics:
            app.out.write(encode_point(encode_metric_key(point.metric), point.step, point.time_ms, point.value))


COMMAND = cat_run
