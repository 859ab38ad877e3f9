"""Which run a person means: by id, by the beginning of one, by name, or the one started last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId, is_run_id
from gitruns.entities.run import Run
from gitruns.errors import InvalidInputError
from gitruns.repo.place import run_not_found

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

LATEST = "latest"
MIN_PREFIX = 4
_SHOWN = 8


def resolve_run_name(repo: Repo, text: str) -> RunId:
    """Returns the run that a text names; raises `NotFoundError` or `InvalidInputError` (kind `ambiguous-run`)."""
    if is_run_id(text):
        return repo.get_run(RunId(text)).info.id
    prefixed = _with_prefix(repo, text)
    if len(prefixed) == 1:
        return prefixed[0]
    if len(prefixed) > 1:
        raise _ambiguous(text, "id", [repo.get_run(run_id) for run_id in prefixed])
    runs = repo.list_runs(lifecycle=None)
    if text == LATEST:
        if not runs:
            raise run_not_found(text)
        return runs[0].info.id
    named = [run for run in runs if run.info.name == text]
    if len(named) > 1:
        raise _ambiguous(text, "name", named)
    if not named:
        raise run_not_found(text)
    return named[0].info.id


def _with_prefix(repo: Repo, text: str) -> list[RunId]:
    prefix = text.lower()
    if len(prefix) < MIN_PREFIX or not all(digit in "0123456789abcdef" for digit in prefix):
        return []
    ids = {*repo.store.run_tips(), *repo.live_ids(), *repo.elsewhere.runs()}
    return sorted(run_id for run_id in ids if run_id.startswith(prefix))


def _ambiguous(text: str, what: str, runs: list[Run]) -> InvalidInputError:
    shown = ", ".join(f"{run.info.id[:12]} ({run.info.name})" for run in runs[:_SHOWN])
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    return InvalidInputError(
        f"run {what} '{text}' is ambiguous: {shown}{more}",
        kind="ambiguous-run",
        hint="give more digits of the id",
        candidates=[run.info.id for run in runs],
    )
