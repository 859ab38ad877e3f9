"""`git runs verify`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN, form_of, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.output import Form
from gitruns.cli.template import Template

if TYPE_CHECKING:
    from gitruns.repo import Problem

PROBLEM_KEYS = frozenset({"run_id", "model", "place", "message", "kind"})


@command(
    "verify",
    exits=CHECKING,
    examples=["git runs verify", "git runs verify latest", "git runs verify --json"],
)
@click.argument("runs", metavar="[RUN]...", type=RUN, nargs=-1)
@click.option("--signatures", "listing", is_flag=True, help="List who signed what, also where nothing is wrong.")
@click.option("--require-signed", "required", is_flag=True, help="Take what is unsigned, or by unknown keys, as wrong.")
@output_options(PROBLEM_KEYS)
@pass_app
def verify(
    app: App,
    runs: Sequence[str],
    listing: bool,
    required: bool,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> int:
    """Check that stored runs, models and signatures are right

    Reads every file of the runs (all runs and registered models, where none is named), their points, artifacts and git
    tags, and compares each with its digest; looks at signatures with the keys that git knows. Prints what is wrong;
    exits with 1 when anything is.
    """
    form = form_of(as_json, template, zero)
    chosen = [app.run(name).info.id for name in runs]
    repo = app.open_repo()
    found = False
    for problem in repo.verify(chosen or None):
        found = True
        _print(app, problem, form)
    counts: Counter[str] = Counter()
    for signed in repo.check_signatures(chosen or None):
        trust = signed.signature.trust.value
        counts[trust] += 1
        wrong = trust == "bad" or (required and trust != "good")
        if wrong or listing:
            _print(app, signed.as_problem(), form)
        found = found or wrong
    if not found:
        app.out.talk("nothing is wrong")
    if counts and set(counts) != {"unsigned"}:
        app.out.talk("signatures: " + ", ".join(f"{counts[word]} {_WORDS[word]}" for word in _WORDS if counts[word]))
    return NO if found else DONE


_WORDS = {
    "good": "good",
    "unsigned": "unsigned",
    "unknown-key": "by keys not known here",
    "expired": "expired",
    "bad": "bad",
}


def _print(app: App, problem: Problem, form: Form) -> None:
    if not form.for_people:
        facts = {"run_id": problem.run_id, "model": problem.model, "place": problem.place}
        app.out.record({**facts, "message": problem.message, "kind": problem.kind}, form)
        return
    where = f"run {problem.run_id[:8]} " if problem.run_id else f"model {problem.model} " if problem.model else ""
    app.out.line(f"{printable(where)}{printable(problem.place)}: {printable(problem.message)}")


COMMAND = verify
