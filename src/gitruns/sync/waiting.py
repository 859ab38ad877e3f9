"""What is still to be shared, and why not yet, as far as can be told without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.sync.fetch import runs_of
from gitruns.sync.plan import Planner
from gitruns.sync.published import Publishing, snapshot_policy
from gitruns.sync.records import has_unsealed
from gitruns.sync.remotes import choose_remote
from gitruns.sync.report import Held
from gitruns.sync.state import read_state

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What stands between a clone and its remote, as last seen.

    `to_push` would go with the next push, `held` would not. `lost` and `rewritten` wait for a person; `quarantined` and
    `ahead` are refs of the remote that were not taken: bad ones, and ones from the future or in a newer format.
    `pending` artifacts exist only here, `pending_bytes` in all. `records` says that there are records to push.
    """

    remote: str
    to_push: tuple[RunId, ...]
    held: tuple[Held, ...]
    lost: tuple[RunId, ...]
    rewritten: tuple[RunId, ...]
    quarantined: tuple[str, ...]
    ahead: tuple[str, ...]
    pending: int
    pending_bytes: int
    records: bool


def what_waits(repo: Repo, remote: str | None = None) -> Waiting | None:
    """Returns what waits, None where there is no remote to share runs through."""
    try:
        target = choose_remote(repo, remote)
    except NotFoundError:
        return None
    state = read_state(repo, target)
    planner = Planner(
        repo,
        state,
        Publishing(repo, target),
        selection=None,
        with_source=False,
        policy=_policy(repo),
        restore=False,
    )
    plan = planner.plan()
    pending = repo.pending_artifacts()
    return Waiting(
        remote=target.shown,
        to_push=tuple(plan.runs),
        held=tuple(plan.held.values()),
        lost=tuple(sorted({run_id for ref in state.lost for run_id in runs_of(repo.store, ref)})),
        rewritten=tuple(sorted({run_id for ref in state.rewritten for run_id in runs_of(repo.store, ref)})),
        quarantined=tuple(sorted(state.quarantined)),
        ahead=tuple(sorted(state.waiting)),
        pending=len(pending),
        pending_bytes=sum(pending.values()),
        records=bool(plan.records) or has_unsealed(repo),
    )


def _policy(repo: Repo) -> str | None:
    try:
        return snapshot_policy(repo)
    except GitRunsError:
        return None
