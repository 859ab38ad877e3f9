"""`git runs deinit`"""

from __future__ import annotations

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command


@command(
    "deinit",
    exits=WRITING,
    examples=["git runs init --yes", "git runs deinit --dry-run", "git runs deinit"],
)
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be taken back.")
@pass_app
def deinit(app: App, dry_run: bool) -> None:
    """Undo what init set up

    Takes back exactly what `git runs init` added to the clone's git configuration, and prints each value as
    `key=value`. What you set yourself stays, and no run is touched.
    """
    from gitruns.repo import setup

    repo = app.open_repo()
    found = list(reversed(setup.recorded_settings(repo))) if dry_run else setup.undo_setup(repo)
    for key, value in found:
        app.out.line(f"{app.out.paint(key, 'key')}={printable(value)}")
    if not found:
        app.out.talk("nothing to undo: init has set nothing here")
    else:
        app.out.talk("nothing was taken back: --dry-run" if dry_run else "taken back")


COMMAND = deinit
