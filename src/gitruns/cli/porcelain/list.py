"""`git runs list`"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, output_options
from gitruns.cli.commands import command
from gitruns.cli.output import Form
from gitruns.cli.queries import Asked, Query, order_of, search_options
from gitruns.cli.run_json import DETAIL_KEYS, RUN_KEYS, run_details, run_record
from gitruns.cli.template import Template, lookup, text_of
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.cli.run_table import Shown
    from gitruns.cli.tables import Column
    from gitruns.entities.ids import RunId
    from gitruns.entities.run import Run

PIPE_FIELDS = ("id", "name", "status", "experiment", "started", "duration_ms")
"""What a pipe gets of each run, between tabs, when no columns are named."""

FIRST = 50
"""So many runs a terminal is shown unasked."""

_MAX_CURVES = 1000
_MAX_UNREADABLE = 5
_FIELDS = RUN_KEYS | DETAIL_KEYS

Record = Mapping[str, Any]


@command(
    "list",
    examples=[
        "git runs list",
        "git runs list 'loss < 0.1 and model = \"cnn\"' --sort loss",
        "git runs list 'acc > 0.9 or started > -7d'",
        "git runs list main..feature",
        "git runs list --experiment digits --status finished,failed",
        "git runs list --sort -acc -n 5",
        "git runs list --metric acc --metric loss",
        "git runs list --columns id,params.lr,metrics.acc.max",
        "git runs list --format '{short} {name:<20} {metrics.acc:.3f}'",
        "git runs list --csv 'acc > 0.9'",
        "git runs list --json",
        "git runs list --saved",
    ],
)
@search_options
@click.option(
    "-n",
    "--max-count",
    "count",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show at most N runs, 0 for all; a terminal is shown 50 unasked.",
)
@click.option(
    "--sort", "sorts", metavar="FIELD", multiple=True, help="Sort by a field, as acc; -FIELD: greatest first."
)
@click.option("-m", "--metric", "metrics", multiple=True, metavar="KEY", help="Show this metric, the first as a curve.")
@click.option("-c", "--columns", metavar="FIELDS", help="Show these fields, as id,params.lr,metrics.acc.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print CSV with a head: all metrics, params and tags, or --columns."
)
@click.option("--table/--no-table", "table", default=None, help="Draw a table, or print tabs; a pipe gets tabs.")
@click.option("--saved", is_flag=True, help="List the queries that are saved in gitruns.yaml.")
@output_options(_FIELDS)
@pass_app
def list_runs(
    app: App,
    asked: Asked,
    count: int | None,
    sorts: Sequence[str],
    metrics: Sequence[str],
    columns: str | None,
    as_csv: bool,
    table: bool | None,
    saved: bool,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """List runs, the latest first

    QUERY is a condition, as 'acc > 0.9 and model = "cnn"'; or a range of commits, as main..feature, for runs whose
    source lies in it; or @NAME, a query saved in gitruns.yaml. docs/query.md has the language in five minutes.

    On a terminal a table of what fits: running ones with the values they have now, the metrics that are asked about
    or that most runs have, a curve of the first, and the params that differ. A name with `!` says that the source is
    incomplete, status `deleted` that the run was taken out of sight. In a pipe, lines with tabs: id, name, status,
    experiment, start, duration in milliseconds; --columns chooses others.
    """
    form = form_of(as_json, template, zero)
    if saved:
        _print_saved(app)
        return
    if as_csv and not form.for_people:
        raise InvalidInputError("--csv goes neither with --json nor with --format", kind="usage")
    fields = [] if columns is None else _fields(columns)
    listing = _Listing(app, asked, sorts)
    if as_csv:
        listing.print_csv(fields, count or None)
    elif not form.for_people:
        listing.print_records(form, template, count or None)
    elif not (app.out.terminal.is_tty if table is None else table):
        listing.print_lines(fields or [*PIPE_FIELDS, *(f"metrics.{key}" for key in metrics)], count or None)
    else:
        listing.print_table(fields, metrics, count)
    _say_unreadable(app)


def _fields(columns: str) -> list[str]:
    fields = [field.strip() for field in columns.split(",")]
    for field in fields:
        if field.split(".")[0] not in _FIELDS:
            raise InvalidInputError(
                f"there is no field '{field}'", kind="bad-format", hint="fields: " + " ".join(sorted(_FIELDS))
            )
    return fields


class _Listing:
    """Runs that were asked for, in one of the forms in which they are printed."""

    def __init__(self, app: App, asked: Asked, sorts: Sequence[str]) -> None:
        self._app = app
        self._asked = asked
        self._query = Query(app, asked, order_of(app, sorts))
        self._names: Mapping[Any, str] = {}

    # For programs

    def print_records(self, form: Form, template: Template | None, limit: int | None) -> None:
        """Prints JSON, or what a template makes of it."""
        whole = template is not None and bool(template.fields & DETAIL_KEYS)
        with self._app.out.paging():
            for record in self._records(self._found(limit), whole):
                self._app.out.record(record, form)

    def print_lines(self, fields: Sequence[str], limit: int | None) -> None:
        """Prints fields with tabs between them."""
        from gitruns.cli.cells import printable

        rows = self._rows(fields, limit)
        with self._app.out.paging():
            for row in rows:
                self._app.out.line("\t".join(printable(text_of(value)) for value in row))

    def print_csv(self, fields: Sequence[str], limit: int | None) -> None:
        """Prints CSV: the fields, or the table that `git runs export` writes."""
        from gitruns.exchange import csv_row, csv_rows, read_columns

        write = self._app.out.write
        if not fields:
            query = self._query
            found = read_columns(
                self._app.open_repo(), query.text, order_by=query.order_by, max_results=limit, **query.how
            )
            for line in csv_rows(found.columns):
                write(line)
            return
        rows = self._rows(fields, limit)
        write(csv_row(fields))
        for row in rows:
            write(csv_row(list(map(text_of, row))))

    def _rows(self, fields: Sequence[str], limit: int | None) -> Iterator[list[Any]]:
        """Yields the values of fields, run by run; says so when there are no runs."""
        from gitruns.cli.quick_rows import quick_rows

        rows = quick_rows(self._app.open_repo(), self._query, fields, limit, self._app.now_ms)
        if rows is None:
            records = self._records(self._found(limit), _needs_whole(fields))
            return ([lookup(record, field) for field in fields] for record in records)
        first = next(rows, None)
        if first is None:
            self._say_none()
            return iter(())
        return chain([first], rows)

    def _found(self, limit: int | None) -> list[RunId]:
        ids, _ = self._query.ids(limit)
        if not ids:
            self._say_none()
        return ids

    def _records(self, ids: Sequence[RunId], whole: bool) -> Iterator[Record]:
        """Yields records, some read at a time; `whole` ones have what takes reading the run itself."""
        app, repo = self._app, self._app.open_repo()
        names = app.experiment_names()
        for run in map(repo.get_run, ids) if whole else self._query.runs(ids):
            record = run_record(run, names.get(run.info.experiment_id), app.now_ms)
            yield record | run_details(run, app.artifacts_of(run)) if whole else record

    # For people

    def print_table(self, fields: Sequence[str], metrics: Sequence[str], count: int | None) -> None:
        """Draws a table, and says how many runs are not in it when nobody said how many there shall be."""
        from gitruns.cli.tables import Column, render

        out = self._app.out
        limit = count or (None if count == 0 or not out.terminal.is_tty else FIRST)
        ids, more = self._query.ids(limit)
        if not ids:
            self._say_none()
            return
        if fields:
            records = list(self._records(ids, _needs_whole(fields)))
            columns = [
                Column(title=field, cells=[_cell(record, field) for record in records], rank=place, least=8)
                for place, field in enumerate(fields)
            ]
        else:
            columns = self._columns(list(self._query.runs(ids)), metrics)
        with out.paging():
            out.write(render(columns, out.terminal))
            if more and count is None:
                ellipsis = "…" if out.terminal.unicode else "..."
                out.line(out.paint(f"{ellipsis} and {more:,} more: -n 0 shows all", "faint"))

    def _columns(self, runs: Sequence[Run], metrics: Sequence[str]) -> list[Column]:
        from gitruns.cli.run_table import Facts, Shown, run_columns
        from gitruns.repo.curves import curve_points

        app, repo = self._app, self._app.open_repo()
        curve: Callable[[Run, str], Any] = lambda run, key: curve_points(repo, run, key)  # noqa: E731
        if len(runs) > _MAX_CURVES:
            curve = lambda run, key: ()  # noqa: E731  each is read from the run itself
        shown: list[Shown] = [Shown("last", key) for key in metrics]
        asked_metrics, asked_params = mentioned(self._query, runs)
        names: dict[Any, str] = dict(app.experiment_names())
        facts = Facts(experiments=names, now_ms=app.now_ms, curve=curve)
        return run_columns(runs, facts, app.out.terminal, shown or asked_metrics, asked_params)

    def _say_none(self) -> None:
        if self._asked.is_narrow:
            self._app.out.talk("no such runs")
        else:
            self._app.out.talk("no runs yet\nhint: log one: git runs exec -- COMMAND, or import gitruns in your script")


def mentioned(query: Query, runs: Sequence[Run]) -> tuple[list[Shown], list[str]]:
    """Returns the metrics and params that order and query speak of, as far as these runs have them."""
    from gitruns.cli.run_table import Shown
    from gitruns.query import parse_order
    from gitruns.query.ast import AtStep, Entity, Field, Summary
    from gitruns.query.walk import leaves_of, values_in

    values = [item.value for item in parse_order(query.order_by)] + [value for value, _ in values_in(query.tree)]
    metrics: list[Shown] = []
    params: list[str] = []
    for leaf in (leaf for value in values for leaf in leaves_of(value)):
        if isinstance(leaf, Summary):
            metrics.append(Shown(leaf.function, leaf.metric))
        elif isinstance(leaf, AtStep):
            metrics.append(Shown("last", leaf.metric))
        elif isinstance(leaf, Field) and leaf.entity in (Entity.METRIC, Entity.BARE):
            metrics.append(Shown("last", leaf.key))
        if isinstance(leaf, Field) and leaf.entity in (Entity.PARAM, Entity.BARE):
            params.append(leaf.key)
    there = {key for run in runs for key in run.metrics}
    metrics = [one for one in dict.fromkeys(metrics) if one.metric in there]
    return metrics, [key for key in dict.fromkeys(params) if any(key in run.params for run in runs)]


def _print_saved(app: App) -> None:
    from gitruns.cli.cells import printable
    from gitruns.cli.tables import Column, render, tab_separated

    queries = app.open_repo().config.queries
    if not queries:
        app.out.talk("no queries are saved\nhint: save some in gitruns.yaml, as in: queries: {good: acc > 0.9}")
        return
    names, texts = [printable(name) for name in queries], [printable(text) for text in queries.values()]
    if app.out.terminal.is_tty:
        columns = [Column(title="", cells=[f"@{name}" for name in names], styles="key")]
        columns.append(Column(title="", cells=texts, rank=1, least=8))
        app.out.write(render(columns, app.out.terminal, header=False))
    else:
        app.out.write(tab_separated(list(zip(names, texts, strict=True))))


def _say_unreadable(app: App) -> None:
    """Says at the end which runs could not be shown, because they cannot be read."""
    found = app.open_repo().index.unreadable()
    for one in found[:_MAX_UNREADABLE]:
        app.out.talk(f"warning: run '{one.run_id[:8]}' is left out: {one.reason}")
    if len(found) > _MAX_UNREADABLE:
        app.out.talk(f"warning: {len(found) - _MAX_UNREADABLE} more runs are left out: git runs verify lists them")


def _needs_whole(fields: Sequence[str]) -> bool:
    return any(field.split(".")[0] in DETAIL_KEYS for field in fields)


def _cell(record: Record, field: str) -> str:
    from gitruns.cli.cells import printable

    return printable(text_of(lookup(record, field)))


COMMAND = list_runs
