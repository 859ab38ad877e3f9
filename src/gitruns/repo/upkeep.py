"""Sealing what is over, making it durable, and collecting what was logged elsewhere.

A sealed journal stays until the objects and the ref that it became are on disk, so a power cut in between loses
nothing: the next command finds the mark, sees what is missing and seals again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts import ArtifactCache
from gitruns.entities.ids import ExperimentId, ObjectId, RunId
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.journal import (
    JournalReader,
    LiveRun,
    current_process_mark,
    list_live,
    mark_sealed,
    remove,
    sealed_commit,
    sweep,
    unclosed_openings,
    unmark_sealed,
)
from gitruns.repo.archiving import archive_if_many
from gitruns.repo.seal import seal_journal

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

KEEP_FOREIGN_S = 7 * 24 * 3600
"""A journal of another machine's writer is kept so long after its last touch, in case that writer is only slow."""


COLLECTED_FOLDER = "collected"
"""Where this clone notes, in a folder for each run, how much of a journal that lies elsewhere it has."""


@dataclass(slots=True, kw_only=True)
class CollectReport:
    """What became of a folder of journals: runs sealed now, here already, still being written, and what failed."""

    sealed: list[RunId] = field(default_factory=list)
    known: list[RunId] = field(default_factory=list)
    skipped: list[RunId] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def seal(repo: Repo, run_id: RunId) -> bool:
    """Seals what a journal has more than git when nobody writes it any more; returns whether it did."""
    folder = repo.live_root / run_id
    lost = _take_back_lost(repo, run_id)
    live = repo.live(run_id)
    if live is None or live.alive:
        return False
    _ensure_experiment(repo, live)
    sealed = seal_journal(repo.store, repo.cache, live, folder, spill_dir=repo.folder, lost=lost)
    mark_sealed(folder, sealed.commit, covers=live.covers)
    return True


def _take_back_lost(repo: Repo, run_id: RunId) -> ObjectId | None:
    """Takes back the marks of seals whose commits a power cut took, and returns the last one of these commits."""
    folder = repo.live_root / run_id
    lost = None
    while (commit := sealed_commit(folder)) is not None and not (
        _has_commit(repo, run_id, commit) and repo.store.is_whole(commit)
    ):
        lost = lost or commit
        unmark_sealed(folder)
    return lost


def _has_commit(repo: Repo, run_id: RunId, commit: ObjectId) -> bool:
    """Returns whether a run here stands at a commit or after it; or was purged, then nobody misses that."""
    tip = repo.store.run_tip(run_id)
    if tip is None or tip == commit:
        return tip == commit
    return repo.store.newest_tips({commit, tip}) == (tip,) or repo.store.is_tombstone(tip)


def _ensure_experiment(repo: Repo, live: LiveRun) -> None:
    """Creates the experiment of a run that was started where there was no repository to create it in."""
    name = live.opening.experiment_name
    if name is None:
        return
    with suppress(NotFoundError):
        repo.get_experiment(ExperimentId(live.run.info.experiment_id))
        return
    repo.experiments.ensure(name)


def recover(repo: Repo, *, archive: bool = True) -> list[RunId]:
    """Seals every run whose writers are done or dead, syncs what is sealed, and returns what this call sealed.

    With `archive` finished runs are archived when they are very many and this call has sealed some: whoever only looks
    at runs does not wait for that.
    """
    done = []
    for run_id in repo.live_ids():
        with suppress(GitRunsError):  # one bad journal must not keep the others from their commits
            if seal(repo, run_id):
                done.append(run_id)
    sync_sealed(repo, repo.live_ids())
    sweep(repo.live_root)
    if archive and done:
        archive_by_itself(repo)
    return done


def archive_by_itself(repo: Repo) -> None:
    """Archives finished runs when they are very many; what stands in the way waits for the next time."""
    with suppress(GitRunsError, OSError):
        archive_if_many(repo)


