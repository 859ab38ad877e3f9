"""`git runs resolve`"""

from __future__ import annotations

from collections.abc import Sequence

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import runs_argument
from gitruns.cli.commands import command


@command("resolve", examples=["git runs resolve latest"])
@runs_argument
@pass_app
def resolve(app: App, runs: Sequence[str]) -> None:
    """Print the whole id of the run that a word means

    A RUN is an id, a unique beginning of one of at least 4 digits, a name, or `latest`. One id a line, in the order
    of the words.
    """
    repo = app.open_repo()
    for run_id in [repo.resolve_run(name) for name in runs]:
        app.out.line(run_id)


COMMAND = resolve
