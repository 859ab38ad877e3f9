"""`git runs pull`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import WRITING, command
from gitruns.cli.exitcodes import ACCESS, DONE
from gitruns.cli.output import json_text
from gitruns.cli.porcelain.fetch import fetch_now
from gitruns.cli.sync_text import SyncProgress, fetch_lines, fetch_record
from gitruns.cli.sync_words import read_words, words_argument
from gitruns.cli.times import size

if TYPE_CHECKING:
    from gitruns.sync import FetchReport
    from gitruns.sync.pull import PullReport


@command("pull", exits=WRITING, examples=["git runs pull", "git runs pull origin latest", "git runs pull --dry-run"])
@words_argument
@click.option("-n", "--dry-run", is_flag=True, help="Fetch, and only say how much would be brought.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def pull(app: App, words: Sequence[str], dry_run: bool, as_json: bool) -> int:
    """Fetch runs, and bring their artifacts to this machine

    Without QUERY, RANGE or RUN the artifacts of all runs that the fetch brought or changed. Exits with 14 when some
    could not be had.
    """
    from gitruns.sync.pull import bring_artifacts

    remote, selection = read_words(app, words)
    fetched = fetch_now(app, remote, None, take=False, quiet=as_json)
    chosen = [*fetched.new, *fetched.changed] if selection is None else sorted(selection.run_ids)
    with SyncProgress(app.environ, quiet=as_json) as progress:
        brought = bring_artifacts(
            app.open_repo(), chosen, records=fetched.records > 0, dry_run=dry_run, progress=progress
        )
    if as_json:
        record = {
            "artifacts": brought.artifacts,
            "bytes": brought.bytes,
            "absent": len(brought.absent),
            "problem": brought.problem,
        }
        app.out.line(json_text({"fetch": fetch_record(fetched), **record}))
    else:
        earlier = _earlier(fetched) if selection is None else []
        for line in [*fetch_lines(fetched, app.now_ms), *_lines(brought, dry_run=dry_run), *earlier]:
            app.out.talk(line)
    return ACCESS if brought.absent and not dry_run else DONE


def _lines(brought: PullReport, *, dry_run: bool) -> list[str]:
    lines = []
    if brought.artifacts:
        noun = "artifact" if brought.artifacts == 1 else "artifacts"
        verb = "would bring" if dry_run else "brought"
        lines.append(f"{verb} {brought.artifacts} {noun}, {size(brought.bytes)}")
    if brought.absent and not dry_run:
        noun = "artifact" if len(brought.absent) == 1 else "artifacts"
        lines.append(f"missing: {len(brought.absent)} {noun} could not be had")
        lines += [f"  {text}" for text in (brought.problem, brought.hint) if text]
    return lines


def _earlier(fetched: FetchReport) -> list[str]:
    if fetched.new or fetched.changed:
        return []
    return ["artifacts of runs that were fetched before: name the runs, as in git runs pull latest"]


COMMAND = pull
