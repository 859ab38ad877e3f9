"""`git runs purge`"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN, yes_options
from gitruns.cli.cells import printable
from gitruns.cli.choosing import chosen_runs
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import json_text
from gitruns.cli.times import relative, size

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.repo.purging import PurgePlan

_SHOWN = 10


@command(
    "purge",
    exits=WRITING,
    examples=[
        "git runs purge neat-mole-988 --yes --reason 'customer data'",
        "git runs purge 'status = failed and started < -365d'",
    ],
)
@click.argument("words", metavar="RUN|QUERY...", type=RUN, nargs=-1, required=True)
@yes_options
@click.option("--reason", metavar="TEXT", help="Why; everybody who has the run will read it.")
@click.option("--now", is_flag=True, help="Hold nothing here: the runs cannot be brought back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def purge(app: App, words: Sequence[str], yes: bool, reason: str | None, now: bool, as_json: bool) -> None:
    """Delete runs for good, everywhere that hears of it

    For what must not stay: `git runs rm` only takes runs out of sight. Says what will go and what cannot be reached,
    and does it with --yes. A tombstone takes the run's place; `git runs push` tells others, whose clones then hide
    the run. The bytes go with `git runs gc`, 14 days later; until then `git runs keep` brings a run back. A run on
    which a registered model's version stands is refused.
    """
    from gitruns.repo.purging import plan_purge, purge_runs

    chosen = chosen_runs(app, words)
    repo = app.open_repo()
    plan = plan_purge(repo, chosen)
    lines = list(_lines(app, plan, done=yes, held=not now))
    if yes:
        purge_runs(repo, plan.run_ids, reason=reason, hold=not now)
    if as_json:
        app.out.line(json_text(_record(plan, done=yes)))
        return
    for line in lines:
        (app.out.talk if yes else app.out.line)(line)


def _record(plan: PurgePlan, *, done: bool) -> dict[str, object]:
    return {
        "artifact_bytes": plan.artifact_bytes,
        "artifacts": plan.artifacts,
        "purged": done,
        "reachable_from": plan.reachable_from,
        "remotes": plan.remotes,
        "runs": plan.run_ids,
        "segments": plan.segments,
        "shared_sources": plan.shared_sources,
    }


def _lines(app: App, plan: PurgePlan, *, done: bool, held: bool) -> Iterator[str]:
    count = len(plan.run_ids)
    if not count:
        yield "no run meets this"
        return
    yield f"{'purged' if done else 'would purge'} {_count(count, 'run')}:"
    for run in plan.runs[:_SHOWN]:
        when = relative(run.info.start_time_ms, app.now_ms)
        yield f"    {run.info.id[:8]}  {printable(run.info.name)}, {when}"
    for run_id in plan.unreadable[: max(_SHOWN - len(plan.runs), 0)]:
        yield f"    {run_id[:8]}  (cannot be read)"
    if count > _SHOWN:
        yield f"    … and {count - _SHOWN} more"
    if plan.segments:
        yield f"{'made' if done else 'would make'} {_count(plan.segments, 'archive segment')} anew without them"
    if plan.artifacts:
        bytes_here = size(plan.artifact_bytes)
        yield f"{_count(plan.artifacts, 'artifact')} of them here ({bytes_here}) go, unless others name them"
    yield from _not_reached(plan, done=done)
    yield from _what_now(plan, done=done, held=held)


def _not_reached(plan: PurgePlan, *, done: bool) -> Iterator[str]:
    yield f"what this {'did' if done else 'does'} not reach:"
    for run_id, others in plan.shared_sources.items():
        yield f"    the code of {run_id[:8]}: {_named(others)} ran the same changed files and keep{_s(others)} them"
    for name, run_ids in plan.reachable_from.items():
        yield f"    {_named(run_ids)} in '{printable(name)}': commits stay until that is deleted"
    for remote, number in plan.remotes.items():
        yield f"    {_count(number, 'run')} on '{printable(remote)}': git runs push {printable(remote)} tells it"
    yield "    other clones and forks until they fetch the tombstone, backups, what people copied"


def _what_now(plan: PurgePlan, *, done: bool, held: bool) -> Iterator[str]:
    first = plan.run_ids[0][:8]
    if not done:
        yield "nothing was changed: add --yes to do it"
    elif held:
        yield f"the bytes stay here for 14 days, then go with: git runs gc --yes (to bring back: git runs keep {first})"
    else:
        yield "the bytes go with: git runs gc --yes --expire=now && git gc --prune=now"


def _named(run_ids: Sequence[RunId]) -> str:
    shown = ", ".join(run_id[:8] for run_id in run_ids[:3])
    return shown + (f" and {len(run_ids) - 3} more" if len(run_ids) > 3 else "")


def _s(items: Sequence[object]) -> str:
    return "s" if len(items) == 1 else ""


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


COMMAND = purge
