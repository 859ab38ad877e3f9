"""`git runs completion`"""

from __future__ import annotations

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import command
from gitruns.cli.completion_scripts import SCRIPTS
from gitruns.cli.exitcodes import DONE, USAGE


@command(
    "completion",
    exits=(DONE, USAGE),
    examples=[
        "git runs completion bash",
        "git runs completion zsh",
        "git runs completion fish",
    ],
)
@click.argument("shell", type=click.Choice(sorted(SCRIPTS)))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print a script that completes commands in your shell

    Works for `git runs` and `git-runs`, with the names of runs and experiments. To have it always, put one line into
    the shell's start file. bash: eval "$(git runs completion bash)". zsh, after compinit:
    eval "$(git runs completion zsh)". fish: git runs completion fish | source.
    """
    app.out.write(SCRIPTS[shell])


COMMAND = completion
