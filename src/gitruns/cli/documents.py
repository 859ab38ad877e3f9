"""The options of commands that write a document: `--markdown`, `--html`, `--csv`, `--json`, and `--output`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gitruns.cli.app import App
from gitruns.errors import AccessDeniedError, InvalidInputError

F = TypeVar("F", bound=Callable[..., Any])

_HELP = {
    "markdown": "Print Markdown, as for a comment on GitHub or GitLab.",
    "html": "Print one HTML file that needs nothing else.",
    "csv": "Print CSV, numbers with all their digits.",
    "json": "Print one JSON object.",
}


def document_options(*forms: str) -> Callable[[F], F]:
    """Takes the options of some forms, and `--output FILE`."""

    def decorate(function: F) -> F:
        add = click.option(
            "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write into FILE instead of stdout."
        )
        function = add(function)
        for form in reversed(forms):
            function = click.option(f"--{form}", f"as_{form}", is_flag=True, help=_HELP[form])(function)
        return function

    return decorate


def chosen_form(**asked: bool) -> str | None:
    """Returns the one form that was asked for, None for people; raises `InvalidInputError` for more than one."""
    chosen = [form for form, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise InvalidInputError(
            f"--{chosen[0]} and --{chosen[1]} cannot both be", kind="usage", hint="leave one of them out"
        )
    return chosen[0] if chosen else None


def write_document(app: App, text: str, output: Path | None) -> None:
    """Writes a document to a file, or to stdout (through the pager on a terminal)."""
    if output is None:
        with app.out.paging():
            app.out.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise AccessDeniedError(f"cannot write '{output}': {why}", kind="not-written") from error
