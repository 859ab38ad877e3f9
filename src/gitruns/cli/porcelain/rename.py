"""`git runs rename`"""

from __future__ import annotations

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import run_argument
from gitruns.cli.commands import WRITING, command


@command("rename", exits=WRITING, examples=["git runs rename latest smaller-steps"])
@run_argument
@click.argument("name")
@pass_app
def rename(app: App, run: str, name: str) -> None:
    """Give a run another name

    Its id stays. Two runs may have one name, but then neither is found by it.
    """
    found = app.run(run)
    with app.open_repo().edit(found.info.id) as edit:
        edit.rename(name)
    app.out.talk(f"{found.info.id[:8]} is now '{name}', was '{found.info.name}'")


COMMAND = rename
