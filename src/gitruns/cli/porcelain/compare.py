"""`git runs compare`"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT, RUN
from gitruns.cli.commands import command
from gitruns.cli.documents import chosen_form, document_options, write_document
from gitruns.cli.output import json_text
from gitruns.cli.queries import Asked, Query
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.compare import Comparison
    from gitruns.entities.ids import RunId
    from gitruns.repo import Repo

_COLUMN = 15
_MAX_RUNS = 1000


@command(
    "compare",
    examples=[
        "git runs compare 91bc bold-otter-12",
        "git runs compare 91bc 3f2a latest --only-changed",
        "git runs compare 'loss < 1' --sort -metrics.acc -n 5",
        "git runs compare 'lr >= 0.01' --csv -o runs.csv",
        "git runs compare 91bc latest --markdown",
    ],
)
@click.argument("runs", metavar="RUN RUN... | QUERY", type=RUN, nargs=-1, required=True)
@click.option("--only-changed", is_flag=True, help="Leave out what is the same in all.")
@click.option("--sort", "sort", metavar="FIELD", help="Order runs by a field, as metrics.acc; -FIELD: greatest first.")
@click.option("-n", "--max-count", "count", type=click.IntRange(min=1), metavar="N", help="Compare at most N runs.")
@click.option("-e", "--experiment", "experiments", multiple=True, type=EXPERIMENT, help="With QUERY: only of this one.")
@document_options("markdown", "html", "csv", "json")
@pass_app
def compare(
    app: App,
    runs: Sequence[str],
    only_changed: bool,
    sort: str | None,
    count: int | None,
    experiments: Sequence[str],
    as_markdown: bool,
    as_html: bool,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
) -> None:
    """Show runs side by side

    Two RUNs or more, or one QUERY in the language of docs/query.md. Metrics show their last values, the best one
    marked where the direction is known; then params, code, data, environment and tags. More runs than fit side by
    side are shown a line each, with metrics and params.
    """
    from gitruns.compare import compare_runs

    form = chosen_form(markdown=as_markdown, html=as_html, csv=as_csv, json=as_json)
    found = compare_runs(app.open_repo(), _chosen(app, runs, experiments))
    if sort is not None:
        found = found.sorted_by(sort)
    if count is not None:
        found = found.in_order(range(min(count, len(found.runs))))
    write_document(app, _text(app, found.only_changed() if only_changed else found, form), output)


def _chosen(app: App, words: Sequence[str], experiments: Sequence[str]) -> list[RunId]:
    repo = app.open_repo()
    if len(words) > 1:
        if experiments:
            raise InvalidInputError("--experiment goes with a query, not with runs", kind="usage", hint="leave it out")
        return [repo.resolve_run(word) for word in words]
    try:
        found, more = Query(app, Asked(words=(words[0],), experiments=tuple(experiments))).ids(_MAX_RUNS)
    except InvalidInputError as error:
        _say_if_it_is_a_run(repo, words[0], error)
        raise
    if not found:
        raise NotFoundError(f"no run matches '{words[0]}'", kind="run-not-found", hint="git runs list")
    if more:
        app.out.talk(f"warning: more than {_MAX_RUNS} runs match; only the latest are compared")
    return found


def _say_if_it_is_a_run(repo: Repo, word: str, error: InvalidInputError) -> None:
    """Raises what is wrong with a query that is no query, when it names a run or could be meant to."""
    try:
        repo.resolve_run(word)
    except NotFoundError:
        if re.fullmatch(r"[\w.-]+", word):  # no query is one bare word
            raise
        return
    except GitRunsError:
        return
    raise InvalidInputError(
        f"'{word}' is one run: there is nothing to compare it with",
        kind="nothing-to-compare",
        hint=f"name another, or compare it with its baseline: git runs diff {word}",
    ) from error


def _text(app: App, found: Comparison, form: str | None) -> str:
    from gitruns.compare.render.comparison_outline import comparison_outline, comparison_rows

    if form == "json":
        from gitruns.compare.render.records import comparison_record

        return json_text(comparison_record(found)) + "\n"
    if form == "csv":
        from gitruns.compare.render.tables import csv_text

        return csv_text(comparison_rows(found))
    if form == "markdown":
        from gitruns.compare.render.markdown import outline_markdown

        return outline_markdown(comparison_outline(found))
    if form == "html":
        from gitruns.compare.render.html import outline_html

        return outline_html(comparison_outline(found))
    from gitruns.cli.outline_page import outline_page

    side_by_side = max((app.out.terminal.width - _COLUMN) // _COLUMN, 2)
    return outline_page(comparison_outline(found, width=side_by_side), app.out.terminal)


COMMAND = compare
