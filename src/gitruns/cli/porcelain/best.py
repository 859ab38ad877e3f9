"""`git runs best`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, output_options
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import NO
from gitruns.cli.queries import METRIC, Asked, Query, joined, search_options
from gitruns.cli.run_json import RUN_KEYS, as_json_value, run_record
from gitruns.cli.template import Template

if TYPE_CHECKING:
    from gitruns.cli.measures import Measure
    from gitruns.cli.tables import Column
    from gitruns.entities.ids import RunId
    from gitruns.entities.run import Run
    from gitruns.entities.values import Scalar

BEST_KEYS = RUN_KEYS | {"value", "group"}


@command(
    "best",
    exits=CHECKING,
    examples=[
        "git runs best loss",
        "git runs best acc --by model",
        "git runs best 'min(loss)' 'model = \"mlp\" or lr < 0.1' -n 3",
        "git runs best acc --by experiment --format '{group.experiment} {id} {value}'",
        "git runs best 'acc - loss' --max --json",
    ],
)
@click.argument("metric", type=METRIC)
@search_options
@click.option("--min", "least", is_flag=True, help="The least value is the best.")
@click.option("--max", "greatest", is_flag=True, help="The greatest value is the best.")
@click.option(
    "-b",
    "--by",
    "groups",
    multiple=True,
    metavar="FIELD",
    help="The best of each experiment, status, user, branch, param or tag; may be given again.",
)
@click.option(
    "-n",
    "--max-count",
    "count",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="So many of each group, one unless said.",
)
@output_options(BEST_KEYS)
@pass_app
def best(
    app: App,
    metric: str,
    asked: Asked,
    least: bool,
    greatest: bool,
    groups: Sequence[str],
    count: int,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> int | None:
    """Find the best run by a metric, of all or of each group

    METRIC is a metric, whose last value counts, or a value in the query language: 'min(loss)', 'acc - loss'. QUERY
    says which runs are looked at. Which value is better is said by --min or --max, else in gitruns.yaml
    (metrics: {acc: higher}), else by the metric's name. In a pipe, lines with tabs: id, name, value, groups.
    """
    from gitruns.cli.measures import direction_of, group_field, measure_of
    from gitruns.compare import Direction

    form = form_of(as_json, template, zero)
    known = app.open_repo().known_keys()
    measure = measure_of(metric, known)
    fields = {name: group_field(name, known) for name in groups}
    higher = direction_of(app, measure, least=least, greatest=greatest) is Direction.HIGHER
    query = Query(app, asked, [f"{measure.text} {'DESC' if higher else 'ASC'}"])
    query.text = joined([piece for piece in (query.text, measure.is_there) if piece])
    found = _best_ids(app, query, fields, count)
    if not found:
        app.out.talk("no such runs")
        return NO
    runs = {run.info.id: run for run in query.runs([run_id for run_id, _ in found])}
    chosen = [(runs[run_id], group) for run_id, group in found if run_id in runs]
    values = _values(app, measure, [run.info.id for run, _ in chosen], query)
    if not form.for_people:
        for record in _records(app, chosen, values):
            app.out.record(record, form)
    elif not app.out.terminal.is_tty:
        _print_lines(app, chosen, values)
    else:
        _print_table(app, chosen, measure, fields)
    return None


Group = Mapping[str, "Scalar"]


def _best_ids(app: App, query: Query, fields: Mapping[str, str], count: int) -> list[tuple[RunId, Group]]:
    """Returns the best runs of each group, the best of all first, each with its group."""
    if not fields:
        return [(run_id, {}) for run_id in query.ids(count)[0]]
    ids, columns = app.open_repo().table(query.text, list(fields.values()), order_by=query.order_by, **query.how)
    seen: Counter[tuple[Any, ...]] = Counter()
    found: list[tuple[RunId, Group]] = []
    for run_id, *group in zip(ids, *(columns[field] for field in fields.values()), strict=True):
        key = tuple((type(value), value) for value in group)
        seen[key] += 1
        if seen[key] <= count:
            found.append((run_id, dict(zip(fields, group, strict=True))))
    return found


def _values(app: App, measure: Measure, ids: Sequence[RunId], query: Query) -> dict[RunId, float]:
    """Returns the value of each run, where it is one of a metric; what is calculated is only ordered by."""
    from gitruns.query.ast import Field, Summary

    if not isinstance(measure.value, (Field, Summary)):
        return {}
    function = measure.value.function if isinstance(measure.value, Summary) else "last"
    (key,) = measure.metrics
    return {run.info.id: getattr(run.metrics[key], function) for run in query.runs(ids) if key in run.metrics}


def _records(app: App, chosen: Sequence[tuple[Run, Group]], values: Mapping[RunId, float]) -> Iterator[dict[str, Any]]:
    names = app.experiment_names()
    for run, group in chosen:
        record = run_record(run, names.get(run.info.experiment_id), app.now_ms)
        yield record | {
            "value": as_json_value(values.get(run.info.id)),
            "group": {name: as_json_value(value) for name, value in group.items()},
        }


def _print_lines(app: App, chosen: Sequence[tuple[Run, Group]], values: Mapping[RunId, float]) -> None:
    from gitruns.cli.cells import printable
    from gitruns.cli.template import text_of

    for run, group in chosen:
        cells = [run.info.id, run.info.name, values.get(run.info.id), *group.values()]
        app.out.line("\t".join(printable(text_of(cell)) for cell in cells))


def _print_table(app: App, chosen: Sequence[tuple[Run, Group]], measure: Measure, fields: Mapping[str, str]) -> None:
    from gitruns.cli.run_table import Facts, Shown, run_columns
    from gitruns.cli.tables import Column, render
    from gitruns.query.ast import Summary
    from gitruns.repo.curves import curve_points

    repo, terminal = app.open_repo(), app.out.terminal
    runs = [run for run, _ in chosen]
    names: dict[Any, str] = dict(app.experiment_names())
    facts = Facts(experiments=names, now_ms=app.now_ms, curve=lambda run, key: curve_points(repo, run, key))
    function = measure.value.function if isinstance(measure.value, Summary) else "last"
    shown = [Shown(function, key) for key in measure.metrics]
    columns = list(run_columns(runs, facts, terminal, shown))
    grouped: list[Column] = []
    for name in fields:
        cells = [_group_text(group[name]) for _, group in chosen]
        grouped.append(Column(title=name, cells=cells, rank=1, least=10, most=24, styles="key"))
    titles = {name.removeprefix("params.") for name in fields} | {name.upper() for name in fields}
    with app.out.paging():
        app.out.write(render([*grouped, *(one for one in columns if one.title not in titles)], terminal))


def _group_text(value: Scalar) -> str:
    from gitruns.cli.cells import param

    return "-" if value is None else param(value)


COMMAND = best
