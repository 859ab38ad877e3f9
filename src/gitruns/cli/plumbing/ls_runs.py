"""`git runs ls-runs`"""

from __future__ import annotations

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import command
from gitruns.cli.queries import Asked, Query


@command("ls-runs", examples=["git runs ls-runs", "git runs ls-runs --all", "git runs ls-runs -z"])
@click.option("-a", "--all", "everything", is_flag=True, help="Also runs that were taken out of sight.")
@click.option("-z", "zero", is_flag=True, help="End lines with NUL instead of newline, and do not escape names.")
@pass_app
def ls_runs(app: App, everything: bool, zero: bool) -> None:
    """List runs, one line each, in a form that does not change

    A line is: id, status, lifecycle, experiment id, start in milliseconds UTC, commit or `-`, name, with a tab
    between them. The latest run is first. Control characters, quotes and backslashes of a name are escaped as in
    JSON.
    """
    from gitruns.entities.history import encode_metric_key

    query = Query(app, Asked(everything=everything))
    for run in query.runs(query.ids()[0]):
        info = run.info
        name = info.name if zero else encode_metric_key(info.name)
        cells = (
            info.id,
            info.status.value,
            info.lifecycle.value,
            info.experiment_id,
            str(info.start_time_ms),
            run.commit or "-",
            name,
        )
        app.out.write("\t".join(cells) + ("\0" if zero else "\n"))


COMMAND = ls_runs
