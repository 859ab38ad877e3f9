"""`git runs status`"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import command
from gitruns.cli.output import json_text
from gitruns.cli.sync_text import waiting_lines, waiting_record
from gitruns.cli.times import duration, relative, size

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.repo import RepoStatus
    from gitruns.sync.waiting import Waiting

_MAX_SHOWN = 10


@command("status", examples=["git runs status", "git runs status --all", "git runs status --json"])
@click.option("-a", "--all", "everything", is_flag=True, help="List all runs, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def status(app: App, everything: bool, as_json: bool) -> None:
    """Show what is running and what is only here

    Running: a process is logging. Not in git yet: its processes are gone, and `git runs recover`, or the next
    command, takes it in. Held back: a push leaves it here, and why. Unpublished: no remote has its code. Incomplete:
    files that were there when it ran are not in its source. What is on the remote is as it was last seen: nothing is
    asked of a network.
    """
    from gitruns.sync.waiting import what_waits

    repo = app.open_repo(recover=False)
    found, waiting = repo.status(), what_waits(repo)
    if as_json:
        app.out.line(json_text(_record(found, waiting)))
        return
    with app.out.paging():
        for line in _lines(app, found, waiting, everything):
            app.out.line(line)


def _record(found: RepoStatus, waiting: Waiting | None) -> dict[str, object]:
    return {
        "remote": None if waiting is None else waiting_record(waiting),
        "runs": found.runs,
        "live": list(found.live),
        "unsealed": list(found.unsealed),
        "unpublished": list(found.unpublished),
        "incomplete": list(found.incomplete),
        "records": found.records,
        "unsealed_records": found.unsealed_records,
        "cache_bytes": found.cache_bytes,
    }


def _lines(app: App, found: RepoStatus, waiting: Waiting | None, everything: bool) -> Iterator[str]:
    unpublished = found.unpublished if waiting is None else ()
    sections: tuple[tuple[str, str, Sequence[RunId], str], ...] = (
        ("Running", "git runs watch follows them", found.live, "RUNNING"),
        ("Not in git yet, their processes are gone", "git runs recover takes them in", found.unsealed, "KILLED"),
        ("Unpublished, no remote has their code", "git push publishes it", unpublished, "mark"),
        ("Incomplete, files are missing from their source", "git runs show RUN lists them", found.incomplete, "mark"),
    )
    records = f", {_count(found.records, 'record')}" if found.records else ""
    yield f"{_count(found.runs, 'run')}{records}, {size(found.cache_bytes)} of artifacts here"
    quiet = True
    for title, hint, runs, style in sections:
        if not runs:
            continue
        quiet = False
        yield ""
        yield f"{title}:"
        yield f"  ({hint})"
        for run_id in runs if everything else runs[:_MAX_SHOWN]:
            yield _run_line(app, run_id, style)
        if not everything and len(runs) > _MAX_SHOWN:
            yield f"        … and {len(runs) - _MAX_SHOWN} more (--all lists them)"
    if waiting is not None:
        yield ""
        yield from waiting_lines(waiting)
    elif quiet and found.runs:
        yield "everything is in git"


def _run_line(app: App, run_id: RunId, style: str) -> str:
    run = app.open_repo(recover=False).get_run(run_id)
    since = app.now_ms - run.info.start_time_ms
    when = f"for {duration(since)}" if run.live else relative(run.info.start_time_ms, app.now_ms)
    return f"        {app.out.paint(run_id[:8], style)}  {printable(run.info.name)}, {when}"


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


COMMAND = status
