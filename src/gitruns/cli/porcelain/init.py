"""`git runs init`"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command

if TYPE_CHECKING:
    from gitruns.repo.setup import Setting
    from gitruns.repo.setup_hooks import HookFile, HookPlan

_OFFERED_ALIAS = "lga"
_PROGRAM = "git-runs"


@dataclass(slots=True, kw_only=True)
class _Todo:
    """What is going to be set, as far as nobody has said no."""

    settings: list[Setting]
    hooks: list[HookFile]

    def __bool__(self) -> bool:
        return bool(self.settings or self.hooks)


@command(
    "init",
    exits=WRITING,
    examples=["git runs init --dry-run", "git runs init --yes", "git runs init --yes --no-hook --alias lga"],
)
@click.option("--alias", metavar="NAME", help="Also set `git NAME`: git log of all branches, without runs.")
@click.option("--no-hook", is_flag=True, help="Put no hook into this clone.")
@click.option("--auto-fetch", is_flag=True, help="Also fetch runs after git pull and git switch.")
@click.option(
    "--snapshots",
    type=click.Choice(["tracked", "all", "never"]),
    help="Whether runs of code that was not committed are sent, and with what.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be set.")
@pass_app
def init(
    app: App,
    alias: str | None,
    no_hook: bool,
    auto_fetch: bool,
    snapshots: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Set up git for runs in this clone

    Logging works without. This adds to the clone's git configuration: a refspec, so that git fetch brings the runs
    of others, and log.excludeDecoration where git log would name runs beside commits; and a pre-push hook, so that
    git push sends the runs of the commits that it publishes. A hook that is there already is kept and called first.
    Runs of code that was not committed are not sent before it was decided: it asks, or see --snapshots.
    Prints each value and what it is for, and asks first on a terminal. `git runs deinit` takes back exactly what was
    added.
    """
    from gitruns.repo import setup

    repo = app.open_repo()
    plan = setup.plan_setup(repo, alias=alias, auto_fetch=auto_fetch, snapshots=snapshots)
    hooks = _plan_hooks(app, auto_fetch=auto_fetch, no_hook=no_hook)
    todo = _Todo(settings=list(plan.settings), hooks=list(hooks.files))
    _print_settings(app, todo.settings)
    _print_hooks(app, todo.hooks)
    for present in (*(f"{one.key} = {one.value}" for one in plan.present), *map(_shown, hooks.present)):
        app.out.talk(f"{present}\n    is set already")
    for note in (*plan.notes, *hooks.notes):
        app.out.talk(f"note: {note}")
    wanted = bool(todo)
    asks = not yes and not dry_run and sys.stdin.isatty() and sys.stderr.isatty()
    agreed = not asks or not todo or click.confirm("Set this?", default=True, err=True)
    if not agreed:
        todo = _Todo(settings=[], hooks=[])
    if asks and agreed:
        offered = _offered(app, alias, snapshots)
        _print_settings(app, offered)
        todo.settings += offered
    if todo and not dry_run:
        _set(app, todo)
    _sum_up(app, todo, dry_run=dry_run, refused=wanted)


def _plan_hooks(app: App, *, auto_fetch: bool, no_hook: bool) -> HookPlan:
    from gitruns.repo import setup_hooks

    if no_hook:
        return setup_hooks.HookPlan()
    return setup_hooks.plan_hooks(app.open_repo(), setup_hooks.HOOK_NAMES if auto_fetch else (setup_hooks.PUSH_HOOK,))


def _set(app: App, todo: _Todo) -> None:
    from gitruns.repo import setup, setup_hooks

    repo = app.open_repo()
    setup.set_up(repo, todo.settings)
    setup_hooks.write_hooks(repo, todo.hooks, _program())


def _program() -> str:
    """Returns the path of the `git-runs` that runs now, or of the one beside the interpreter."""
    called = Path(os.path.abspath(sys.argv[0]))  # noqa: PTH100  a link shall stay: what it leads to may move
    beside = Path(sys.executable).parent / _PROGRAM
    for path in (called, beside):
        if path.name == _PROGRAM and os.access(path, os.X_OK):
            return str(path)
    return _PROGRAM


def _print_settings(app: App, settings: Sequence[Setting]) -> None:
    for setting in settings:
        app.out.line(f"{app.out.paint(setting.key, 'key')} = {printable(setting.value)}\n    {setting.purpose}")


def _print_hooks(app: App, hooks: Sequence[HookFile]) -> None:
    for hook in hooks:
        app.out.line(f"{app.out.paint(printable(_shown(hook.path)), 'key')}\n    {hook.purpose}")
        if hook.keeps:
            app.out.line(f"    the hook that is there now is kept as {hook.kept.name} and called first")


def _shown(path: Path) -> str:
    """Returns a path as short as it is from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _offered(app: App, alias: str | None, snapshots: str | None) -> list[Setting]:
    """Asks for what is a matter of taste or of trust, and returns what is wanted of it."""
    from gitruns.repo import setup

    repo = app.open_repo()
    without = setup.plan_setup(repo).settings
    chosen = None
    if snapshots is None and not setup.snapshots_decided(repo):
        question = "When a run's code was not committed, send the changes to tracked files with it?"
        chosen = "tracked" if click.confirm(question, default=True, err=True) else "never"
    wanted = _OFFERED_ALIAS if alias is None and _wants_alias(app) else None
    plan = setup.plan_setup(repo, alias=wanted, snapshots=chosen)
    return [setting for setting in plan.settings if setting not in without]


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


def _sum_up(app: App, todo: _Todo, *, dry_run: bool, refused: bool) -> None:
    if dry_run:
        app.out.talk("nothing was set: --dry-run")
    elif todo:
        app.out.talk("set in this clone; git runs deinit takes it back")
    else:
        app.out.talk("nothing was set" if refused else "nothing to set")


COMMAND = init
