"""Checks that what is stored is what it says it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Run
from gitruns.errors import CorruptDataError, GitRunsError
from gitruns.gitstore.archive import not_its_name
from gitruns.gitstore.checking import damaged_files

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: the run or registered model, the place in it, and what is wrong there.

    `kind` is a stable word: `damaged`, or what is wrong with a signature (`bad`, `expired`, `unknown-key`, `unsigned`).
    """

    run_id: RunId | None
    place: str
    message: str
    model: str | None = None
    kind: str = "damaged"


def verify_runs(repo: Repo, run_ids: Iterable[RunId] | None = None) -> Iterator[Problem]:
    """Yields what is wrong with the runs (all of them by default), run by run."""
    tips = repo.store.run_tips()
    chosen = sorted(tips) if run_ids is None else [run_id for run_id in run_ids if run_id in tips]
    if run_ids is None:
        yield from _segment_problems(repo)
    for run_id in chosen:
        yield from _run_problems(repo, run_id, tips[run_id])


def _segment_problems(repo: Repo) -> Iterator[Problem]:
    for segment_id in repo.store.misnamed_segments():
        yield Problem(run_id=None, place=f"archive/{segment_id}", message=not_its_name(segment_id))
    for segment_id in repo.store.segments():
        try:
            genuine = repo.store.is_genuine_segment(segment_id)
        except GitRunsError as error:
            yield Problem(run_id=None, place=f"archive/{segment_id}", message=str(error))
            continue
        if not genuine:
            yield Problem(
                run_id=None, place=f"archive/{segment_id}", message="it is not what its runs make of it: who made it?"
            )


def _run_problems(repo: Repo, run_id: RunId, tip: ObjectId) -> Iterator[Problem]:
    damaged = [
        Problem(run_id=run_id, place=place, message=message)
        for place, message in damaged_files(repo.store.backend, tip)
    ]
    if damaged:  # what is built on damaged files would only repeat it
        yield from damaged
        return
    try:
        run = repo.store.read_run(tip)
    except GitRunsError as error:
        if error.kind != "run-purged":
            yield Problem(run_id=run_id, place="tree", message=str(error))
        return
    if run.info.id != run_id:
        yield Problem(run_id=run_id, place="run.yaml", message=f"it says that it is run '{run.info.id}'")
    yield from _part_problems(repo, run_id, tip, run)
    yield from _artifact_problems(repo, run_id, run)


def _part_problems(repo: Repo, run_id: RunId, tip: ObjectId, run: Run) -> Iterator[Problem]:
    for part in run.parts:
        place = f"metrics/{part.digest}.tsv"
        try:
            data = repo.store.read_file(tip, place)
        except CorruptDataError as error:
            yield Problem(run_id=run_id, place=place, message=str(error))
            continue
        if data is None:
            yield Problem(run_id=run_id, place=place, message="it is missing")
        elif part.stored_as is None and hashlib.sha256(data).hexdigest() != part.digest:
            yield Problem(run_id=run_id, place=place, message="its bytes are not what its name says")


def _artifact_problems(repo: Repo, run_id: RunId, run: Run) -> Iterator[Problem]:
    stored = [part.stored_as for part in run.parts if part.stored_as is not None]
    try:
        artifacts = repo.artifacts_of(run)
    except (GitRunsError, OSError) as error:
        yield Problem(run_id=run_id, place="artifacts.yaml", message=str(error))
        return
    everything = {artifact for artifact in (*artifacts, *stored) if not artifact.in_git}
    absent = repo.stores.absent(artifact.digest for artifact in everything)
    for artifact in (*artifacts, *stored):
        if not repo.cache.has(artifact.digest):
            if artifact.digest in absent:
                yield Problem(run_id=run_id, place=artifact.path, message="its bytes are not on this machine")
            continue
        try:
            repo.cache.verify(artifact.digest)
        except CorruptDataError:
            yield Problem(run_id=run_id, place=artifact.path, message="its bytes have changed: they are not its digest")
