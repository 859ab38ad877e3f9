"""`git runs restore`"""

from __future__ import annotations

from collections.abc import Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import runs_argument
from gitruns.cli.commands import WRITING, command
from gitruns.cli.porcelain.rm import move


@command(
    "restore",
    exits=WRITING,
    examples=["git runs list --deleted", "git runs restore --dry-run latest", "git runs restore latest"],
)
@runs_argument
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@pass_app
def restore(app: App, runs: Sequence[str], dry_run: bool) -> None:
    """Bring back runs that were taken out of sight

    A run of an experiment that was taken out of sight comes back with it: `git runs experiments restore`.
    """
    from gitruns.entities.run import Lifecycle

    move(app, runs, Lifecycle.ACTIVE, dry_run=dry_run)


COMMAND = restore
