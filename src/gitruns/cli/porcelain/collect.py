"""`git runs collect`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.exitcodes import DONE, NO


@command(
    "collect",
    exits=(*WRITING, NO),
    examples=["GITRUNS_JOURNAL=/tmp/node-7 git runs exec -- echo done", "git runs collect /tmp/node-7"],
)
@click.argument(
    "folders", metavar="DIR...", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, required=True
)
@pass_app
def collect(app: App, folders: Sequence[Path]) -> int:
    """Bring in runs that were logged without a repository

    DIR is what GITRUNS_JOURNAL named there. Prints the ids of the runs that are new here. A run that is here already
    is not doubled, one that is still running is left for later, and the folder stays as it is. Exits with 1 when a
    run could not be read.
    """
    repo = app.open_repo()
    failed = False
    for folder in folders:
        report = repo.collect(folder)
        for run_id in report.sealed:
            app.out.line(run_id)
        counts = {
            "collected": len(report.sealed),
            "here already": len(report.known),
            "still running": len(report.skipped),
        }
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no runs there"
        app.out.talk(f"{folder}: {said}")
        for problem in report.problems:
            app.out.talk(f"warning: {problem}")
        failed = failed or bool(report.problems)
    return NO if failed else DONE


COMMAND = collect
