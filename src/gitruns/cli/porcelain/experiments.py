"""`git runs experiments`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT, PAIR, form_of, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command, group
from gitruns.cli.porcelain.tag import TAG_KEYS, print_tags
from gitruns.cli.run_json import EXPERIMENT_KEYS, experiment_record
from gitruns.cli.template import Template
from gitruns.cli.times import relative
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.entities.run import Lifecycle


@group("experiments", default="list", examples=["git runs experiments", "git runs experiments create mnist"])
def experiments() -> None:
    """List and change experiments

    An experiment is a named group of runs. It is named by its name or id. Without a command, lists them.
    """


@command(
    "list",
    examples=["git runs experiments list", "git runs experiments list --all --json"],
)
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that were taken out of sight.")
@output_options(EXPERIMENT_KEYS)
@pass_app
def list_experiments(app: App, everything: bool, as_json: bool, template: Template | None, zero: bool) -> None:
    """List experiments, the latest first

    In a pipe, lines with tabs: id, name, number of runs, lifecycle.
    """
    form = form_of(as_json, template, zero)
    records = _records(app, everything)
    with app.out.paging():
        if not form.for_people:
            for record in records:
                app.out.record(record, form)
        else:
            app.out.write(_listing(app, records))


def _records(app: App, everything: bool) -> list[dict[str, Any]]:
    from gitruns.entities.run import Lifecycle

    repo = app.open_repo()
    found = repo.list_experiments(lifecycle=None if everything else Lifecycle.ACTIVE)
    runs = Counter(repo.table("", ["experiment_id"])[1]["experiment_id"])
    for experiment in found:
        if experiment.lifecycle is Lifecycle.DELETED:  # and its runs with it: those count that are not by themselves
            own = repo.index.runs(repo.search_run_ids(experiment_ids=[experiment.id], lifecycle=None)[0])
            runs[experiment.id] = sum(one.run.info.lifecycle is Lifecycle.ACTIVE for one in own)
    return [experiment_record(experiment, runs[experiment.id]) for experiment in found]


def _listing(app: App, records: Sequence[dict[str, Any]]) -> str:
    from gitruns.cli.tables import Column, render, tab_separated

    if not app.out.terminal.is_tty:
        return tab_separated([[r["id"], printable(r["name"]), str(r["runs"]), r["lifecycle"]] for r in records])
    columns = [
        Column(title="EXPERIMENT", cells=[printable(r["name"]) for r in records], least=10, most=40, styles="key"),
        Column(title="RUNS", cells=[str(r["runs"]) for r in records], rank=1, right=True),
        Column(title="CHANGED", cells=[_changed(r, app.now_ms) for r in records], rank=2),
        Column(title="ID", cells=[r["id"] for r in records], rank=3, styles="id"),
        Column(title="TAGS", cells=[_tags(r) for r in records], rank=4, least=8),
    ]
    return render([column for column in columns if column.title != "TAGS" or any(column.cells)], app.out.terminal)


def _changed(record: dict[str, Any], now_ms: int) -> str:
    if record["lifecycle"] == "deleted":
        return "deleted"
    return relative(record["last_update_time_ms"], now_ms) if record["last_update_time_ms"] else "-"


def _tags(record: dict[str, Any]) -> str:
    return printable(" ".join(f"{key}={value}" for key, value in sorted(record["tags"].items())))


@command("create", exits=WRITING, examples=["git runs experiments create mnist -t owner=ada"])
@click.argument("name")
@click.option("-t", "--tag", "tags", metavar="KEY=VALUE", type=PAIR, multiple=True, help="A tag; may be given again.")
@pass_app
def create(app: App, name: str, tags: Sequence[tuple[str, str]]) -> None:
    """Create an experiment and print its id

    Clones that create one of the same name agree on its id.
    """
    app.out.line(app.open_repo().create_experiment(name, dict(tags)))


@command("rename", exits=WRITING, examples=["git runs experiments rename digits digits-8x8"])
@click.argument("experiment", type=EXPERIMENT)
@click.argument("name")
@pass_app
def rename(app: App, experiment: str, name: str) -> None:
    """Give an experiment another name

    Its id and its runs stay.
    """
    found = app.experiment(experiment)
    app.open_repo().rename_experiment(found.id, name)
    app.out.talk(f"experiment {found.id} is now '{name}', was '{found.name}'")


@command("rm", exits=WRITING, examples=["git runs experiments rm digits"])
@click.argument("experiment", type=EXPERIMENT)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@pass_app
def rm(app: App, experiment: str, dry_run: bool) -> None:
    """Take an experiment and its runs out of sight

    Nothing is lost: `git runs experiments restore` brings both back.
    """
    from gitruns.entities.run import Lifecycle

    _move(app, experiment, Lifecycle.DELETED, dry_run=dry_run)


@command("restore", exits=WRITING, examples=["git runs experiments rm digits", "git runs experiments restore digits"])
@click.argument("experiment", type=EXPERIMENT)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@pass_app
def restore(app: App, experiment: str, dry_run: bool) -> None:
    """Bring back an experiment and its runs"""
    from gitruns.entities.run import Lifecycle

    _move(app, experiment, Lifecycle.ACTIVE, dry_run=dry_run)


def _move(app: App, name: str, to: Lifecycle, *, dry_run: bool) -> None:
    verb = "remove" if to.value == "deleted" else "restore"
    found = app.experiment(name)
    runs = app.open_repo().count_runs(experiment_ids=[found.id], lifecycle=None)
    shown = f"experiment '{found.name}' with {runs} run{'' if runs == 1 else 's'}"
    if found.lifecycle is to:
        app.out.talk(f"nothing to {verb}: {shown}")
    elif dry_run:
        app.out.talk(f"would {verb} {shown}")
    else:
        app.open_repo().set_experiment_lifecycle(found.id, to)
        app.out.talk(f"{verb}d {shown}")


@command(
    "tag",
    exits=WRITING,
    examples=["git runs experiments tag digits owner=ada", "git runs experiments tag digits"],
)
@click.argument("experiment", type=EXPERIMENT)
@click.argument("pairs", metavar="[KEY=VALUE]...", type=PAIR, nargs=-1)
@click.option("-d", "--delete", "deleted", metavar="KEY", multiple=True, help="Delete this tag; may be given again.")
@output_options(TAG_KEYS)
@pass_app
def tag(
    app: App,
    experiment: str,
    pairs: Sequence[tuple[str, str]],
    deleted: Sequence[str],
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """Show, set or delete tags of an experiment"""
    form = form_of(as_json, template, zero)
    both = {key for key, _ in pairs} & set(deleted)
    if both:
        raise InvalidInputError(f"cannot both set and delete tag '{min(both)}'", kind="usage")
    found, repo = app.experiment(experiment), app.open_repo()
    for key, value in pairs:
        repo.set_experiment_tag(found.id, key, value)
    for key in deleted:
        repo.delete_experiment_tag(found.id, key)
    if not pairs and not deleted:
        print_tags(app, found.tags, form)


for _command in (list_experiments, create, rename, rm, restore, tag):
    experiments.add_command(_command)

COMMAND = experiments
