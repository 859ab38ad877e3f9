"""Which run a person means: by id, by the beginning of one, by name, or the one started last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.run import MODEL_KIND, Run
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.query import format_query
from gitruns.query.ast import Comparison, Entity, Field, Text
from gitruns.repo.place import run_not_found

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

LATEST = "latest"
MIN_PREFIX = 4
MAX_PREFIX = 32
_SHOWN = 8
_MOST = 1000


def resolve_run_name(repo: Repo, text: str) -> RunId:
    """Returns the run that a text names; raises `NotFoundError` or `InvalidInputError` (kind `ambiguous-run`)."""
    if is_run_id(text):
        return repo.get_run(RunId(text)).info.id
    prefixed = _with_prefix(repo, text)
    if len(prefixed) == 1:
        return prefixed[0]
    if len(prefixed) > 1:
        raise _ambiguous(text, "id", [repo.get_run(run_id) for run_id in prefixed])
    if text == LATEST:
        found, _ = repo.search_run_ids(lifecycle=None, max_results=1)
    else:
        found, _ = repo.search_run_ids(_is_named(text), lifecycle=None, max_results=_MOST)
    if len(found) > 1:
        raise _ambiguous(text, "name", [repo.get_run(run_id) for run_id in found])
    if not found and text == LATEST:
        raise NotFoundError(
            "there are no runs yet",
            kind="run-not-found",
            hint="log one: git runs exec -- COMMAND, or import gitruns in your script",
            run=text,
        )
    if not found:
        raise run_not_found(text)
    return found[0]


def _is_named(name: str) -> str:
    """Returns the query for the runs of a name."""
    return format_query(Comparison("=", Field(Entity.ATTRIBUTE, "run_name"), Text(name)))


def _with_prefix(repo: Repo, text: str) -> list[RunId]:
    prefix = text.lower()
    if not MIN_PREFIX <= len(prefix) <= MAX_PREFIX or not all(digit in "0123456789abcdef" for digit in prefix):
        return []
    query = f"id like '{prefix}%'"
    found, _ = repo.search_run_ids(query, lifecycle=None, max_results=_MOST)
    found += repo.search_run_ids(query, lifecycle=None, kind=MODEL_KIND, max_results=_MOST)[0]
    # A run that cannot be read is named all the same, so that what is wrong with it is said.
    unreadable = [one.run_id for one in repo.index.unreadable() if one.run_id.startswith(prefix)]
    return sorted({*found, *unreadable})


def _ambiguous(text: str, what: str, runs: list[Run]) -> InvalidInputError:
    shown = ", ".join(f"{run.info.id[:12]} ({run.info.name})" for run in runs[:_SHOWN])
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    return InvalidInputError(
        f"run {what} '{text}' is ambiguous: {shown}{more}",
        kind="ambiguous-run",
        hint="give more digits of the id",
        candidates=[run.info.id for run in runs],
    )
