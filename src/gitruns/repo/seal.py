"""Seals a journal: what was logged becomes commits on the run's own ref.

A seal can be repeated. Times come from the journal, so the first seal of a run always makes the same commits, and a
later one adds to the run only what is not in it yet. Nothing is removed here: see `repo.upkeep`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gitruns.artifacts import ArtifactCache
from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run
from gitruns.errors import ConflictError
from gitruns.gitstore import GitStore
from gitruns.journal import LiveRun, PointSpool, spool_points
from gitruns.repo.formats import refuse_newer_format
from gitruns.repo.manifest import packed, unpacked
from gitruns.repo.parts import HistoryParts
from gitruns.repo.resumed import final_info, is_late, laid_over
from gitruns.repo.texts import keep_texts
from gitruns.repo.trees import carried_files

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A run that is in git: its tip, and whether this seal added anything."""

    commit: ObjectId
    changed: bool


def seal_journal(
    store: GitStore,
    cache: ArtifactCache,
    live: LiveRun,
    folder: Path,
    *,
    spill_dir: Path,
    marks: Path | None = None,
    lost: ObjectId | None = None,
) -> Sealed:
    """Puts what a journal holds into git and returns the run's tip; raises `ConflictError` when others keep moving it.

    More points than memory should hold are sorted in a file of `spill_dir`. `marks` is the folder of the mark of the
    seal before, where that is not the journal's own. `lost` is a commit that the same records were in once and that a
    power cut took: it is made again, on what it was made on. On return the objects and the ref are
    written but not yet synced; the journal stays until they are.
    """
    run_id = live.run.info.id
    with spool_points(folder, spill_dir=spill_dir, live=live, marks=marks) as spool:
        if lost is not None:
            _make_again(store, cache, live, spool, lost)
        for _ in range(_ATTEMPTS):
            tip = store.run_tip(run_id)
            commit = _first_seal(store, cache, live, spool) if tip is None else _add(store, cache, live, spool, tip)
            if commit == tip:
                return Sealed(commit=commit, changed=False)
            try:
                store.set_run_tip(run_id, commit, tip)
            except ConflictError:
                continue
            return Sealed(commit=commit, changed=True)
    raise ConflictError(f"cannot seal run '{run_id[:8]}': others keep moving its ref", kind="ref-moved")


def _make_again(store: GitStore, cache: ArtifactCache, live: LiveRun, spool: PointSpool, lost: ObjectId) -> None:
    """Writes the objects of a lost commit again, and its ref where that is lost with it or names what is not here."""
    for _ in range(_ATTEMPTS):
        commit = (
            _first_seal(store, cache, live, spool) if live.base is None else _add(store, cache, live, spool, live.base)
        )
        if store.is_whole(commit):  # else more that was damaged has come to light
            break
    tip = store.run_tip(live.run.info.id)
    if commit != tip and tip in (None, lost):
        store.set_run_tip(live.run.info.id, commit, tip)


def _first_seal(store: GitStore, cache: ArtifactCache, live: LiveRun, spool: PointSpool) -> ObjectId:
    parts = HistoryParts(cache, {}, ())
    parts.add(spool)
    artifacts, texts = keep_texts(cache, live.run.artifacts)
    finish = replace(
        live.run,
        info=final_info(live),
        metrics=read_only(spool.summaries),
        parts=tuple(parts.parts),
        artifacts=artifacts,
        live=False,
        stamps=read_only({}),
    )
    source = live.run.info.source.commit
    return store.seal_run(
        Run(info=live.opening.info),
        packed(cache, finish),
        parent=source if source is not None and store.has_commit(source) else None,
        identity=live.opening.identity,
        files={**parts.files, **texts},
    )


def _add(store: GitStore, cache: ArtifactCache, live: LiveRun, spool: PointSpool, tip: ObjectId) -> ObjectId:
    """Adds to an ended run what the journal has more; returns the tip itself when that is nothing."""
    old = store.read_run(tip)
    refuse_newer_format("run", old.info.name, old.format_version)
    carried = carried_files(store, tip)
    parts = HistoryParts(cache, carried, old.parts, old.metrics)
    parts.add(spool)
    texts = {path: data for path, data in carried.items() if path.startswith("artifacts/")}
    if live.run.artifacts:
        old = unpacked(cache, old)
    merged = laid_over(old, live, _base(store, live, tip))
    fresh = [artifact for artifact in merged.artifacts if artifact not in old.artifacts]
    for artifact in fresh:  # a text that was replaced is no longer what the tree shows
        texts.pop(f"artifacts/{artifact.path}", None)
    kept, more = keep_texts(cache, fresh, beside=texts)
    by_path = {artifact.path: artifact for artifact in (*merged.artifacts, *kept)}
    new = replace(
        merged,
        metrics=read_only(parts.summaries()),
        parts=tuple(parts.parts),
        artifacts=tuple(by_path[path] for path in sorted(by_path)),
        live=False,
    )
    if same_state(new, old):
        return tip
    return store.write_run_commit(
        packed(cache, new),
        parents=[tip],
        identity=live.opening.identity,
        time_ms=live.last_time_ms,
        subject=f"run {new.info.name}: {_added_word(live)}",
        files={**parts.files, **texts, **more},
    )


def _base(store: GitStore, live: LiveRun, tip: ObjectId) -> Run | None:
    """Returns the run that a journal began on top of, when that is not the tip itself and is known here."""
    if live.base is None or live.base == tip or not store.backend.has_object(live.base):
        return None
    return store.read_run(live.base)


def same_state(new: Run, old: Run) -> bool:
    """Returns whether two states of a run have the same content."""
    return replace(new, commit=None, live=False) == replace(old, commit=None, live=False)


def _added_word(live: LiveRun) -> str:
    return "add late records" if is_late(live) else f"resume, {final_info(live).status.value.lower()}"
