"""`git runs rm`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import runs_argument
from gitruns.cli.commands import WRITING, command

if TYPE_CHECKING:
    from gitruns.entities.run import Lifecycle


@command("rm", exits=WRITING, examples=["git runs rm --dry-run latest", "git runs rm latest"])
@runs_argument
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@pass_app
def rm(app: App, runs: Sequence[str], dry_run: bool) -> None:
    """Take runs out of sight

    Nothing is lost: `git runs restore` brings them back, `git runs list --deleted` shows them.
    """
    from gitruns.entities.run import Lifecycle

    move(app, runs, Lifecycle.DELETED, dry_run=dry_run)


def move(app: App, names: Sequence[str], to: Lifecycle, *, dry_run: bool) -> None:
    """Moves runs out of sight or back. All names are looked up first: one that is wrong changes nothing."""
    verb = "remove" if to.value == "deleted" else "restore"
    for run in {run.info.id: run for run in [app.run(name) for name in names]}.values():
        shown = f"{run.info.id[:8]} {run.info.name}"
        if run.info.lifecycle is to:
            app.out.talk(f"nothing to {verb}: {shown}")
        elif dry_run:
            app.out.talk(f"would {verb} {shown}")
        else:
            with app.open_repo().edit(run.info.id) as edit:
                edit.set_lifecycle(to)
            app.out.talk(f"{verb}d {shown}")


COMMAND = rm
