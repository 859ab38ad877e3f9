"""Deletes runs for good: looks at what that takes, says it, and does it.

The run's ref becomes a tombstone without parent, segments that hold the run are made anew without it, mirrors and
reflogs let it go. What the run was is held by a ref of this clone alone, until `git runs gc` some time later; its
artifacts are in the cache as long. Source: docs/format.md, "Tombstones"; docs/design/006-archive.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.entities.tombstone import Tombstone
from gitruns.errors import ConflictError, GitRunsError, InvalidInputError
from gitruns.gitstore import refs
from gitruns.journal import remove
from gitruns.repo.archiving import drop_from_segments, readable_segments
from gitruns.repo.garbage import mark_unnamed
from gitruns.repo.needed import needed_digests
from gitruns.repo.runlog import now_ms

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

_ATTEMPTS = 20
_SHOWN = 5
_PIECE = 200


@dataclass(slots=True, kw_only=True)
class PurgePlan:
    """What purging some runs would do, and what it would not reach.

    `artifacts` and `artifact_bytes` are in the cache here. `segments` is how many archive segments are made anew.
    `shared_sources`: of a run that ran changed files, the other runs that ran the same ones and so keep them.
    `reachable_from`: branches and git tags that hold commits of the runs and so keep them, with those runs. `remotes`
    have some of the runs, as far as known. `unreadable` runs go too, whatever was in them.
    """

    runs: list[Run] = field(default_factory=list)
    unreadable: list[RunId] = field(default_factory=list)
    artifacts: int = 0
    artifact_bytes: int = 0
    segments: int = 0
    shared_sources: dict[RunId, list[RunId]] = field(default_factory=dict)
    reachable_from: dict[str, list[RunId]] = field(default_factory=dict)
    remotes: dict[str, int] = field(default_factory=dict)

    @property
    def run_ids(self) -> list[RunId]:
        """The runs that would go."""
        return [*(run.info.id for run in self.runs), *self.unreadable]


def plan_purge(repo: Repo, run_ids: Collection[RunId]) -> PurgePlan:
    """Returns what purging runs would do; changes nothing.

    Raises `InvalidInputError`: kind `run-is-live` for a run that is being written, `run-is-kept` for one that this
    clone keeps, `run-has-versions` when a version of a registered model stands on one; `NotFoundError` for a run that
    is not here.
    """
    plan = PurgePlan()
    chosen = list(dict.fromkeys(run_ids))
    for run_id in chosen:
        _refuse_live_or_kept(repo, run_id)
    refuse_versions(repo, chosen)
    for run_id in chosen:
        try:
            plan.runs.append(repo.get_run(run_id))
        except GitRunsError:
            if repo.store.run_tip(run_id) is None or repo.is_purged(run_id):
                raise
            plan.unreadable.append(run_id)
    _count_artifacts(repo, plan)
    plan.segments = sum(not held.keys().isdisjoint(chosen) for held in readable_segments(repo.store).values())
    plan.shared_sources = _shared_sources(repo, plan.runs)
    plan.reachable_from = _reachable_from(repo, chosen)
    mirrored = _mirrored(repo, chosen)
    plan.remotes = {
        remote: len({run_id for _, found in held.items() for run_id in found}) for remote, held in mirrored.items()
    }
    return plan


def purge_runs(repo: Repo, run_ids: Collection[RunId], *, reason: str | None = None, hold: bool = True) -> list[RunId]:
    """Purges runs and returns them; durable on return. Refuses what `plan_purge` refuses.

    Without `hold` nothing here keeps what they were: their bytes go with git's next gc, and cannot be brought back.
    """
    chosen = list(dict.fromkeys(run_ids))
    for run_id in chosen:
        _refuse_live_or_kept(repo, run_id)
    refuse_versions(repo, chosen)
    mirrored = _mirrored(repo, chosen)
    for run_id in chosen:
        _bury(repo, run_id, reason)
    repo.store.backend.sync_all()
    drop_from_segments(repo.store, readable_segments(repo.store), chosen)
    _clean_refs(repo, chosen, mirrored)
    for run_id in chosen:
        with suppress(GitRunsError, OSError):
            remove(repo.live_root / run_id)
    if not hold:
        held = repo.store.holding.all_held()
        with suppress(GitRunsError):
            runs = [repo.store.merged_run(held[run_id].tips) for run_id in chosen if run_id in held]
            mark_unnamed(repo, needed_digests(repo, runs))
        repo.store.holding.release(chosen)
    return chosen


def _bury(repo: Repo, run_id: RunId, reason: str | None) -> None:
    """Puts the tombstone in the place of a run."""
    user = None if "user" in repo.config.redact else repo.identity().name
    tombstone = Tombstone(run_id=run_id, time_ms=now_ms(), user=user, reason=reason or None)
    commit = repo.store.write_tombstone(tombstone, repo.identity())
    for _ in range(_ATTEMPTS):
        tip = repo.store.run_tip(run_id)
        if tip is not None and repo.store.is_tombstone(tip):
            return
        with suppress(ConflictError):
            repo.store.set_run_tip(run_id, commit, tip)
            return
    raise ConflictError(f"cannot purge run '{run_id[:8]}': others keep changing it", kind="ref-moved")


def _refuse_live_or_kept(repo: Repo, run_id: RunId) -> None:
    live = repo.live(run_id)
    if live is not None and live.alive:
        raise InvalidInputError(
            f"cannot purge run '{run_id[:8]}': it is live", kind="run-is-live", hint="end it first", run_id=run_id
        )
    if repo.store.holding.kept(run_id) is not None:
        raise InvalidInputError(
            f"cannot purge run '{run_id[:8]}': it is kept",
            kind="run-is-kept",
            hint=f"git runs unkeep {run_id[:8]}",
            run_id=run_id,
        )


def refuse_versions(repo: Repo, run_ids: Collection[RunId]) -> None:
    """Raises `InvalidInputError` (kind `run-has-versions`) when a version of a registered model stands on a run."""
    wanted = set(run_ids)
    found: dict[str, RunId] = {}
    for (model_id, number), oid in sorted(repo.store.version_tags.all().items()):
        with suppress(GitRunsError):
            run_id = repo.store.version_tags.read(oid).says.run_id
            if run_id in wanted:
                found[f"{model_id} v{number}"] = RunId(run_id)
    with suppress(GitRunsError):  # a model that cannot be read is said by whoever lists models
        for model in repo.models.all():
            for version in model.active_versions():
                if version.run_id in wanted:
                    found.setdefault(f"{model.name} v{version.shown_number}", RunId(version.run_id))
    if found:
        shown = ", ".join(list(found)[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
        first = next(iter(found.values()))
        raise InvalidInputError(
            f"cannot purge run '{first[:8]}': versions of registered models stand on it: {shown}",
            kind="run-has-versions",
            hint="delete these versions and their git tags first",
            versions=list(found),
        )


def _count_artifacts(repo: Repo, plan: PurgePlan) -> None:
    needed = needed_digests(repo, plan.runs)
    here = {digest: size for digest, size in needed.items() if repo.cache.has(digest)}
    plan.artifacts, plan.artifact_bytes = len(here), sum(here.values())


def _shared_sources(repo: Repo, runs: Iterable[Run]) -> dict[RunId, list[RunId]]:
    """Returns the other runs of the same snapshot of changed files."""
    by_commit: dict[ObjectId, list[RunId]] = {}
    for run in runs:
        if run.info.source.dirty and run.info.source.commit is not None:
            by_commit.setdefault(run.info.source.commit, []).append(run.info.id)
    going = {run_id for run_ids in by_commit.values() for run_id in run_ids}
    shared: dict[RunId, list[RunId]] = {}
    for commit, run_ids in by_commit.items():
        if not repo.store.backend.has_object(commit):
            continue
        others = [one for one in repo.search_run_ids(f"commit = {commit}", lifecycle=None)[0] if one not in going]
        if others:
            shared |= dict.fromkeys(run_ids, others)
    return shared


def _reachable_from(repo: Repo, run_ids: Collection[RunId]) -> dict[str, list[RunId]]:
    """Returns the user's own refs that hold commits of runs."""
    first: dict[ObjectId, RunId] = {}
    for run_id in run_ids:
        with suppress(GitRunsError):
            tip = repo.store.run_tip(run_id)
            if tip is not None:
                first[repo.store.chain(tip)[-1].commit] = run_id
    found: dict[str, list[RunId]] = {}
    places = ("refs/heads", "refs/tags", "refs/remotes", "refs/stash", "refs/notes")
    commits = list(first)
    for start in range(0, len(commits), _PIECE):
        piece = commits[start : start + _PIECE]
        names = _refs_with(repo, piece, places)
        for name in names:
            found.setdefault(name, []).extend(
                first[commit] for commit in piece if len(piece) == 1 or _refs_with(repo, [commit], [name])
            )
    return found


