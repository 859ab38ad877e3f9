"""`git runs source`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import run_argument
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.entities.run import Run


@command(
    "source",
    exits=CHECKING,
    examples=[
        "git runs source latest",
        "git runs source latest --to latest-code",
        "git runs source latest --diff",
        "git runs source latest --diff --stat train.py",
    ],
)
@run_argument
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--to", "target", metavar="DIR", type=click.Path(path_type=Path), help="Write the files into DIR.")
@click.option("--overwrite", is_flag=True, help="With --to: also where DIR is not empty.")
@click.option("--diff", "as_diff", is_flag=True, help="Show what has changed in the work tree since.")
@click.option("--stat", is_flag=True, help="With --diff: only count the changes.")
@click.option("--exit-code", is_flag=True, help="With --diff: exit with 1 when anything has changed.")
@pass_app
def source(
    app: App,
    run: str,
    paths: Sequence[str],
    target: Path | None,
    overwrite: bool,
    as_diff: bool,
    stat: bool,
    exit_code: bool,
) -> int:
    """Print the commit that a run ran, or bring its code back

    The commit holds the exact files of the run, also those that were not committed then. --to writes them into a
    folder, byte for byte, and touches nothing else; --diff compares them with the work tree as it is now, PATHs
    limit it. What could not be kept is said.
    """
    if as_diff and target is not None:
        raise InvalidInputError("--to and --diff cannot both be", kind="usage")
    for name, given, belongs in (
        ("PATH", bool(paths), as_diff),
        ("--stat", stat, as_diff),
        ("--exit-code", exit_code, as_diff),
        ("--overwrite", overwrite, target is not None),
    ):
        if given and not belongs:
            raise InvalidInputError(
                f"{name} goes with {'--to' if name == '--overwrite' else '--diff'}", kind="usage", hint="add it"
            )
    found = app.run(run)
    if as_diff:
        return _diff(app, found, paths, stat=stat, exit_code=exit_code)
    if target is not None:
        _restore(app, found, target, overwrite=overwrite)
    else:
        commit = found.info.source.commit
        if commit is None:
            raise NotFoundError(f"run '{found.info.name}' has no source: none was captured", kind="no-source")
        app.out.line(commit)
    _say_left_out(app, found)
    return DONE


def _diff(app: App, run: Run, paths: Sequence[str], *, stat: bool, exit_code: bool) -> int:
    from gitruns.capture import diff_source

    colour = "always" if app.out.terminal.colour else "never"
    options = [f"--color={colour}", *(["--stat"] if stat else [])]
    diff = diff_source(
        app.open_repo().store, run.info.source, app.snapshot_rules(), options=options, paths=paths, environ=app.environ
    )
    with app.out.paging():
        app.out.raw(diff)
    _say_left_out(app, run)
    return NO if diff and exit_code else DONE


def _restore(app: App, run: Run, target: Path, *, overwrite: bool) -> None:
    from gitruns.capture import restore_source

    restored = restore_source(app.open_repo().store, run.info.source, target, overwrite=overwrite)
    app.out.line(printable(str(restored.target)))
    app.out.talk(f"{restored.files} files as they were for run '{run.info.name}'")
    for path in restored.missing_submodules:
        app.out.talk(f"warning: submodule '{path}' is not in this clone: its folder is empty")


def _say_left_out(app: App, run: Run) -> None:
    for left in run.info.source.left_out:
        app.out.talk(f"warning: not in the source: '{left.path}' ({left.reason})")


COMMAND = source
