"""Keeps runs: what this clone keeps stays here, whatever others purge.

A kept run that somebody purges is hidden everywhere else and not sent any more; here it stays as it was. A run that was
purged already can be brought back in the same way, as long as this clone still holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.repo.naming import MIN_PREFIX
from gitruns.repo.place import run_not_found

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


def keep_run(repo: Repo, run_id: RunId) -> None:
    """Keeps a run, bringing it back when it was purged and is still held; durable on return.

    Raises `NotFoundError`: kind `run-purged` when nothing here holds it any more.
    """
    repo.store.holding.keep(run_id, _tip_to_keep(repo, run_id))


def unkeep_run(repo: Repo, run_id: RunId) -> bool:
    """Keeps a run no longer and returns whether it was kept; one that others have purged is hidden again."""
    holding = repo.store.holding
    tip = holding.kept(run_id)
    if tip is None:
        return False
    own = repo.store.loose_run_tips().get(run_id)
    if own is not None and repo.store.is_tombstone(own):
        holding.hold(run_id, [tip])  # its time is to begin anew
    holding.keep(run_id, None)
    return True


def kept_runs(repo: Repo) -> list[RunId]:
    """Returns the runs that this clone keeps, by id."""
    return sorted(repo.store.holding.all_kept())


def held_runs(repo: Repo) -> Iterator[tuple[Run, int]]:
    """Yields the purged runs that can still be brought back, and when their purge came here, milliseconds UTC."""
    for run_id, held in sorted(repo.store.holding.all_held().items()):
        if repo.is_purged(run_id):
            try:
                yield repo.store.merged_run(held.tips), held.since_ms
            except GitRunsError:
                continue


def resolve_to_keep(repo: Repo, text: str) -> RunId:
    """Returns the run that a person means: one that is here, or a purged one that is still held."""
    try:
        return repo.resolve_run(text)
    except NotFoundError:
        prefix = text.lower()
        found = [
            run.info.id
            for run, _ in held_runs(repo)
            if run.info.name == text or (len(prefix) >= MIN_PREFIX and run.info.id.startswith(prefix))
        ]
        if len(found) != 1:
            raise
        return found[0]


def _tip_to_keep(repo: Repo, run_id: RunId) -> ObjectId:
    tip = repo.store.run_tip(run_id)
    if tip is None:
        raise run_not_found(run_id)
    if not repo.store.is_tombstone(tip):
        return tip
    held = repo.store.holding.all_held().get(run_id)
    if held is None:
        repo.store.read_run(tip)  # says that it was purged, and by whom
        raise run_not_found(run_id)
    return repo.store.merge_run_tips(held.tips)
