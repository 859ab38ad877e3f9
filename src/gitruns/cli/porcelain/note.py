"""`git runs note`"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import run_argument
from gitruns.cli.cells import printable
from gitruns.cli.commands import WRITING, command
from gitruns.errors import InvalidInputError

_HELP = "\n# Write the note of run '{name}' above. These lines are left out; an empty note changes nothing.\n"


@command(
    "note",
    exits=WRITING,
    examples=[
        "git runs note latest",
        "git runs note latest -m 'Diverges after 40 epochs.' -m 'Try a smaller step.'",
        "git runs note latest -F - < README.md",
        "git runs note latest --delete",
    ],
)
@run_argument
@click.option(
    "-m", "--message", "paragraphs", metavar="TEXT", multiple=True, help="The note; again for a paragraph more."
)
@click.option("-F", "--file", "file", type=click.File(encoding="utf-8"), help="Read the note from a file, - for stdin.")
@click.option("-e", "--edit", "in_editor", is_flag=True, help="Write the note in your editor.")
@click.option("-d", "--delete", is_flag=True, help="Delete the note.")
@pass_app
def note(app: App, run: str, paragraphs: Sequence[str], file: TextIO | None, in_editor: bool, delete: bool) -> None:
    """Show or write the note of a run

    A note is text about a run: why it was made, what it showed. It is the tag mlflow.note.content.
    """
    from gitruns.entities.run import NOTE_TAG

    if sum((bool(paragraphs), file is not None, in_editor, delete)) > 1:
        raise InvalidInputError("use one of -m, -F, -e and -d", kind="usage")
    found = app.run(run)
    text = "\n\n".join(paragraphs) if paragraphs else _text_of(file) if file is not None else None
    if in_editor:
        text = _edited(app, found.note, found.info.name)
        if text is None:
            app.out.talk("the note is as it was")
            return
    if text is None and not delete:
        if found.note:
            app.out.line(printable(found.note, keep="\n\t"))
        return
    with app.open_repo().edit(found.info.id) as edit:
        if delete:
            edit.delete_tag(NOTE_TAG)
        else:
            edit.set_tag(NOTE_TAG, (text or "").strip("\n"))


def _text_of(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"cannot read '{file.name}': it is not UTF-8", kind="not-utf-8") from error


def _edited(app: App, before: str, name: str) -> str | None:
    """Returns what the user's editor made of the note; None when that is nothing new."""
    if not sys.stdin.isatty():
        raise InvalidInputError("cannot open an editor: this is no terminal", kind="no-terminal", hint="use -m or -F")
    text = click.edit(before + _HELP.format(name=printable(name)), editor=app.editor(), extension=".md")
    if text is None:
        return None
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("# Write the note of run '"))
    return kept.strip() if kept.strip() and kept.strip() != before else None


COMMAND = note
