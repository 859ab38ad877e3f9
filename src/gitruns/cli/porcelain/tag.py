"""`git runs tag`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import PAIR, form_of, output_options, run_argument
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command
from gitruns.cli.output import Form
from gitruns.cli.template import Template
from gitruns.errors import InvalidInputError

TAG_KEYS = frozenset({"key", "value"})


@command(
    "tag",
    exits=WRITING,
    examples=[
        "git runs tag latest",
        "git runs tag latest baseline=yes 'why=smaller steps'",
        "git runs tag latest --delete baseline",
    ],
)
@run_argument
@click.argument("pairs", metavar="[KEY=VALUE]...", type=PAIR, nargs=-1)
@click.option("-d", "--delete", "deleted", metavar="KEY", multiple=True, help="Delete this tag; may be given again.")
@output_options(TAG_KEYS)
@pass_app
def tag(
    app: App,
    run: str,
    pairs: Sequence[tuple[str, str]],
    deleted: Sequence[str],
    as_json: bool,
    template: Template | None,
    zero: bool,
) -> None:
    """Show, set or delete tags of a run

    All changes of one call are one commit; a running run takes them too.
    """
    form = form_of(as_json, template, zero)
    both = {key for key, _ in pairs} & set(deleted)
    if both:
        raise InvalidInputError(f"cannot both set and delete tag '{min(both)}'", kind="usage")
    found = app.run(run)
    if pairs or deleted:
        with app.open_repo().edit(found.info.id) as edit:
            for key, value in pairs:
                edit.set_tag(key, value)
            for key in deleted:
                edit.delete_tag(key)
        return
    print_tags(app, found.shown_tags, form)


def print_tags(app: App, tags: Mapping[str, str], form: Form) -> None:
    """Prints tags by key: for people as they are typed, `key=value`."""
    for key, value in sorted(tags.items()):
        if form.for_people:
            app.out.line(f"{app.out.paint(printable(key), 'key')}={printable(value)}")
        else:
            app.out.record({"key": key, "value": value}, form)


COMMAND = tag
