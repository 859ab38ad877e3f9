"""`git runs init`"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command

if TYPE_CHECKING:
    from gitruns.repo.setup import Setting

_OFFERED_ALIAS = "lga"


@command(
    "init",
    exits=WRITING,
    examples=["git runs init --dry-run", "git runs init --yes", "git runs init --yes --alias lga"],
)
@click.option("--alias", metavar="NAME", help="Also set `git NAME`: git log of all branches, without runs.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be set.")
@pass_app
def init(app: App, alias: str | None, yes: bool, dry_run: bool) -> None:
    """Set up git for runs in this clone

    Logging works without. This adds to the clone's git configuration: a refspec, so that git fetch brings the runs
    of others, and log.excludeDecoration where git log would name runs beside commits. Prints each value and what it
    is for, and asks first on a terminal. `git runs deinit` takes back exactly what was added.
    """
    from gitruns.repo import setup

    repo = app.open_repo()
    plan = setup.plan_setup(repo, alias=alias)
    settings = list(plan.settings)
    _print(app, plan.settings)
    for setting in plan.present:
        app.out.talk(f"{setting.key} = {setting.value}\n    is set already")
    for note in plan.notes:
        app.out.talk(f"note: {note}")
    asks = not yes and not dry_run and sys.stdin.isatty() and sys.stderr.isatty()
    if asks and settings and not click.confirm("Set this?", default=True, err=True):
        settings = []
    if asks and alias is None and _wants_alias(app):
        offered = setup.plan_setup(repo, alias=_OFFERED_ALIAS).settings[len(plan.settings) :]
        _print(app, offered)
        settings += offered
    if settings and not dry_run:
        setup.set_up(repo, settings)
    _sum_up(app, settings, dry_run=dry_run, refused=bool(plan.settings))


def _print(app: App, settings: Sequence[Setting]) -> None:
    for setting in settings:
        app.out.line(f"{app.out.paint(setting.key, 'key')} = {printable(setting.value)}\n    {setting.purpose}")


def _wants_alias(app: App) -> bool:
    from gitruns.errors import ConflictError
    from gitruns.repo import setup

    try:
        offered = setup.plan_setup(app.open_repo(), alias=_OFFERED_ALIAS)
    except ConflictError:
        return False
    if any(setting.key == f"alias.{_OFFERED_ALIAS}" for setting in offered.present):
        return False
    question = f"Also set an alias 'git {_OFFERED_ALIAS}', which is 'git {setup.ALIAS_VALUE}': all branches, no runs?"
    return click.confirm(question, default=False, err=True)


def _sum_up(app: App, settings: Sequence[Setting], *, dry_run: bool, refused: bool) -> None:
    if dry_run:
        app.out.talk("nothing was set: --dry-run")
    elif settings:
        app.out.talk("set in .git/config; git runs deinit takes it back")
    else:
        app.out.talk("nothing was set" if refused else "nothing to set")


COMMAND = init
