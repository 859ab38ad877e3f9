"""`git runs list`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT, form_of, output_options
from gitruns.cli.commands import command
from gitruns.cli.output import Form
from gitruns.cli.run_json import RUN_KEYS, run_record
from gitruns.cli.sorting import sorted_by
from gitruns.cli.template import Template, lookup, text_of
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.entities.run import Lifecycle, Run

STATUSES = ("running", "scheduled", "finished", "failed", "killed")
if TYPE_CHECKING:  # click made it generic after 8.1
    StatusBase = click.ParamType[frozenset[str]]
else:
    StatusBase = click.ParamType


class StatusType(StatusBase):
    """One status, or some with commas between them."""

    name = "status"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """Returns the words in lower case."""
        words = frozenset(word.strip().lower() for word in str(value).split(","))
        for word in words - frozenset(STATUSES):
            self.fail(f"'{word}' is not one of {', '.join(STATUSES)}", param, ctx)
        return words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers the words."""
        return [CompletionItem(word) for word in STATUSES if word.startswith(incomplete.lower())]


PIPE_FIELDS = ("id", "name", "status", "experiment", "started", "duration_ms")
"""What a pipe gets of each run, between tabs, when no columns are named."""


@command(
    "list",
    examples=[
        "git runs list",
        "git runs list --experiment digits --status finished,failed",
        "git runs list --sort -metrics.acc -n 5",
        "git runs list --metric acc --metric loss",
        "git runs list --columns id,params.lr,metrics.acc.max",
        "git runs list --format '{short} {name:<20} {metrics.acc:.3f}'",
        "git runs list --json",
    ],
)
@click.option("-n", "--max-count", "count", type=click.IntRange(min=0), metavar="N", help="Show at most N runs.")
@click.option("-e", "--experiment", "experiments", multiple=True, type=EXPERIMENT, help="Only runs of this experiment.")
@click.option(
    "-s",
    "--status",
    "statuses",
    multiple=True,
    type=StatusType(),
    help="Only runs that stand so: running, scheduled, finished, failed, killed; more than one with commas.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Also runs that were taken out of sight.")
@click.option("--deleted", is_flag=True, help="Only runs that were taken out of sight.")
@click.option("--sort", "sort", metavar="FIELD", help="Sort by a field, as metrics.acc; -FIELD: greatest first.")
@click.option("-m", "--metric", "metrics", multiple=True, metavar="KEY", help="Show this metric, the first as a curve.")
@click.option("-c", "--columns", metavar="FIELDS", help="Show these fields, as id,params.lr,metrics.acc.")
@click.option("--table/--no-table", "table", default=None, help="Draw a table, or print tabs; a pipe gets tabs.")
@output_options(RUN_KEYS)
@pass_app
def list_runs(
    app: App,
    count: int | None,
    experiments: Sequence[str],
    statuses: Sequence[frozenset[str]],
    everything: bool,
    deleted: bool,
    sort: str | None,
    metrics: Sequence[str],
    columns: str | None,
    table: bool | None,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """List runs, the latest first

    On a terminal a table of what fits: running ones with the values they have now, the metrics that most runs have,
    a curve of the first, and the params that differ. A name with `!` says that the source is incomplete, status
    `deleted` that the run was taken out of sight. In a pipe, lines with tabs: id, name, status, experiment, start,
    duration in milliseconds; --columns chooses others.
    """
    form = form_of(as_json, template, zero)
    fields = [] if columns is None else _fields(columns)
    runs = _chosen(app, experiments, statuses, _lifecycle(everything, deleted))
    names = app.experiment_names()
    records: dict[str, dict[str, Any]] = {}

    def record(run: Run) -> dict[str, Any]:
        if run.info.id not in records:
            records[run.info.id] = run_record(run, names.get(run.info.experiment_id), app.now_ms)
        return records[run.info.id]

    if sort is not None:
        runs = sorted_by(runs, sort, record, RUN_KEYS)
    runs = runs if count is None else runs[:count]
    if not form.for_people:
        _print_records(app, [record(run) for run in runs], form)
    elif not runs:
        _say_none(app, filtered=bool(experiments or statuses or deleted))
    else:
        as_table = app.out.terminal.is_tty if table is None else table
        with app.out.paging():
            app.out.write(_text(app, runs, [record(run) for run in runs], names, metrics, sort, fields, as_table))


def _fields(columns: str) -> list[str]:
    fields = [field.strip() for field in columns.split(",")]
    for field in fields:
        if field.split(".")[0] not in RUN_KEYS:
            raise InvalidInputError(
                f"there is no field '{field}'", kind="bad-format", hint="fields: " + " ".join(sorted(RUN_KEYS))
            )
    return fields


def _chosen(
    app: App, experiments: Sequence[str], statuses: Sequence[frozenset[str]], lifecycle: Lifecycle | None
) -> list[Run]:
    ids = [app.experiment(name).id for name in experiments] or None
    runs = app.open_repo().list_runs(experiment_ids=ids, lifecycle=lifecycle)
    wanted = frozenset().union(*statuses)
    return [run for run in runs if not wanted or run.info.status.value.lower() in wanted]


def _lifecycle(everything: bool, deleted: bool) -> Lifecycle | None:
    from gitruns.entities.run import Lifecycle

    if everything:
        return None
    return Lifecycle.DELETED if deleted else Lifecycle.ACTIVE


def _print_records(app: App, records: Sequence[Mapping[str, Any]], form: Form) -> None:
    with app.out.paging():
        for record in records:
            app.out.record(record, form)


def _say_none(app: App, *, filtered: bool) -> None:
    if filtered:
        app.out.talk("no such runs")
    else:
        app.out.talk("no runs yet\nhint: log one: git runs exec -- COMMAND, or import gitruns in your script")


def _text(
    app: App,
    runs: Sequence[Run],
    records: Sequence[Mapping[str, Any]],
    names: Mapping[Any, str],
    metrics: Sequence[str],
    sort: str | None,
    fields: Sequence[str],
    as_table: bool,
) -> str:
    from gitruns.cli.run_table import Facts, run_columns
    from gitruns.cli.tables import Column, render, tab_separated
    from gitruns.repo.curves import curve_points

    terminal = app.out.terminal
    if not as_table:
        shown = fields or [*PIPE_FIELDS, *(f"metrics.{key}" for key in metrics)]
        return tab_separated([[_cell(record, field) for field in shown] for record in records])
    if fields:
        chosen = [
            Column(title=field, cells=[_cell(record, field) for record in records], rank=place, least=8)
            for place, field in enumerate(fields)
        ]
        return render(chosen, terminal)
    asked = list(metrics)
    if not asked and sort is not None and (key := sort.removeprefix("-")).startswith("metrics."):
        asked = [name for name in (key.removeprefix("metrics."),) if any(name in run.metrics for run in runs)]
    facts = Facts(experiments=names, now_ms=app.now_ms, curve=lambda run, key: curve_points(app.open_repo(), run, key))
    return render(run_columns(runs, facts, terminal, asked), terminal)


def _cell(record: Mapping[str, Any], field: str) -> str:
    from gitruns.cli.cells import printable

    return printable(text_of(lookup(record, field)))


COMMAND = list_runs
