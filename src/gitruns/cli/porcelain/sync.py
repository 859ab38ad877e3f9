"""`git runs sync`"""

from __future__ import annotations

from collections.abc import Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.porcelain.fetch import fetch_now
from gitruns.cli.porcelain.push import exit_of, push_now, push_options
from gitruns.cli.sync_text import fetch_lines, fetch_record, push_lines, push_record
from gitruns.cli.sync_words import read_words, words_argument


@command("sync", exits=WRITING, examples=["git runs sync", "git runs sync origin --dry-run", "git runs sync --json"])
@words_argument
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be sent; nothing is fetched.")
@push_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def sync(
    app: App,
    words: Sequence[str],
    dry_run: bool,
    with_source: bool,
    snapshots: str | None,
    restore: bool,
    as_json: bool,
) -> int:
    """Fetch, then push

    Afterwards this clone and the remote have the same runs, less those that are held back.
    """
    remote, selection = read_words(app, words)
    fetched = None if dry_run else fetch_now(app, remote, selection, take=False, quiet=as_json)
    pushed = push_now(
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
        app.out.line(json_text({"fetch": fetched and fetch_record(fetched), "push": push_record(pushed)}))
        return exit_of(pushed)
    for line in [*(fetch_lines(fetched, app.now_ms) if fetched else ()), *push_lines(pushed)]:
        (app.out.line if dry_run else app.out.talk)(line)
    return exit_of(pushed)


COMMAND = sync
