"""What a person should know of the state of their runs: what is live, and what is only here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoStatus:
    """Runs by what is notable about them, each the one started last first.

    `live` ones are being written; `unsealed` ones wait in the journal for somebody to seal them; `unpublished` ones
    ran code that no remote has; `incomplete` ones have a source with files left out. `runs` counts all that are
    shown, `records` all traces and the like, of which `unsealed_records` changes are in journals only. `cache_bytes` is
    the size of the artifact cache.
    """

    runs: int
    live: tuple[RunId, ...]
    unsealed: tuple[RunId, ...]
    unpublished: tuple[RunId, ...]
    incomplete: tuple[RunId, ...]
    records: int
    unsealed_records: int
    cache_bytes: int


def repo_status(repo: Repo) -> RepoStatus:
    """Returns the status of a repository."""
    runs = repo.list_runs()
    alive = {run_id: live.alive for run_id in repo.live_ids() if (live := repo.live(run_id)) is not None}
    unpublished = _unpublished(repo, runs)
    return RepoStatus(
        runs=len(runs),
        live=tuple(run.info.id for run in runs if alive.get(run.info.id) is True),
        unsealed=tuple(run.info.id for run in runs if alive.get(run.info.id) is False),
        unpublished=tuple(run.info.id for run in runs if run.info.source.commit in unpublished),
        incomplete=tuple(run.info.id for run in runs if run.info.source.incomplete),
        records=sum(repo.records.kinds().values()),
        unsealed_records=repo.records.unsealed(),
        cache_bytes=repo.cache.total_bytes(),
    )


def _unpublished(repo: Repo, runs: list[Run]) -> set[ObjectId]:
    """Returns the source commits that no remote-tracking branch reaches."""
    sources = {commit for run in runs if (commit := run.info.source.commit) is not None}
    here = sorted(commit for commit in sources if repo.store.has_commit(commit))
    if not here:
        return set()
    revisions = "\n".join([*here, "--not", "--remotes", ""])
    try:
        listed = repo.store.git.run("rev-list", "--stdin", input=revisions.encode())
    except GitRunsError:
        return set()  # a shallow or partial clone may lack what it takes to know
    return sources & {ObjectId(line) for line in listed.decode().split()}
