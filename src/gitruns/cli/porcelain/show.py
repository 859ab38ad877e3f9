"""`git runs show`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN, form_of, output_options
from gitruns.cli.commands import command
from gitruns.cli.run_json import DETAIL_KEYS, RUN_KEYS, run_details, run_record
from gitruns.cli.template import Template

if TYPE_CHECKING:
    from gitruns.entities.artifact import Artifact
    from gitruns.entities.run import Run


@command(
    "show",
    examples=[
        "git runs show",
        "git runs show latest --all",
        "git runs show bold-otter-12 3f2a",
        "git runs show latest --json",
        "git runs show latest --format '{metrics.acc.max}'",
    ],
)
@click.argument("runs", metavar="[RUN]...", type=RUN, nargs=-1)
@click.option("-a", "--all", "everything", is_flag=True, help="Leave nothing out: all artifacts, all packages.")
@output_options(RUN_KEYS | DETAIL_KEYS)
@pass_app
def show(app: App, runs: Sequence[str], everything: bool, as_json: bool, template: Template | None, zero: bool) -> None:
    """Show one run: what went in, what came out, what code it was

    RUN is the latest one when none is named.
    """
    form = form_of(as_json, template, zero)
    found = [app.run(name) for name in runs or ("latest",)]
    names = app.experiment_names()
    with app.out.paging():
        for place, run in enumerate(found):
            experiment = names.get(run.info.experiment_id)
            artifacts = app.artifacts_of(run)
            if form.for_people:
                page = _page(app, run, artifacts, experiment or run.info.experiment_id, everything)
                app.out.write(("\n" if place else "") + page)
            else:
                app.out.record(run_record(run, experiment, app.now_ms) | run_details(run, artifacts), form)


def _page(app: App, run: Run, artifacts: Sequence[Artifact], experiment: str, everything: bool) -> str:
    from gitruns.cli.page import PageFacts, run_page
    from gitruns.repo.curves import curve_points

    facts = PageFacts(
        experiment=experiment,
        artifacts=artifacts,
        now_ms=app.now_ms,
        curve=lambda key: curve_points(app.open_repo(), run, key),
        source_subject=app.subject_of(run.info.source.base or run.info.source.commit),
        everything=everything,
    )
    return run_page(run, facts, app.out.terminal)


COMMAND = show
