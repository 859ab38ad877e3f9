"""`git runs hook`"""

from __future__ import annotations

from collections.abc import Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import command
from gitruns.cli.exitcodes import ACCESS, DONE, USAGE
from gitruns.cli.hooking import HOOKS, run_hook


@command(
    "hook",
    exits=(DONE, USAGE, ACCESS),
    examples=[
        "git runs hook pre-push origin https://example.org/project.git < /dev/null",
        "git runs hook post-merge 0",
    ],
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name", metavar="NAME", type=click.Choice(HOOKS))
@click.argument("words", metavar="[ARG]...", nargs=-1, type=click.UNPROCESSED)
@pass_app
def hook(app: App, name: str, words: Sequence[str]) -> int:
    """Do what git's hooks call for

    `git runs init` puts hooks into a clone that call this. pre-push sends the runs of the commits that are pushed,
    and those whose commits the remote has: it takes remote and address, and reads from standard input what git is
    about to push. post-merge and post-checkout fetch runs when runs.autoFetch is true. A hook is silent when there is
    nothing to do, never asks, takes no longer than runs.hookTimeout (20 seconds), and stops git only when runs.hook
    is `strict` and runs could not be sent.
    """
    return run_hook(app.environ, name, words)


COMMAND = hook
