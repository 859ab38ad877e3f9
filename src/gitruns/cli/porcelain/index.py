"""`git runs index`"""

from __future__ import annotations

import time
from typing import Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import NO
from gitruns.cli.output import json_text
from gitruns.cli.times import duration, size
from gitruns.errors import InvalidInputError

_MAX_SHOWN = 20


@command(
    "index",
    exits=CHECKING,
    examples=[
        "git runs index",
        "git runs index --rebuild",
        "git runs index --verify",
        "git runs index --stats --json",
    ],
)
@click.option("--rebuild", is_flag=True, help="Read all runs anew.")
@click.option("--verify", is_flag=True, help="Read all runs again and compare; exit 1 when the index holds otherwise.")
@click.option("--stats", is_flag=True, help="Say where the index lies and what it holds.")
@click.option("--json", "as_json", is_flag=True, help="With --stats: print one JSON object.")
@pass_app
def index(app: App, rebuild: bool, verify: bool, stats: bool, as_json: bool) -> int | None:
    """Bring the index up to date, check it, or make it anew

    The index answers queries. Commands keep it up to date by themselves, and it may be deleted at any time: git and
    the journals hold the truth.
    """
    if as_json and not stats:
        raise InvalidInputError("--json goes with --stats", kind="usage", hint="git runs index --stats --json")
    if sum((rebuild, verify, stats)) > 1:
        raise InvalidInputError("--rebuild, --verify and --stats go one at a time", kind="usage")
    found = app.open_repo().index
    if verify:
        return _verify(app)
    if not stats:
        start = time.monotonic()
        report = found.rebuild() if rebuild else found.refresh()
        app.end_progress()
        took = duration(int(1000 * (time.monotonic() - start)))
        app.out.talk(f"read {report.written:,} runs in {took}, took {report.removed:,} out")
        _say_unreadable(app)
        return None
    known = found.stats()
    if as_json:
        app.out.line(json_text(_record(known)))
        return None
    for line in _lines(known):
        app.out.line(line)
    return None


def _verify(app: App) -> int | None:
    differences = app.open_repo().index.verify()
    app.end_progress()
    for one in differences[:_MAX_SHOWN]:
        app.out.line(printable(f"{one.run_id or '-'}  {one.what}"))
    if len(differences) > _MAX_SHOWN:
        app.out.line(f"… and {len(differences) - _MAX_SHOWN:,} more")
    if differences:
        app.out.talk("the index does not hold what is stored\nhint: git runs index --rebuild")
        return NO
    app.out.talk("the index holds what is stored")
    return None


# The numbers of an index are `index.IndexStats`: storage, which no face may name.


def _record(known: Any) -> dict[str, object]:
    return {
        "path": None if known.path is None else str(known.path),
        "size_bytes": known.size_bytes,
        "runs": known.runs,
        "experiments": known.experiments,
        "keys": known.keys,
        "values": known.values,
        "unreadable": known.unreadable,
    }


def _lines(known: Any) -> list[str]:
    place = printable(str(known.path)) if known.path is not None else "in memory: no place to write is left"
    return [
        f"{'Place:':<12}{place}",
        f"{'Size:':<12}{size(known.size_bytes)}",
        f"{'Runs:':<12}{known.runs:,} in {known.experiments:,} experiment{'' if known.experiments == 1 else 's'}",
        f"{'Values:':<12}{known.values:,} of {known.keys:,} keys",
        *([f"{'Unreadable:':<12}{known.unreadable:,} (git runs verify lists them)"] if known.unreadable else []),
    ]


def _say_unreadable(app: App) -> None:
    unreadable = len(app.open_repo().index.unreadable())
    if unreadable:
        app.out.talk(f"warning: {unreadable:,} runs cannot be read: git runs verify lists them")


COMMAND = index
