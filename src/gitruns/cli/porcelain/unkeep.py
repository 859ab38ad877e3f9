"""`git runs unkeep`"""

from __future__ import annotations

from collections.abc import Sequence

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import runs_argument
from gitruns.cli.commands import WRITING, command


@command("unkeep", exits=WRITING, examples=["git runs unkeep latest"])
@runs_argument
@pass_app
def unkeep(app: App, runs: Sequence[str]) -> None:
    """Keep runs in this clone no longer

    A run that others have purged is hidden here too from now on, and its bytes go with `git runs gc` after 14 days.
    """
    from gitruns.repo.keeping import unkeep_run

    repo = app.open_repo()
    for run_id in [repo.resolve_run(name) for name in runs]:
        done = unkeep_run(repo, run_id)
        app.out.talk(f"no longer kept: {run_id[:8]}" if done else f"was not kept: {run_id[:8]}")


COMMAND = unkeep
