"""The commands that change models: `register`, `describe`, `tag`, `rename`, `rm`, `restore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import PAIR, RUN, form_of, output_options
from gitruns.cli.commands import WRITING, command
from gitruns.cli.models.arguments import MODEL, VERSION, reason_option
from gitruns.cli.porcelain.tag import TAG_KEYS, print_tags
from gitruns.cli.template import Template
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.registry.registered import RegisteredVersion


@command(
    "register",
    exits=WRITING,
    examples=[
        "git runs model register digits latest model.txt",
        "git runs model register plots runs:/bold-otter-12/plots --alias best",
        "git runs model register scripts train.py -m 'only a script'",
    ],
)
@click.argument("model", type=MODEL)
@click.argument("source", metavar="RUN|ADDRESS|FILE", type=RUN)
@click.argument("path", required=False)
@click.option("-d", "--description", default="", metavar="TEXT", help="What is to be said of this version.")
@click.option("-t", "--tag", "tags", metavar="KEY=VALUE", type=PAIR, multiple=True, help="A tag; may be given again.")
@click.option("--alias", "aliases", metavar="ALIAS", multiple=True, help="An alias for it; may be given again.")
@click.option("--sign/--no-sign", default=None, help="Sign its git tag, or not; as tag.gpgSign says.")
@reason_option
@pass_app
def register(
    app: App,
    model: str,
    source: str,
    path: str | None,
    description: str,
    tags: Sequence[tuple[str, str]],
    aliases: Sequence[str],
    sign: bool | None,
    reason: str,
) -> None:
    """Make a version of a model from a run's files

    The model is created where there is none. PATH is a file or folder among the run's artifacts; without it, all of
    them. An address is runs:/RUN/PATH or models:/NAME/N. A FILE or folder on disk is kept as a run of its own. Prints
    the version.

    In a repository with a remote the number is only claimed, and shown as unconfirmed, until `git runs push` or
    `git runs model confirm` has let the remote decide.
    """
    registry = app.registry()
    address = _address(app, model, source, path)
    registry.ensure_model(model)
    found = registry.create_version(
        model, address, description=description, tags=dict(tags), aliases=aliases, sign=sign, reason=reason
    )
    app.out.line(f"{found.model.name}/{found.version.shown_number}")
    _say_what_it_is(app, found)


def _address(app: App, model: str, source: str, path: str | None) -> str:
    from gitruns.registry import is_address
    from gitruns.tracking.registering import log_as_run

    if is_address(source):
        return "/".join((source.rstrip("/"), path)) if path else source
    if path is None and Path(source).exists():
        return log_as_run(app.session(), Path(source), model)
    run = app.run(source)
    return f"runs:/{run.info.id}/{path.strip('/')}" if path else f"runs:/{run.info.id}"


def _say_what_it_is(app: App, found: RegisteredVersion) -> None:
    version = found.version
    if not version.confirmed:
        decider = app.open_repo().models.decider()
        where = f"'{decider}' decides at the next git runs push" if decider else "no remote is chosen to decide"
        app.out.talk(f"{found.model.name} {version.label}: the number is claimed; {where}")
    elif version.git_tag is None:
        app.out.talk(f"{found.model.name} {version.label}: its git tag is made when the run ends")
    elif not app.registry().has_source(found):
        app.out.talk("the run has no source here: the git tag is at the run itself, and CI cannot start from it")


@command(
    "describe",
    exits=WRITING,
    examples=["git runs model describe digits 'Reads digits'", "git runs model describe digits/1 'Baseline'"],
)
@click.argument("model", metavar="MODEL[/N]", type=VERSION)
@click.argument("text")
@reason_option
@pass_app
def describe(app: App, model: str, text: str, reason: str) -> None:
    """Set what is said of a model or of a version"""
    from gitruns.registry.names import parse_named

    if parse_named(model).names_version:
        found = app.registry().find_version(model)
        app.registry().describe_version(found.model.name, found.version.shown_number, text, reason=reason)
    else:
        app.registry().describe_model(model, text, reason=reason)


@command(
    "tag",
    exits=WRITING,
    examples=["git runs model tag digits team=vision", "git runs model tag digits/1"],
)
@click.argument("model", metavar="MODEL[/N]", type=VERSION)
@click.argument("pairs", metavar="[KEY=VALUE]...", type=PAIR, nargs=-1)
@click.option("-d", "--delete", "deleted", metavar="KEY", multiple=True, help="Delete this tag; may be given again.")
@reason_option
@output_options(TAG_KEYS)
@pass_app
def tag(
    app: App,
    model: str,
    pairs: Sequence[tuple[str, str]],
    deleted: Sequence[str],
    reason: str,
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """Show, set or delete tags of a model or of a version"""
    from gitruns.registry.names import parse_named

    form = form_of(as_json, template, zero)
    both = {key for key, _ in pairs} & set(deleted)
    if both:
        raise InvalidInputError(f"cannot both set and delete tag '{min(both)}'", kind="usage")
    registry = app.registry()
    if parse_named(model).names_version:
        found = registry.find_version(model)
        if pairs or deleted:
            number = found.version.shown_number
            registry.tag_version(found.model.name, number, dict(pairs), delete=deleted, reason=reason)
        else:
            print_tags(app, found.version.tags, form)
    elif pairs or deleted:
        registry.tag_model(model, dict(pairs), delete=deleted, reason=reason)
    else:
        print_tags(app, registry.get_model(model).tags, form)


@command("rename", exits=WRITING, examples=["git runs model rename digits digits-8x8"])
@click.argument("model", type=MODEL)
@click.argument("name")
@reason_option
@pass_app
def rename(app: App, model: str, name: str, reason: str) -> None:
    """Give a model another name

    Versions, aliases and tags go with it. Its ref and the git tags of its versions stay as they are.
    """
    app.registry().rename_model(model, name, reason=reason)
    app.out.talk(f"model '{model}' is now '{name}'")


@command("rm", exits=WRITING, examples=["git runs model rm digits/1", "git runs model rm digits"])
@click.argument("model", metavar="MODEL[/N]", type=VERSION)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@reason_option
@pass_app
def rm(app: App, model: str, dry_run: bool, reason: str) -> None:
    """Take a model or a version out of sight

    Nothing is lost: `git runs model restore` brings it back, though a version comes back without its aliases. Its
    number is never given to another, and its git tag stays.
    """
    from gitruns.registry.names import parse_named

    registry = app.registry()
    if parse_named(model).names_version:
        found = registry.find_version(model)
        shown = f"{found.version.label} of model '{found.model.name}'"
        shown += "".join(f" @{alias}" for alias in found.aliases)
        if not dry_run:
            registry.delete_version(found.model.name, found.version.shown_number, reason=reason)
    else:
        count = len(registry.list_versions(model))
        shown = f"model '{model}' with {count} version{'' if count == 1 else 's'}"
        if not dry_run:
            registry.delete_model(model, reason=reason)
    app.out.talk(f"{'would remove' if dry_run else 'removed'} {shown}")


@command("restore", exits=WRITING, examples=["git runs model rm digits", "git runs model restore digits"])
@click.argument("model", metavar="MODEL[/N]", type=VERSION)
@reason_option
@pass_app
def restore(app: App, model: str, reason: str) -> None:
    """Bring back a model or a version that was taken out of sight"""
    from gitruns.registry.names import parse_named

    named, registry = parse_named(model), app.registry()
    if named.number is not None:
        registry.restore_version(named.model, named.number, reason=reason)
    elif named.names_version:
        raise InvalidInputError(f"'{model}' does not name a version by number", kind="bad-version")
    else:
        registry.restore_model(model, reason=reason)
    app.out.talk(f"restored {model}")
