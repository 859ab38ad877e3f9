"""The runs that a command is given: by name, or by a query that they must meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitruns.cli.app import App
from gitruns.errors import NotFoundError

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId

_QUERY_SIGNS = frozenset(" =<>")


def chosen_runs(app: App, words: Sequence[str]) -> list[RunId]:
    """Returns the runs that the words mean, in their order, each once.

    A word that names no run and reads like a query stands for all runs that meet it, deleted ones too. Raises
    `NotFoundError` for one that is neither.
    """
    repo = app.open_repo()
    found: dict[RunId, None] = {}
    for word in words:
        try:
            found[repo.resolve_run(word)] = None
        except NotFoundError:
            if _QUERY_SIGNS.isdisjoint(word):
                raise
            found |= dict.fromkeys(repo.search_run_ids(word, lifecycle=None)[0])
    return list(found)
