"""`gitruns.compare`: runs side by side; the work is done where comparison lives, loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitruns.compare import Comparison
    from gitruns.repo import Repo


def compare(runs: Any, *, only_changed: bool = False, repo: Repo | None = None) -> Comparison:
    """Returns runs side by side: an object with pandas DataFrames that shows itself as a table in a notebook.

    `runs` are ids, unique prefixes, names or run objects; or what `search_runs` gave; or one text, a query. `repo` is
    the repository around the working directory unless given. Raises `NotFoundError` (kind `run-not-found`) and
    `InvalidInputError` (kinds `nothing-to-compare`, `bad-query`).
    """
    from gitruns.compare.calling import compare as side_by_side

    return side_by_side(runs, only_changed=only_changed, repo=repo)
