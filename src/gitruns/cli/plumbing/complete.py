"""`git runs complete`: what the completion scripts ask"""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import command
from gitruns.cli.exitcodes import DONE


@command(
    "complete",
    exits=(DONE,),
    hidden=True,
    examples=["git runs complete -- li", "git runs complete -- show ''"],
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@pass_app
def complete(app: App, words: Sequence[str]) -> None:
    """Print what may come next on a command line

    WORDS are those after `git runs`, the last one is being typed. A line is: kind (`plain`, `file` or `dir`), word,
    explanation, with a tab between them; a line of kind `file` or `dir` asks the shell for its own.
    """
    from gitruns.cli.main import program

    *before, incomplete = words or ("",)
    found = ShellComplete(program, {}, "git runs", "_GIT_RUNS_COMPLETE").get_completions(list(before), incomplete)
    for item in found:
        app.out.line("\t".join((item.type, str(item.value), printable(item.help or ""))))


COMMAND = complete
