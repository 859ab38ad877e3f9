"""`git runs blame`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT
from gitruns.cli.cells import cut, number, printable
from gitruns.cli.commands import command
from gitruns.cli.output import json_text
from gitruns.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.compare.blame import Cause, Record

_INDENT = 4
_MAX_LINES = 8
_PLAIN = 8


@command(
    "blame",
    examples=[
        "git runs blame loss",
        "git runs blame loss 'lr < 1' -n 3",
        "git runs blame acc --direction higher --all --json",
    ],
)
@click.argument("metric")
@click.argument("query", required=False, default="")
@click.option("-e", "--experiment", type=EXPERIMENT, help="Only runs of this experiment.")
@click.option("--direction", type=click.Choice(["lower", "higher"]), help="Which values of METRIC are better.")
@click.option(
    "-n", "--max-count", "count", type=click.IntRange(min=1), metavar="N", default=10, help="Show the last N records."
)
@click.option("-a", "--all", "everything", is_flag=True, help="Show all causes, unlikely ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_app
def blame(
    app: App,
    metric: str,
    query: str,
    experiment: str | None,
    direction: str | None,
    count: int,
    everything: bool,
    as_json: bool,
) -> None:
    """Show which changes set the records of a metric

    Runs that match QUERY (all where there is none) are taken in the order they started; each that was better than
    all before is a record. Between a record and the one before, what changed in code, params, packages and data is
    listed with its share of the step: measured where other runs varied it alone, else by how likely such a change
    matters. It is evidence, not proof.
    """
    from gitruns.compare.blame import blame as explain
    from gitruns.compare.directions import Direction, parse_direction
    from gitruns.compare.settings import read_settings

    repo = app.open_repo()
    known = parse_direction(direction, metric) if direction else read_settings(repo).directions.of(metric)
    if known is Direction.UNKNOWN:
        raise InvalidInputError(
            f"nobody knows which way '{metric}' is better",
            kind="no-direction",
            hint=f"--direction lower, or in gitruns.yaml metrics: {{{metric}: lower}}",
        )
    ids = None if experiment is None else [app.experiment(experiment).id]
    records = explain(repo, metric, repo.search_runs(query, experiment_ids=ids).runs, known, last=count)
    if not records:
        raise NotFoundError(f"no finished run has the metric '{metric}'", kind="metric-not-found", hint="git runs list")
    shown = records[::-1][:count]
    with app.out.paging():
        for place, record in enumerate(shown):
            if as_json:
                app.out.write(json_text(_record(record)) + "\n")
            else:
                text = "".join(f"{line}\n" for line in _lines(app, metric, record, everything))
                app.out.write(("\n" if place else "") + text)


def _lines(app: App, metric: str, record: Record, everything: bool) -> Iterator[str]:
    paint = app.out.paint
    commit = record.run.info.source.base or record.run.info.source.commit
    subject = printable(app.subject_of(commit) or "")
    yield paint(f"{printable(metric)} {number(record.value, 6)}", "heading") + _step(record)
    name = f"{record.run.info.id[:_PLAIN]} {printable(record.run.info.name)}"
    where = f" on {commit[:_PLAIN]} {subject}" if commit else ""
    yield f"{'':{_INDENT}}{paint(name, 'id')}{cut(where, 60)}"
    if record.before is None:
        yield f"{'':{_INDENT}}{paint('the first', 'faint')}"
        return
    if record.code is not None and record.code.unavailable:
        yield f"{'':{_INDENT}}{paint('code: ' + record.code.unavailable, 'faint')}"
    if not record.causes:
        yield f"{'':{_INDENT}}{paint('nothing that is recorded has changed: chance, or what no run records', 'faint')}"
    likely = [cause for cause in record.causes if everything or cause.share >= 0.005]
    for place, cause in enumerate(likely):
        yield from _cause_lines(app, cause, with_code=everything or place < 2)
    if len(record.causes) > len(likely):
        more = f"{len(record.causes) - len(likely)} less likely: --all shows them"
        yield f"{'':{_INDENT}}{paint(more, 'faint')}"


def _step(record: Record) -> str:
    if record.delta is None or record.value_before is None:
        return ""
    text = f"  {record.delta:+.4g}"
    return text + (f" ({record.delta / abs(record.value_before) * 100:+.3g}%)" if record.value_before else "")


def _cause_lines(app: App, cause: Cause, *, with_code: bool) -> Iterator[str]:
    paint = app.out.paint
    what = printable(cause.key)
    if cause.hunk is not None:
        what += f":{cause.hunk.line}" + (f"  {printable(cause.hunk.where)}" if cause.hunk.where else "")
    elif cause.kind != "code":
        what += f"  {_side(cause.before)} → {_side(cause.after)}"
    told = "" if cause.effect is None else paint(f"  {cause.effect.amount:+.3g} in {cause.effect.runs} runs", "faint")
    yield f"{'':{_INDENT}}{cause.share:>4.0%}  {cause.kind:<11} {paint(cut(what, 90), 'key')}{told}"
    if cause.hunk is None or not with_code:
        return
    changed = [line for line in cause.hunk.lines if line[:1] in ("+", "-")]
    for line in changed[:_MAX_LINES]:
        yield f"{'':22}{paint(printable(line), 'added' if line[0] == '+' else 'removed')}"
    if len(changed) > _MAX_LINES:
        yield f"{'':22}{paint(f'… {len(changed) - _MAX_LINES} more lines', 'faint')}"


def _side(value: str | None) -> str:
    return "–" if value is None else cut(printable(value), 40)


def _record(record: Record) -> dict[str, Any]:
    return {
        "run": record.run.info.id,
        "name": record.run.info.name,
        "commit": record.run.info.source.base or record.run.info.source.commit,
        "value": record.value,
        "before": None if record.before is None else record.before.info.id,
        "value_before": record.value_before,
        "delta": record.delta,
        "causes": [_cause_record(cause) for cause in record.causes],
    }


def _cause_record(cause: Cause) -> dict[str, Any]:
    hunk, effect = cause.hunk, cause.effect
    return {
        "kind": cause.kind,
        "key": cause.key,
        "before": cause.before,
        "after": cause.after,
        "share": round(cause.share, 6),
        "measured": None if effect is None else {"effect": effect.amount, "runs": effect.runs},
        "line": None if hunk is None else hunk.line,
        "where": None if hunk is None else hunk.where,
        "lines": None if hunk is None else list(hunk.lines),
    }


COMMAND = blame
