"""The commands that show models: `list`, `show`, `versions`, `search`, `log`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import command
from gitruns.cli.models.arguments import MODEL, VERSION
from gitruns.cli.models.records import (
    LINEAGE_KEYS,
    MODEL_KEYS,
    MODEL_LOG_KEYS,
    VERSION_KEYS,
    lineage_record,
    model_record,
    version_record,
)
from gitruns.cli.models.tables import model_page, models_table, version_page, versions_table
from gitruns.cli.output import Form
from gitruns.cli.template import Template
from gitruns.cli.times import iso, local


@command("list", examples=["git runs model", "git runs model list --all --json"])
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that were taken out of sight.")
@output_options(MODEL_KEYS)
@pass_app
def list_models(app: App, everything: bool, as_json: bool, template: Template | None, zero: bool) -> None:
    """List registered models, by name

    In a pipe, lines with tabs: name, number of versions, latest version, aliases, lifecycle.
    """
    from gitruns.entities.status import Lifecycle

    form = form_of(as_json, template, zero)
    found = app.registry().list_models(None if everything else Lifecycle.ACTIVE)
    _print_models(app, [model_record(model) for model in found], form)
    if not found and form.for_people:
        app.out.talk("no model is registered yet: git runs model register NAME RUN")


def _print_models(app: App, records: Sequence[dict[str, Any]], form: Form) -> None:
    with app.out.paging():
        if form.for_people:
            app.out.write(models_table(records, app.out.terminal, app.now_ms))
            return
        for record in records:
            app.out.record(record, form)


def _print_versions(app: App, records: Sequence[dict[str, Any]], form: Form, *, model: bool) -> None:
    with app.out.paging():
        if form.for_people:
            app.out.write(versions_table(records, app.out.terminal, app.now_ms, model=model))
            return
        for record in records:
            app.out.record(record, form)


@command(
    "versions",
    examples=["git runs model versions digits", "git runs model versions digits --format '{version} {run_id}'"],
)
@click.argument("model", type=MODEL)
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that were taken out of sight.")
@output_options(VERSION_KEYS)
@pass_app
def versions(app: App, model: str, everything: bool, as_json: bool, template: Template | None, zero: bool) -> None:
    """List the versions of a model, by number

    In a pipe, lines with tabs: model, number, stage, aliases, run, digest.
    """
    from gitruns.entities.status import Lifecycle

    form = form_of(as_json, template, zero)
    found = app.registry().list_versions(model, None if everything else Lifecycle.ACTIVE)
    _print_versions(app, [version_record(one) for one in found], form, model=False)
    if not found and form.for_people:
        app.out.talk(f"model '{model}' has no version yet: git runs model register {model} RUN")


@command(
    "show",
    examples=[
        "git runs model show digits",
        "git runs model show digits@champion",
        "git runs model show digits/1 --format '{digest} {source_commit}'",
    ],
)
@click.argument("model", metavar="MODEL[/N|@ALIAS]", type=VERSION)
@output_options(MODEL_KEYS | VERSION_KEYS | LINEAGE_KEYS)
@pass_app
def show(app: App, model: str, as_json: bool, template: Template | None, zero: bool) -> None:
    """Show a model or a version: what run, code and data made it"""
    from gitruns.registry import lineage_of
    from gitruns.registry.names import parse_named

    form, registry = form_of(as_json, template, zero), app.registry()
    if not parse_named(model).names_version:
        found = registry.get_model(model)
        record = model_record(found)
        records = [version_record(one) for one in registry.list_versions(model)]
        with app.out.paging():
            if form.for_people:
                app.out.write(model_page(record, records, app.out.terminal, app.now_ms))
            else:
                app.out.record(record, form)
        return
    one = registry.find_version(model)
    record = version_record(one) | lineage_record(lineage_of(registry, one))
    if form.for_people:
        app.out.write(version_page(record | {"model_id": one.model.id}, app.out.terminal))
    else:
        app.out.record(record, form)


@command(
    "search",
    examples=[
        "git runs model search \"name like 'dig%'\"",
        "git runs model search --versions 'stage = none and alias = champion'",
        "git runs model search --versions --sort -created",
    ],
)
@click.argument("query", default="")
@click.option("--versions", "of_versions", is_flag=True, help="Search versions, not models.")
@click.option(
    "--sort", "--order-by", "order", metavar="FIELD", multiple=True, help="Sort by a field; -FIELD: greatest first."
)
@click.option("-n", "--max-count", "count", type=click.IntRange(min=1), metavar="N", help="Show at most N.")
@output_options(MODEL_KEYS | VERSION_KEYS)
@pass_app
def search(
    app: App,
    query: str,
    of_versions: bool,
    order: Sequence[str],
    count: int | None,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """Find models, or versions of all models, by a query

    Fields of a model: name, created, updated, versions, description, tags.KEY. Of a version: model, version, stage,
    alias, run_id, source, digest, user, created, updated, confirmed, description, tags.KEY. All of MLflow's filters
    can be said.
    """
    from gitruns.registry import search_models, search_versions

    form, registry = form_of(as_json, template, zero), app.registry()
    if of_versions:
        found = search_versions(registry, query, order_by=order, max_results=count)
        _print_versions(app, [version_record(one) for one in found.items], form, model=True)
    else:
        models = search_models(registry, query, order_by=order, max_results=count)
        _print_models(app, [model_record(one) for one in models.items], form)


@command("log", examples=["git runs model log digits", "git runs model log digits --oneline"])
@click.argument("model", type=MODEL)
@click.option("--oneline", is_flag=True, help="One line for each commit.")
@click.option("-n", "--max-count", "count", type=click.IntRange(min=0), metavar="N", help="Show at most N commits.")
@output_options(MODEL_LOG_KEYS)
@pass_app
def log(
    app: App, model: str, oneline: bool, count: int | None, as_json: bool, template: Template | None, zero: bool
) -> None:
    """Show all that happened to a model: who, when, what and why

    Each registration, promotion and edit is a commit. The reason is what was given with -m.
    """
    form = form_of(as_json, template, zero)
    paint, width = app.out.paint, max(app.out.terminal.width - 4, 20)
    with app.out.paging():
        for place, entry in enumerate(app.registry().history(model)[:count]):
            if not form.for_people:
                facts = {"commit": entry.commit, "time_ms": entry.time_ms, "time": iso(entry.time_ms)}
                said = {"author": entry.author, "subject": entry.subject, "reason": entry.reason or None}
                app.out.record({**facts, **said}, form)
            elif oneline:
                app.out.line(f"{paint(entry.commit[:10], 'id')} {printable(entry.subject)}")
            else:
                paragraphs = [one.replace("\n", " ") for one in (entry.subject, *entry.reason.split("\n\n")) if one]
                told = "\n\n".join(textwrap.indent(textwrap.fill(printable(one), width), "    ") for one in paragraphs)
                app.out.write(
                    ("\n" if place else "")
                    + paint(f"commit {entry.commit}", "id")
                    + f"\nAuthor: {printable(entry.author)}\nDate:   {local(entry.time_ms)}\n\n{told}\n"
                )
