"""`git runs diff`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import RUN
from gitruns.cli.commands import BEHIND_DASHES, CHECKING, DashedCommand, command
from gitruns.cli.documents import chosen_form, document_options, write_document
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.output import json_text
from gitruns.errors import NotFoundError

if TYPE_CHECKING:
    from gitruns.compare import Baseline, RunDiff
    from gitruns.entities.run import Run


@command(
    "diff",
    cls=DashedCommand,
    exits=CHECKING,
    examples=[
        "git runs diff",
        "git runs diff bold-otter-12",
        "git runs diff 91bc bold-otter-12 --stat",
        "git runs diff 91bc latest -p -- src train.py",
        "git runs diff 91bc latest --markdown",
        "git runs diff 91bc latest --html -o difference.html",
    ],
)
@click.argument("runs", metavar="[A [B]] [-- PATH...]", type=RUN, nargs=-1)
@click.option("-p", "--patch", is_flag=True, help="Show the difference of the code line by line.")
@click.option("--stat", is_flag=True, help="Show only the code: the files, and how many lines.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also metrics that are equal, and the machine's.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when anything differs.")
@document_options("markdown", "html", "csv", "json")
@click.pass_context
@pass_app
def diff(
    app: App,
    ctx: click.Context,
    runs: Sequence[str],
    patch: bool,
    stat: bool,
    everything: bool,
    exit_code: bool,
    as_markdown: bool,
    as_html: bool,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
) -> int:
    """Show what differs between two runs: results, params, code

    From A to B: metrics with their last and best values, better or worse as gitruns.yaml or the name says, params,
    code, packages, hardware, datasets, artifacts, notes. Without B, A is compared with its baseline: the newest run
    of the nearest commit before it that has one in the same experiment. Without A, the latest run. PATHs limit what
    is shown of the code.
    """
    from gitruns.compare import diff_runs

    form = chosen_form(markdown=as_markdown, html=as_html, csv=as_csv, json=as_json)
    named, paths = _split(ctx, runs)
    before, after, baseline = _sides(app, named)
    wants_patch = patch or (form == "html" and not stat)
    found = diff_runs(app.open_repo(), before.info.id, after.info.id, patch=wants_patch, paths=paths)
    if stat:
        found = _only_code(found)
    write_document(app, _text(app, found, baseline, form, everything), output)
    return NO if exit_code and found else DONE


def _split(ctx: click.Context, words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Parts runs from paths, which stand behind `--`."""
    if len(words) > 2:
        raise click.UsageError(f"'{words[2]}' is one run too many; for more than two there is 'git runs compare'", ctx)
    return words, ctx.meta[BEHIND_DASHES]


def _sides(app: App, named: Sequence[str]) -> tuple[Run, Run, Baseline | None]:
    from gitruns.compare import find_baseline

    if len(named) == 2:
        return app.run(named[0]), app.run(named[1]), None
    after = app.run(named[0] if named else "latest")
    baseline = find_baseline(app.open_repo(), after)
    if baseline is None:
        raise NotFoundError(
            f"there is nothing to compare run '{after.info.name}' with: it is the first of its experiment",
            kind="no-baseline",
            hint=f"name another run: git runs diff OTHER {after.info.id[:8]}",
        )
    return baseline.run, after, baseline


def _only_code(found: RunDiff) -> RunDiff:
    from dataclasses import replace

    from gitruns.compare.environment import EnvironmentDiff

    return replace(
        found,
        params=(),
        metrics=(),
        tags=(),
        facts=(),
        environment=EnvironmentDiff(),
        datasets=(),
        artifacts=(),
        note=None,
    )


def _text(app: App, found: RunDiff, baseline: Baseline | None, form: str | None, everything: bool) -> str:
    from gitruns.compare.render.diff_outline import diff_outline

    if form == "json":
        from gitruns.compare.render.records import diff_record

        return json_text(diff_record(found, baseline)) + "\n"
    if form == "csv":
        from gitruns.compare.render.records import diff_rows
        from gitruns.compare.render.tables import csv_text

        return csv_text(diff_rows(found))
    outline = diff_outline(found, baseline, everything=everything)
    if form == "markdown":
        from gitruns.compare.render.markdown import outline_markdown

        return outline_markdown(outline)
    if form == "html":
        from gitruns.compare.render.html import outline_html

        return outline_html(outline)
    from gitruns.cli.outline_page import outline_page

    return outline_page(outline, app.out.terminal)


COMMAND = diff
