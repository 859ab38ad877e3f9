"""What stands on the command line of push, fetch, pull and sync: `[REMOTE] [QUERY|RANGE|RUN...]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitruns.cli.app import App
from gitruns.cli.arguments import RUN
from gitruns.errors import NotFoundError

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.sync import Selection

F = TypeVar("F", bound=Callable[..., Any])

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[./~]|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:|[A-Za-z]:[\\/]")
_RANGE = re.compile(r"[^\s'\"=<>()]+\.\.\.?[^\s'\"=<>()]*\Z")


def words_argument(function: F) -> F:
    """Takes the words."""
    return click.argument("words", metavar="[REMOTE] [QUERY|RANGE|RUN]...", type=RUN, nargs=-1)(function)


def read_words(app: App, words: Sequence[str]) -> tuple[str | None, Selection | None]:
    """Returns the remote that is named first, if any, and the runs that the other words choose, None for all.

    A word is a run when it names one, a RANGE when it has two dots; all others together are one QUERY.
    """
    from gitruns.sync.remotes import remote_names

    rest = list(words)
    remote = None
    if rest and (rest[0] in remote_names(app.open_repo()) or is_address(rest[0])):
        remote = rest.pop(0)
    try:
        return remote, choose_runs(app, rest)
    except NotFoundError as error:
        if remote is not None or error.kind != "run-not-found":
            raise
        names = remote_names(app.open_repo())
        raise NotFoundError(
            f"there is no remote and no run '{rest[0]}'",
            kind="remote-not-found",
            hint=f"remotes here: {', '.join(names)}" if names else f"git remote add {rest[0]} URL",
        ) from error


def choose_runs(app: App, words: Sequence[str]) -> Selection | None:
    """Returns the runs that words choose, None for all: a RUN, a RANGE with two dots, all others together a QUERY."""
    from gitruns.sync import select

    if not words:
        return None
    chosen: set[RunId] = set()
    query: list[str] = []
    for word in words:
        if _RANGE.match(word):
            chosen.update(app.open_repo().search_run_ids(f"in {word}", lifecycle=None)[0])
        elif (run_id := _run_named(app, word)) is not None:
            chosen.add(run_id)
        else:
            query.append(word)
    if query:
        if len(query) == 1 and not re.search(r"[\s=<>]", query[0]):  # no query is one bare word
            app.open_repo().resolve_run(query[0])
        chosen.update(app.open_repo().search_run_ids(" ".join(query), lifecycle=None)[0])
    return select(chosen)


def is_address(word: str) -> bool:
    """Returns whether a word is a URL or a path, which no run, range or query begins like."""
    return _ADDRESS.match(word) is not None and (_RANGE.match(word) is None or "://" in word or Path(word).exists())


def _run_named(app: App, word: str) -> RunId | None:
    try:
        return app.open_repo().resolve_run(word)
    except NotFoundError:
        return None
