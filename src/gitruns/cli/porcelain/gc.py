"""`git runs gc`"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import yes_options
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.times import local, size

if TYPE_CHECKING:
    from gitruns.repo.garbage import GarbageReport

_SECONDS = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_MAX_PROBLEMS = 10


def _read_age(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    if text == "now":
        return 0.0
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if match is None:
        raise click.BadParameter(f"'{text}' is not 'now' or a number with h, d or w, as 14d", ctx, param)
    return float(match[1]) * _SECONDS[match[2]]


@command("gc", exits=WRITING, examples=["git runs gc", "git runs gc --yes", "git runs gc --yes --expire=now"])
@yes_options
@click.option(
    "--expire", "grace_s", metavar="AGE", callback=_read_age, help="How long things wait, as 14d (the default) or now."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def gc(app: App, yes: bool, grace_s: float | None, as_json: bool) -> None:
    """Remove what no run in this clone needs any more

    Artifacts in the cache that nothing names: they are noted first, and deleted by a later gc when nothing has named
    them for 14 days. What purged runs were, 14 days after their purge came here. What killed processes left
    half-written. Safe while others log. Objects of git then go with `git gc`; the shared store is not touched. What
    was put into the cache within the last hour always stays.
    """
    from gitruns.repo.garbage import GRACE_S, collect_garbage

    repo = app.open_repo()
    report = collect_garbage(repo, dry_run=not yes, grace_s=GRACE_S if grace_s is None else grace_s)
    if as_json:
        app.out.line(json_text(_record(report)))
        return
    for line in _lines(report):
        app.out.line(line)


def _record(report: GarbageReport) -> dict[str, object]:
    return {
        "artifact_bytes": report.artifact_bytes,
        "artifacts": report.artifacts,
        "deleted": report.deleted,
        "deleted_bytes": report.deleted_bytes,
        "dry_run": report.dry_run,
        "held": dict(report.held),
        "leftovers": report.leftovers,
        "problems": report.problems,
        "redundant": report.redundant,
        "released": report.released,
        "segments": report.segments,
        "waiting": report.waiting,
        "waiting_bytes": report.waiting_bytes,
    }


def _lines(report: GarbageReport) -> Iterator[str]:
    would = "would be " if report.dry_run else ""
    yield f"{_count(report.artifacts, 'artifact')} in the cache ({size(report.artifact_bytes)})"
    if report.deleted:
        yield f"  {would}deleted: {report.deleted:,} that nothing names ({size(report.deleted_bytes)})"
    if report.waiting:
        yield f"  waiting: {report.waiting:,} that nothing names now ({size(report.waiting_bytes)})"
    if report.released:
        yield f"{would}let go: {_count(len(report.released), 'purged run')}; git gc --prune=now frees the rest"
    if report.held:
        until = local(min(report.held.values()))
        yield f"held: {_count(len(report.held), 'purged run')}, the first until {until}"
    if report.redundant:
        yield f"{would}dropped: {_count(report.redundant, 'ref')} that the archive holds already"
    if report.segments:
        yield f"{would}replaced: {_count(report.segments, 'archive segment')}"
    if report.leftovers:
        yield f"removed: {report.leftovers:,} half-written by killed processes"
    if report.problems:
        yield "no artifact is deleted, because these cannot be read and may name any:"
        yield from (f"  {problem}" for problem in report.problems[:_MAX_PROBLEMS])
        if len(report.problems) > _MAX_PROBLEMS:
            yield f"  … and {len(report.problems) - _MAX_PROBLEMS} more (git runs verify names all)"
    if report.dry_run and (report.deleted or report.released or report.waiting or report.redundant or report.segments):
        yield "nothing was changed: add --yes to do it"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}s"


COMMAND = gc
