"""`git runs traces`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT, form_of, output_options
from gitruns.cli.commands import command, group
from gitruns.cli.template import Template
from gitruns.cli.trace_text import TRACE_KEYS, name_of, span_record, table, trace_record, tree
from gitruns.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.protocol.trace import TraceInfo


@group("traces", default="list", examples=["git runs traces", "git runs traces show latest"])
def traces() -> None:
    """Look at traces: what an application did with each request

    They come from MLflow, or any program with an OpenTelemetry exporter. Without a command, lists them.
    """


@command(
    "list",
    examples=[
        "git runs traces list",
        "git runs traces list \"status = 'ERROR' AND tags.team = 'red'\"",
        "git runs traces list --sort execution_time_ms --json",
    ],
)
@click.argument("filter", required=False, default="")
@click.option("-e", "--experiment", metavar="EXPERIMENT", type=EXPERIMENT, help="Only those of an experiment.")
@click.option("-n", "--max-count", "limit", type=click.IntRange(1), default=50, help="At most so many; 50 if not said.")
@click.option("--sort", "order", metavar="KEY", multiple=True, help="Order, as 'name ASC'; may be given again.")
@output_options(TRACE_KEYS)
@pass_app
def list_traces(
    app: App,
    filter: str,  # noqa: A002  as help shows it
    experiment: str | None,
    limit: int,
    order: tuple[str, ...],
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """List traces, the latest first

    FILTER is as in mlflow.search_traces, see docs/traces.md. In a pipe, lines with tabs: id, name, state,
    milliseconds, request.
    """
    form = form_of(as_json, template, zero)
    found = _found(app, filter, experiment, limit, order)
    with app.out.paging():
        if not form.for_people:
            for info in found:
                app.out.record(trace_record(info), form)
        elif app.out.terminal.is_tty:
            app.out.write(table(found, app.out.terminal, app.now_ms))
        else:
            from gitruns.cli.cells import printable
            from gitruns.cli.tables import tab_separated

            cells = [(i.id, name_of(i), i.state, str(i.duration_ms or 0), i.request_preview or "") for i in found]
            app.out.write(tab_separated([[printable(cell) for cell in row] for row in cells]))


def _found(app: App, text: str, experiment: str | None, limit: int, order: tuple[str, ...]) -> list[TraceInfo]:
    from gitruns.protocol.errors import ProtocolError
    from gitruns.protocol.trace_search import search_traces

    ids = None if experiment is None else [str(app.experiment(experiment).id)]
    try:
        return search_traces(_hub(app), ids, text, limit, order)[0]
    except ProtocolError as error:
        raise InvalidInputError(error.message, kind="bad-query", hint="see docs/traces.md") from error


def _hub(app: App) -> Hub:
    from gitruns.protocol.hub import local_hub

    return local_hub(app.session())


@command("show", examples=["git runs traces show latest", "git runs traces show latest --json"])
@click.argument("trace")
@output_options(TRACE_KEYS | {"spans"})
@pass_app
def show(app: App, trace: str, as_json: bool, template: Template | None, zero: bool) -> None:
    """Show one trace: its spans as a tree, what went in and out

    TRACE is an id, the beginning of one, or `latest`.
    """
    from gitruns.protocol.errors import ProtocolError
    from gitruns.protocol.trace_spans import get_trace

    form = form_of(as_json, template, zero)
    hub = _hub(app)
    try:
        found = get_trace(hub, _named(app, hub, trace), allow_partial=True)
    except ProtocolError as error:
        raise NotFoundError(f"cannot show trace '{trace}': {error.message}", kind="trace-not-found") from error
    with app.out.paging():
        if form.for_people:
            for line in tree(found.info, found.spans, app.out):
                app.out.line(line)
        else:
            record = {**trace_record(found.info), "spans": [span_record(span) for span in found.spans]}
            app.out.record(record, form)


def _named(app: App, hub: Hub, text: str) -> str:
    """Returns the id that a word means; raises `NotFoundError` (kind `trace-not-found`)."""
    from gitruns.protocol.trace import find_record

    if text != "latest" and find_record(hub, text) is not None:
        return text
    if text == "latest":
        ids = [info.id for info in _found(app, "", None, 1, ())]
    elif "'" in text:
        ids = []
    else:
        plain = text.replace("\\", "").replace("%", "")
        ids = [one.id for one in _found(app, f"request_id LIKE '{plain}%'", None, 20, ())]
        ids = [one for one in ids if one.startswith(text)]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise InvalidInputError(
            f"'{text}' may be several traces: {', '.join(ids[:3])}", kind="ambiguous-trace", hint="write more of the id"
        )
    raise NotFoundError(f"cannot find trace '{text}'", kind="trace-not-found", hint="see git runs traces list")


for _command in (list_traces, show):
    traces.add_command(_command)

COMMAND = traces
