"""`git runs keep`"""

from __future__ import annotations

from collections.abc import Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command
from gitruns.cli.times import relative


@command("keep", exits=WRITING, examples=["git runs keep latest", "git runs keep"])
@click.argument("runs", metavar="[RUN]...", type=RUN, nargs=-1)
@pass_app
def keep(app: App, runs: Sequence[str]) -> None:
    """Keep runs in this clone, whatever others purge

    A run that was purged already is brought back, as long as this clone still holds it: for 14 days. It is then shown
    here and sent nowhere. Without RUN, lists what is kept and what could be brought back.
    """
    from gitruns.repo.keeping import held_runs, keep_run, kept_runs, resolve_to_keep

    repo = app.open_repo()
    if runs:
        for run_id in [resolve_to_keep(repo, name) for name in runs]:
            keep_run(repo, run_id)
            app.out.talk(f"kept {run_id[:8]} {printable(repo.get_run(run_id).info.name)}")
        return
    kept, held = kept_runs(repo), list(held_runs(repo))
    if not kept and not held:
        app.out.talk("nothing is kept, and nothing was purged that could be brought back")
    for run_id in kept:
        app.out.line(f"{run_id}  kept")
    for run, since_ms in held:
        if run.info.id not in kept:
            app.out.line(f"{run.info.id}  {printable(run.info.name)}, purged {relative(since_ms, app.now_ms)}")


COMMAND = keep
