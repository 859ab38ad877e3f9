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

    Takes back exactly what `git runs init` added: its hooks, each printed as `hook=path` (one that was there before
    is put back), and its git configuration, each value printed as `key=value`. What you set yourself stays, and no
    run is touched.
    """
    from gitruns.repo import setup, setup_hooks

    repo = app.open_repo()
    hooks = setup_hooks.our_hooks(repo)
    gone, changed = (hooks, []) if dry_run else setup_hooks.remove_hooks(repo, hooks)
    found = list(reversed(setup.recorded_settings(repo))) if dry_run else setup.undo_setup(repo)
    for key, value in (*(("hook", str(path)) for path in gone), *found):
        app.out.line(f"{app.out.paint(key, 'key')}={printable(value)}")
    for path in changed:
        app.out.talk(f"warning: '{path}' was changed since init wrote it and stays: take our lines out by hand")
    if not found and not gone:
        app.out.talk("nothing to undo: init has set nothing here")
    else:
        app.out.talk("nothing was taken back: --dry-run" if dry_run else "taken back")


COMMAND = deinit
