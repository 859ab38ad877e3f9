"""What a command says when it cannot do its work, on stderr: for people, or one JSON object with `--json`."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import click

from gitruns.cli.cells import printable
from gitruns.cli.exitcodes import BUG, USAGE, exit_code
from gitruns.cli.output import json_text
from gitruns.cli.terminal import Terminal
from gitruns.errors import GitRunsError, GitRunsWarning


def report(error: BaseException, *, as_json: bool, environ: Mapping[str, str]) -> int:
    """Says what went wrong and returns the exit code."""
    facts = _facts(error)
    code = int(facts["exit_code"])
    if code == BUG and environ.get("GITRUNS_DEBUG"):
        traceback.print_exception(type(error), error, error.__traceback__)
    if as_json:
        _say(json_text(facts))
        return code
    terminal = _stderr_terminal(environ)
    _say(terminal.paint("error:", "error") + " " + printable(str(facts["message"]), keep="\n"))
    for line in str(facts["hint"] or "").splitlines():
        _say(terminal.paint("hint:", "hint") + " " + printable(line))
    return code


def show_warnings(environ: Mapping[str, str]) -> None:
    """Has what logging and reading warn of said on stderr in our own form, each time; call within `catch_warnings`."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, GitRunsWarning):
            before(message, category, *place, **more)
            return
        text = printable(str(message).removeprefix("gitruns: "))
        _say(_stderr_terminal(environ).paint("warning:", "hint") + " " + text)

    warnings.simplefilter("always", GitRunsWarning)
    warnings.showwarning = show


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Returns whether `--json` stands among our own arguments, before any `--`."""
    own = list(arguments)[: list(arguments).index("--")] if "--" in arguments else arguments
    return "--json" in own


def _facts(error: BaseException) -> dict[str, Any]:
    if isinstance(error, GitRunsError):
        extra = {key: value for key, value in error.facts.items() if _is_plain(value)}
        return {**extra, **_fact(error.message, error.kind, error.hint, exit_code(error))}
    if isinstance(error, click.ClickException):
        return _fact(_sentence(error), "usage", _usage_hint(error), USAGE)
    if isinstance(error, OSError):
        return _fact(_os_message(error), "system", None, exit_code(error))
    text = f"this is a bug of gitruns: {type(error).__name__}: {error}".rstrip(": ")
    return _fact(text, "internal", "set GITRUNS_DEBUG=1 to see where, and please report it", BUG)


def _fact(message: str, kind: str, hint: str | None, code: int) -> dict[str, Any]:
    return {"message": message, "kind": kind, "hint": hint, "exit_code": code}


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    text = text.replace("is not a valid integer range", "is no whole number").replace(
        "a valid integer", "a whole number"
    )
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.ClickException) -> str | None:
    hint = getattr(error, "hint", None)
    if isinstance(hint, str):
        return hint
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} -h" if isinstance(context, click.Context) else None


def _os_message(error: OSError) -> str:
    name = f"'{os.fsdecode(error.filename)}': " if error.filename is not None else ""
    return name + (error.strerror or str(error)).lower()


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, (str, int, float, bool)) or value is None


def _stderr_terminal(environ: Mapping[str, str]) -> Terminal:
    return Terminal(colour=sys.stderr.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  an error has no other place
