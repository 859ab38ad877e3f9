"""`gitruns.compare(runs)`: runs side by side in Python, named in any way that Python code has them at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gitruns.compare.table import Comparison, compare_runs
from gitruns.entities.ids import RunId
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.repo import Repo


def compare(runs: Any, *, only_changed: bool = False, repo: Repo | None = None) -> Comparison:
    """Returns runs side by side: an object with DataFrames that shows itself as a table in a notebook.

    `runs` are ids, unique prefixes, names or run objects; or what `search_runs` gave; or one text, a query. `repo` is
    the repository around the working directory unless given. Raises `NotFoundError` (kind `run-not-found`) and
    `InvalidInputError` (kinds `nothing-to-compare`, `bad-query`).
    """
    if repo is None:
        from gitruns.repo import Repo as AnyRepo

        repo = AnyRepo.open()
    return compare_runs(repo, _ids(runs, repo), only_changed=only_changed)


def _ids(runs: Any, repo: Repo) -> Sequence[RunId]:
    if isinstance(runs, str):
        return repo.search_run_ids(runs)[0]
    if hasattr(runs, "columns") and "run_id" in runs.columns:  # a DataFrame, as search_runs gives it
        runs = list(runs["run_id"])
    if not isinstance(runs, Iterable):
        raise InvalidInputError(f"'{type(runs).__name__}' names no runs", kind="wrong-type")
    return [repo.resolve_run(_name(run)) for run in runs]


def _name(run: Any) -> str:
    if isinstance(run, str):
        return run
    info = getattr(run, "info", None)
    found = getattr(info, "run_id", None) or getattr(info, "id", None)
    if not isinstance(found, str):
        raise InvalidInputError(f"'{type(run).__name__}' is no run", kind="wrong-type")
    return found