def _refs_with(repo: Repo, commits: Collection[ObjectId], places: Collection[str]) -> list[str]:
    contains = [f"--contains={commit}" for commit in commits]
    try:
        return repo.store.git.run("for-each-ref", "--format=%(refname)", *contains, *places).decode().split()
    except GitRunsError:
        return []  # in a shallow or partial clone that cannot always be known


Mirrored = Mapping[str, Mapping[str, "set[RunId]"]]
"""Of each remote: the refs of its mirror, and which of the runs each of them holds."""


def _mirrored(repo: Repo, run_ids: Collection[RunId]) -> Mirrored:
    wanted = set(run_ids)
    found: dict[str, dict[str, set[RunId]]] = {}
    for name, oid in repo.store.backend.list_refs(refs.MIRRORS).items():
        remote, _, rest = name.removeprefix(refs.MIRRORS).partition("/")
        there = refs.RUNS + rest
        held: set[RunId] = set()
        run_id, segment_id = refs.run_id_of(there), refs.segment_id_of(there)
        if run_id is not None:
            held = set() if repo.store.is_tombstone(oid) else wanted & {run_id}
        elif segment_id is not None:
            with suppress(GitRunsError):
                held = wanted & repo.store.read_segment(segment_id).keys()
        elif rest.removeprefix("live/") in wanted:
            held = wanted & {RunId(rest.removeprefix("live/"))}
        if held:
            found.setdefault(remote, {})[name] = held
    return found


def _clean_refs(repo: Repo, run_ids: Collection[RunId], mirrored: Mirrored) -> None:
    """Takes away what else here keeps runs: mirrors, checkpoints, holds of sources, reflogs."""
    names = {name for held in mirrored.values() for name in held}
    for run_id in run_ids:
        names |= {refs.LIVE + run_id, refs.local_source_ref(run_id)}
    backend = repo.store.backend
    at = {**backend.list_refs(refs.MIRRORS), **backend.list_refs(refs.LIVE), **backend.list_refs(refs.LOCAL_SOURCES)}
    backend.delete_refs({name: at[name] for name in names if name in at})
    chosen = list(run_ids)
    for start in range(0, len(chosen), _PIECE):
        own = [refs.run_ref(run_id) for run_id in chosen[start : start + _PIECE]]
        logged = [name for name in own if _may_have_log(repo, name)]
        if logged:
            with suppress(GitRunsError):
                repo.store.git.run("reflog", "expire", "--expire=all", "--expire-unreachable=all", *logged)


def _may_have_log(repo: Repo, name: str) -> bool:
    common = repo.store.paths.common_dir
    return (common / "reftable").is_dir() or (common / "logs" / name).is_file()
