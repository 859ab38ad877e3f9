"""`git runs recover`"""

from __future__ import annotations

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command


@command("recover", exits=WRITING, examples=["git runs recover"])
@pass_app
def recover(app: App) -> None:
    """Seal runs whose processes are gone

    A run that ended is sealed at once, and every other command seals what it finds; this one does only that, and
    prints the ids. A run whose process was killed is sealed with all it had logged, as KILLED.
    """
    repo = app.open_repo(recover=False)
    sealed = repo.recover()
    for run_id in sealed:
        app.out.line(run_id)
    if not sealed:
        app.out.talk("nothing to recover")


COMMAND = recover
