"""`git runs rebuild-index`"""

from __future__ import annotations

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import command


@command("rebuild-index", examples=["git runs rebuild-index"])
@pass_app
def rebuild_index(app: App) -> None:
    """Make the index anew, and print how many runs it has"""
    found = app.open_repo().index
    found.rebuild()
    app.out.line(str(found.stats().runs))


COMMAND = rebuild_index
