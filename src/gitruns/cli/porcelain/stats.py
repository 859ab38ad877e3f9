"""`git runs stats`"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, output_options
from gitruns.cli.commands import command
from gitruns.cli.queries import METRIC, Asked, Query, joined, search_options
from gitruns.cli.run_json import as_json_value
from gitruns.cli.template import Template

if TYPE_CHECKING:
    from gitruns.entities.values import Scalar

STATS_KEYS = frozenset("metric group count mean spread min median max".split())


@command(
    "stats",
    examples=[
        "git runs stats loss --by model",
        "git runs stats 'min(loss)' --by model --by lr 'status = finished'",
        "git runs stats acc",
        "git runs stats loss --by model --json",
    ],
)
@click.argument("metric", type=METRIC)
@search_options
@click.option(
    "-b",
    "--by",
    "groups",
    multiple=True,
    metavar="FIELD",
    help="Group by experiment, status, user, branch, a param or a tag; may be given again.",
)
@output_options(STATS_KEYS)
@pass_app
def stats(
    app: App,
    metric: str,
    asked: Asked,
    groups: Sequence[str],
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """Sum up a metric over runs: count, mean, spread, median

    Each run counts once, with the metric's last value; 'min(loss)' and the like take another of its summary. Runs
    without the metric, or where it is NaN, are left out. The spread is the sample standard deviation. In a pipe,
    lines with tabs: groups, count, mean, spread, min, median, max.
    """
    from gitruns.cli.measures import column_measure, group_field, measure_of

    form = form_of(as_json, template, zero)
    repo = app.open_repo()
    known = repo.known_keys()
    measure = column_measure(measure_of(metric, known), known)
    fields = {name: group_field(name, known) for name in groups}
    query = Query(app, asked)
    text = joined([piece for piece in (query.text, measure.is_there) if piece])
    ids, columns = repo.table(text, [measure.text, *fields.values()], **query.how)
    if not ids:
        app.out.talk("no such runs")
        return
    records = _records(measure.title, list(fields), columns[measure.text], [columns[one] for one in fields.values()])
    if not form.for_people:
        for record in records:
            app.out.record(_as_json(record), form)
    else:
        app.out.write(_text(app, records, list(fields)))


def _as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: as_json_value(value) for name, value in record.items() if name != "group"}
    return {**found, "group": {name: as_json_value(value) for name, value in record["group"].items()}}


def _records(
    title: str, names: Sequence[str], values: Sequence[Any], groups: Sequence[Sequence[Scalar]]
) -> list[dict[str, Any]]:
    """Returns a record a group, by the values of the groups: numbers before text, what is missing last."""
    gathered: dict[tuple[Any, ...], list[float]] = {}
    for value, *group in zip(values, *groups, strict=True):
        gathered.setdefault(tuple((type(one), one) for one in group), []).append(float(value))
    found = []
    for key in sorted(gathered, key=lambda key: tuple(_rank(value) for _, value in key)):
        named = {name: value for name, (_, value) in zip(names, key, strict=True)}
        found.append({"metric": title, "group": named, **summary(gathered[key])})
    return found


def _rank(value: Scalar) -> tuple[int, float, str]:
    if value is None:
        return (2, 0.0, "")
    if isinstance(value, str):
        return (1, 0.0, value)
    try:
        return (0, float(value), "")
    except OverflowError:
        return (0, math.inf if value > 0 else -math.inf, "")


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Returns what numbers come to; the spread of a single one, or of infinite ones, is not known: None."""
    finite = all(math.isfinite(value) for value in values)
    return {
        "count": len(values),
        "mean": statistics.fmean(values) if finite else sum(values) / len(values),
        "spread": statistics.stdev(values) if finite and len(values) > 1 else None,
        "min": min(values),
        "median": statistics.median(values),
        "max": max(values),
    }


def _text(app: App, records: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    from gitruns.cli.cells import number, param, printable
    from gitruns.cli.tables import Column, render, tab_separated
    from gitruns.cli.template import text_of

    measured = ("count", "mean", "spread", "min", "median", "max")
    if not app.out.terminal.is_tty:
        return tab_separated(
            [
                [printable(text_of(value)) for value in (*one["group"].values(), *(one[name] for name in measured))]
                for one in records
            ]
        )
    columns = [
        Column(
            title=printable(name),
            cells=["-" if one["group"][name] is None else param(one["group"][name]) for one in records],
            least=6,
            most=32,
            styles="key",
        )
        for name in names
    ]
    for place, name in enumerate(measured):
        cells = ["-" if one[name] is None else number(one[name]) for one in records]
        style = "metric" if name == "mean" else None
        columns.append(Column(title=name, cells=cells, rank=place + 1, right=True, styles=style))
    return render(columns, app.out.terminal)


COMMAND = stats
