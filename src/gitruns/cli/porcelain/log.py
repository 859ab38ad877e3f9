"""`git runs log`"""

from __future__ import annotations

import textwrap

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, latest_argument, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import command
from gitruns.cli.run_json import LOG_KEYS, log_record
from gitruns.cli.template import Template
from gitruns.cli.times import local


@command(
    "log",
    examples=[
        "git runs log",
        "git runs log latest --oneline",
        "git runs log latest --format '{commit} {subject}'",
    ],
)
@latest_argument
@click.option("--oneline", is_flag=True, help="One line for each commit.")
@click.option("-n", "--max-count", "count", type=click.IntRange(min=0), metavar="N", help="Show at most N commits.")
@output_options(LOG_KEYS)
@pass_app
def log(
    app: App, run: str, oneline: bool, count: int | None, as_json: bool, template: Template | None, zero: bool
) -> None:
    """Show how a run came to be what it is

    A run is a chain of commits: its start, its end, and each edit since, the latest first.
    RUN is the latest one when none is named.
    """
    form = form_of(as_json, template, zero)
    found = app.run(run)
    entries = app.open_repo().run_history(found.info.id)
    if not entries:
        app.out.talk(f"run '{found.info.name}' is still being logged: it has no commits yet")
    paint, width = app.out.paint, max(app.out.terminal.width - 4, 20)
    with app.out.paging():
        for place, entry in enumerate(entries[:count]):
            if not form.for_people:
                app.out.record(log_record(entry), form)
            elif oneline:
                app.out.line(f"{paint(entry.commit[:10], 'id')} {printable(entry.subject)}")
            else:
                subject = textwrap.indent(textwrap.fill(printable(entry.subject), width), "    ")
                app.out.write(
                    ("\n" if place else "")
                    + paint(f"commit {entry.commit}", "id")
                    + f"\nAuthor: {printable(entry.author)}\nDate:   {local(entry.time_ms)}\n\n{subject}\n"
                )


COMMAND = log
