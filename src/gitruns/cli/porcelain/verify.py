"""`git runs verify`"""

from __future__ import annotations

from collections.abc import Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN, form_of, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.template import Template

PROBLEM_KEYS = frozenset({"run_id", "place", "message"})


@command(
    "verify",
    exits=CHECKING,
    examples=["git runs verify", "git runs verify latest", "git runs verify --json"],
)
@click.argument("runs", metavar="[RUN]...", type=RUN, nargs=-1)
@output_options(PROBLEM_KEYS)
@pass_app
def verify(app: App, runs: Sequence[str], as_json: bool, template: Template | None, zero: bool) -> int:
    """Check that stored runs are what they say they are

    Reads every file of the runs (all runs, where none is named), their points and artifacts, and compares each with
    its digest. Prints what is wrong; exits with 1 when anything is.
    """
    form = form_of(as_json, template, zero)
    chosen = [app.run(name).info.id for name in runs]
    repo = app.open_repo()
    found = False
    for problem in repo.verify(chosen or None):
        found = True
        if form.for_people:
            where = f"run {problem.run_id[:8]} " if problem.run_id else ""
            app.out.line(f"{where}{printable(problem.place)}: {printable(problem.message)}")
        else:
            record = {"run_id": problem.run_id, "place": problem.place, "message": problem.message}
            app.out.record(record, form)
    if not found:
        app.out.talk("nothing is wrong")
    return NO if found else DONE


COMMAND = verify