def sync_sealed(repo: Repo, run_ids: Iterable[RunId]) -> None:
    """Puts objects and refs of sealed runs on disk, then removes their journals and the holds on their sources."""
    tips = {}
    for run_id in run_ids:
        tip = _tip_to_sync(repo, run_id)
        if tip is not None:
            tips[run_id] = tip
    if not tips:
        return
    repo.store.sync(list(tips.items()))
    for run_id in tips:
        remove(repo.live_root / run_id)
        if not (repo.live_root / run_id).exists():
            repo.store.release_source(run_id)


def _tip_to_sync(repo: Repo, run_id: RunId) -> ObjectId | None:
    folder = repo.live_root / run_id
    commit = sealed_commit(folder)
    if commit is None or not _has_commit(repo, run_id, commit) or _may_come_back(folder):
        return None
    return repo.store.run_tip(run_id)


def _may_come_back(folder: Path) -> bool:
    """Returns whether a writer on another machine, taken for dead, might only have been slow."""
    boot_id = current_process_mark().boot_id
    now_s = time.time()
    return any(
        opening.process.boot_id != boot_id and now_s - path.stat().st_mtime < KEEP_FOREIGN_S
        for path, opening in unclosed_openings(folder)
    )


def collect(repo: Repo, folder: Path) -> CollectReport:
    """Seals the runs of a folder of journals into this repository; a run that is here already is not doubled.

    Runs that are still being written are skipped. The folder is left as it is: collecting it again adds what was
    logged there since, and nothing else. How far it was read is noted in this repository.
    """
    root = folder / "live" if (folder / "live").is_dir() else folder
    if not root.is_dir():
        raise NotFoundError(
            f"there is no folder of journals '{folder}'",
            kind="journal-folder-not-found",
            hint="name the folder that GITRUNS_JOURNAL was set to",
        )
    report = CollectReport()
    cache = ArtifactCache(root.parent / "cache")
    for run_id in list_live(root):
        try:
            _collect_run(repo, root / run_id, cache, report)
        except GitRunsError as error:
            report.problems.append(f"run '{run_id[:8]}': {error}")
    return report


def _collect_run(repo: Repo, folder: Path, cache: ArtifactCache, report: CollectReport) -> None:
    run_id = RunId(folder.name)
    marks = repo.folder / COLLECTED_FOLDER / run_id
    marked = _is_marked(repo, run_id, marks)
    try:
        live = JournalReader(folder, marks).refresh()
    except NotFoundError as error:
        if not marked or error.kind != "journal-not-found":
            raise
        report.known.append(run_id)  # nothing came since it was collected
        return
    if live.alive:
        report.skipped.append(run_id)
        return
    for artifact in live.run.artifacts:
        if not repo.cache.has(artifact.digest):
            with cache.open(artifact.digest) as file:
                repo.cache.put_stream(iter(lambda: file.read(1 << 20), b""))
    tip = repo.store.run_tip(run_id)
    if tip is not None and not marked and _is_here(repo, live):
        commit, changed = tip, False
    else:
        _ensure_experiment(repo, live)
        sealed = seal_journal(repo.store, repo.cache, live, folder, spill_dir=repo.folder, marks=marks)
        commit, changed = sealed.commit, sealed.changed
    repo.store.sync([(run_id, commit)])
    marks.mkdir(parents=True, exist_ok=True)
    mark_sealed(marks, commit, covers=live.covers)
    (report.sealed if changed else report.known).append(run_id)


def _is_marked(repo: Repo, run_id: RunId, marks: Path) -> bool:
    """Returns whether a run was collected before and is still here; else the mark of that goes."""
    while (commit := sealed_commit(marks)) is not None:
        if _has_commit(repo, run_id, commit):
            return True
        unmark_sealed(marks)
    return False


def _is_here(repo: Repo, live: LiveRun) -> bool:
    """Returns whether all that a journal holds is in git already, whatever was added there since."""
    tip = repo.store.run_tip(live.run.info.id)
    if tip is None:
        return False
    stored = repo.store.read_run(tip)
    points = sum(summary.count for summary in live.run.metrics.values())
    stored_points = sum(summary.count for summary in stored.metrics.values())
    artifacts = {artifact.path for artifact in repo.artifacts_of(stored)}
    return (
        points <= stored_points
        and live.run.params.items() <= stored.params.items()
        and all(artifact.path in artifacts for artifact in live.run.artifacts)
    )
