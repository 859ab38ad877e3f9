"""`git runs push`"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.exitcodes import ACCESS, DONE
from gitruns.cli.output import json_text
from gitruns.cli.sync_text import SyncProgress, push_lines, push_record
from gitruns.cli.sync_words import read_words, words_argument

if TYPE_CHECKING:
    from gitruns.sync import PushReport, Selection

F = TypeVar("F", bound=Callable[..., Any])


def push_options(function: F) -> F:
    """Takes what says which runs may travel."""
    add_restore = click.option("--restore", is_flag=True, help="Also put back runs that the remote has lost.")
    add_snapshots = click.option(
        "--snapshots",
        type=click.Choice(["tracked", "all", "never"]),
        help="Which runs on changed files go this time: runs.publishSnapshots for once.",
    )
    add_source = click.option(
        "--with-source", is_flag=True, help="Also send runs whose commits are on no remote, with their commits."
    )
    return add_source(add_snapshots(add_restore(function)))


@command(
    "push",
    exits=WRITING,
    examples=["git runs push --dry-run", "git runs push", "git runs push origin latest", "git runs push --json"],
)
@words_argument
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be sent, and each file it would make public.")
@push_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def push(
    app: App,
    words: Sequence[str],
    dry_run: bool,
    with_source: bool,
    snapshots: str | None,
    restore: bool,
    as_json: bool,
) -> int:
    """Send runs to a remote, their artifacts first

    REMOTE is runs.remote, else origin, else the only one. A run goes once the commit that it ran is on the remote; one
    that ran with changed files only as `git config runs.publishSnapshots` (tracked, all or never) says. Others are
    held back, and named. Without QUERY, RANGE or RUN all runs go, with experiments and models. What others have
    pushed meanwhile is merged. Exits with 14 when the remote or the store did not take something.
    """
    remote, selection = read_words(app, words)
    report = push_now(
        app,
        remote,
        selection,
        dry_run=dry_run,
        with_source=with_source,
        snapshots=snapshots,
        restore=restore,
        quiet=as_json,
    )
    if as_json:
        app.out.line(json_text(push_record(report)))
    else:
        for line in push_lines(report):
            (app.out.line if dry_run else app.out.talk)(line)
    return exit_of(report)


def push_now(
    app: App,
    remote: str | None,
    selection: Selection | None,
    *,
    dry_run: bool,
    with_source: bool,
    snapshots: str | None,
    restore: bool,
    quiet: bool,
) -> PushReport:
    """Pushes, with bars while it takes long."""
    import sys

    from gitruns.sync import push as push_runs

    asks = not quiet and sys.stdin.isatty() and sys.stderr.isatty()
    with SyncProgress(app.environ, quiet=quiet) as progress:

        def confirm(url: str) -> bool:
            progress.close()
            return click.confirm(f"Keep artifacts in '{url}', which gitruns.yaml names?", default=True, err=True)

        return push_runs(
            app.open_repo(),
            remote,
            selection=selection,
            dry_run=dry_run,
            with_source=with_source,
            snapshots=snapshots,
            restore=restore,
            confirm=confirm if asks else None,
            progress=progress,
        )


def exit_of(report: PushReport) -> int:
    """Returns the exit code: 14 when the remote or the store did not take what it should have."""
    return ACCESS if report.refused or report.artifacts.why else DONE


COMMAND = push
