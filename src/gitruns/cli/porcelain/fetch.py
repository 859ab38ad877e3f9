"""`git runs fetch`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.sync_text import SyncProgress, fetch_lines, fetch_record
from gitruns.cli.sync_words import read_words, words_argument

if TYPE_CHECKING:
    from gitruns.sync import FetchReport, Selection


@command(
    "fetch",
    exits=WRITING,
    examples=["git runs fetch", "git runs fetch origin", "git runs fetch --json"],
)
@words_argument
@click.option("--take", is_flag=True, help="Take what the remote has made of runs that it lost or rewrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def fetch(app: App, words: Sequence[str], take: bool, as_json: bool) -> None:
    """Bring the runs of others, and merge them with those here

    Everything is checked before it counts: what is not what it should be is named and left aside, and the rest comes.
    Nothing here is deleted or overwritten by it; edits that were made here and there are merged. Artifacts stay where
    they are until they are asked for; `git runs pull` brings them too.
    """
    remote, selection = read_words(app, words)
    report = fetch_now(app, remote, selection, take=take, quiet=as_json)
    if as_json:
        app.out.line(json_text(fetch_record(report)))
        return
    for line in fetch_lines(report, app.now_ms):
        app.out.talk(line)


def fetch_now(app: App, remote: str | None, selection: Selection | None, *, take: bool, quiet: bool) -> FetchReport:
    """Fetches, with bars while it takes long."""
    from gitruns.sync import fetch as fetch_runs

    with SyncProgress(app.environ, quiet=quiet) as progress:
        return fetch_runs(app.open_repo(), remote, selection=selection, take=take, progress=progress)


COMMAND = fetch
