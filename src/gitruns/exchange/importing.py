"""Brings everything of another tracker's place into a repository: in bulk, again and again, whatever stops it.

Runs are sealed straight into packs, many at a time: first their artifacts are on the disk, then their objects, then
their refs, or a segment of the archive where they are many. A run that is here is not touched, unless it had not ended
when it came and has gone on there; so what an import that was killed has done is done, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Lifecycle, Run, RunInfo, RunStatus
from gitruns.errors import ConflictError, GitRunsError, LockedError
from gitruns.exchange.catching_up import catch_up
from gitruns.exchange.foreign import Damage, ForeignFile, ForeignRun, ForeignStore, import_writer, run_id_of
from gitruns.exchange.incoming_experiments import bring_experiments
from gitruns.exchange.incoming_models import bring_models
from gitruns.exchange.incoming_runs import RunMaker, listed_artifacts, named, with_artifacts, with_history
from gitruns.exchange.report import ImportReport, Progress
from gitruns.gitstore import MAX_SEGMENT_RUNS
from gitruns.gitstore.packed_writes import PackedStore
from gitruns.repo.archiving import PUSH_ABOVE
from gitruns.repo.manifest import packed
from gitruns.repo.private_lock import only_one
from gitruns.repo.texts import keep_texts

if TYPE_CHECKING:
    from gitruns.repo import Repo

_MOST_WAITING_BYTES = 32 * 1024 * 1024
"""So much of points and artifacts is put on the disk at once, at most; a long import shall lose little when it dies."""

_READ_AT_ONCE = 100


def import_all(
    repo: Repo,
    store: ForeignStore,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    at_once: int = MAX_SEGMENT_RUNS,
) -> ImportReport:
    """Brings experiments, runs, logged models and registered models that are not here; durable on return.

    What is damaged is named in the report and left out, the rest goes on. With `dry_run` all is read but points and
    bytes, and nothing is written. `at_once` runs are written together. Raises `LockedError` (kind `import-locked`)
    while another process imports.
    """
    with only_one(repo.folder / "import.lock") as mine:
        if not mine:
            raise LockedError("cannot import: another process does so", kind="import-locked", hint="try again")
        return _Import(repo, store, dry_run=dry_run, progress=progress, at_once=at_once).run()


@dataclass(slots=True)
class _Made:
    """A run on its way: what it is, the files of its points, and what the report will say of it."""

    run: Run
    files: dict[str, bytes] = field(default_factory=dict)
    points: int = 0


class _Import:
    """One import of one source."""

    def __init__(
        self, repo: Repo, store: ForeignStore, *, dry_run: bool, progress: Progress | None, at_once: int
    ) -> None:
        self._repo = repo
        self._from = store
        self._dry_run = dry_run
        self._tell: Progress = progress or (lambda done, total: None)
        self._at_once = max(1, min(at_once, MAX_SEGMENT_RUNS))
        self._report = ImportReport(dry_run=dry_run)
        # What git signs it must be able to read, so it cannot wait for its pack.
        signs = repo.store.signer.signs_commits()
        self._packed = None if signs else PackedStore(repo.store)
        self._done = 0
        self._open: dict[RunId, str] = {}

    def run(self) -> ImportReport:
        """Brings everything, experiments first, and returns what was done."""
        experiments = bring_experiments(self._repo, self._from, self._report, dry_run=self._dry_run)
        fresh, total = self._fresh_ids()
        maker = RunMaker(self._repo.store, self._from.namespace, experiments, self._report)
        many = self._repo.config.archive != "off" and len(fresh) > PUSH_ABOVE
        for runs in self._groups(fresh):
            if self._dry_run:
                self._look_at(maker, runs, total)
            else:
                self._bring(maker, runs, total, many)
        if not self._dry_run:
            self._catch_up(maker)
        bring_models(self._repo, self._from, self._report, dry_run=self._dry_run)
        self._report.left_out = {word: count for word, count in self._from.left_out().items() if count}
        return self._report

    def _fresh_ids(self) -> tuple[list[str], int]:
        """Returns the ids of runs that are not here, each once, and how many there are in all."""
        here = set(self._repo.store.run_tips()) | set(self._repo.live_ids())
        by_id: dict[RunId, str] = {}
        for foreign_id in self._from.run_ids():
            by_id.setdefault(run_id_of(self._from.namespace, foreign_id), foreign_id)
        fresh = [foreign_id for run_id, foreign_id in by_id.items() if run_id not in here]
        self._open = {run_id: by_id[run_id] for run_id in self._repo.store.loose_run_tips() if run_id in by_id}
        self._done = self._report.known = len(by_id) - len(fresh)
        return fresh, len(by_id)

    def _groups(self, ids: Sequence[str]) -> Iterator[Iterator[ForeignRun | Damage]]:
        for start in range(0, len(ids), self._at_once):
            yield self._read(ids[start : start + self._at_once])

    def _read(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        for start in range(0, len(ids), _READ_AT_ONCE):
            yield from self._from.read_runs(ids[start : start + _READ_AT_ONCE])

    # Looking

    def _look_at(self, maker: RunMaker, runs: Iterator[ForeignRun | Damage], total: int) -> None:
        for given in self._sound(runs, total):
            run = maker.facts(given)
            self._count(maker, _Made(run))
            for one in listed_artifacts(given):
                if isinstance(one, ForeignFile):
                    self._report.artifacts += 1
                    self._report.artifact_bytes += one.size_bytes or 0
                else:
                    self._report.problems.append(one)

    def _sound(self, runs: Iterator[ForeignRun | Damage], total: int) -> Iterator[ForeignRun]:
        for given in runs:
            if isinstance(given, Damage):
                self._report.problems.append(given)
            else:
                yield given
            self._done += 1
            self._tell(self._done, total)

    # Bringing

    def _bring(self, maker: RunMaker, runs: Iterator[ForeignRun | Damage], total: int, many: bool) -> None:
        sound = self._sound(runs, total)
        while made := self._some(maker, sound):
            self._write(maker, made, many)

    def _some(self, maker: RunMaker, sound: Iterator[ForeignRun]) -> list[_Made]:
        """Returns the next runs, as many as may wait; on return their artifacts and long histories are on the disk."""
        made: list[_Made] = []
        waiting = 0
        with self._repo.cache.batch() as batch:
            for given in sound:
                problems = len(self._report.problems)
                try:
                    one = self._made(maker, given)
                except (GitRunsError, OSError, ValueError) as error:
                    del self._report.problems[problems:]
                    self._report.cannot(named(given), error)
                    continue
                one.run = with_artifacts(one.run, given, batch, self._report)
                made.append(one)
                waiting += sum(map(len, one.files.values())) + sum(file.size_bytes for file in one.run.artifacts)
                if waiting > _MOST_WAITING_BYTES:
                    break
        return made

    def _catch_up(self, maker: RunMaker) -> None:
        """Adds what runs have more of that were here, and had not ended when they came."""
        store, live = self._repo.store, set(self._repo.live_ids())
        for run_id, foreign_id in self._open.items():
            try:
                tip = store.run_tip(run_id)
                if tip is None or run_id in live or not self._goes_on(tip):
                    continue
                for given in self._from.read_runs([foreign_id]):
                    if isinstance(given, ForeignRun) and catch_up(self._repo, maker, given, tip, self._report):
                        self._report.updated.append(run_id)
            except (GitRunsError, OSError, ValueError) as error:
                self._report.cannot(f"run {foreign_id:.60}", error)

    def _goes_on(self, tip: ObjectId) -> bool:
        """Returns whether a run has not ended, as its import left it: one that was resumed here has another writer."""
        if self._repo.store.is_tombstone(tip):
            return False
        info = self._repo.store.read_run(tip).info
        return not info.status.ended and info.writer == import_writer(self._from.namespace)

    def _made(self, maker: RunMaker, given: ForeignRun) -> _Made:
        spill = self._repo.folder / "tmp"
        run, files, points = with_history(maker.facts(given), given.points(), self._repo.cache, spill)
        return _Made(run, files, points)

    def _write(self, maker: RunMaker, made: Sequence[_Made], many: bool) -> None:
        tips: dict[RunId, ObjectId] = {}
        for one in made:
            try:
                tips[one.run.info.id] = self._sealed(maker, one)
            except GitRunsError as error:
                self._report.cannot(f"run {one.run.info.id}", error)
        if self._packed is not None:
            self._packed.flush()
        else:
            self._repo.store.backend.sync_all()
        written = self._name({one.run.info.id: one.run for one in made if one.run.info.id in tips}, tips, many)
        for one in made:
            if one.run.info.id in written:
                self._count(maker, one)

    def _sealed(self, maker: RunMaker, one: _Made) -> ObjectId:
        """Writes the commits of a run and returns the last; the first is a child of the source, where that is here."""
        artifacts, texts = keep_texts(self._repo.cache, one.run.artifacts)
        source = one.run.info.source.commit
        return (self._packed or self._repo.store).seal_run(
            Run(info=_as_it_began(one.run.info)),
            packed(self._repo.cache, replace(one.run, artifacts=artifacts)),
            parent=source if maker.is_here(source) else None,
            identity=self._repo.identity(),
            files={**one.files, **texts},
        )

    def _name(self, runs: dict[RunId, Run], tips: dict[RunId, ObjectId], many: bool) -> set[RunId]:
        """Makes runs known: those that have ended by a segment where they are many, the others by refs of their own."""
        store = self._repo.store
        together = {run_id: tip for run_id, tip in tips.items() if many and runs[run_id].info.status.ended}
        named_now: dict[RunId, ObjectId] = {}
        for run_id, tip in tips.items():
            if run_id in together:
                continue
            try:
                store.set_run_tip(run_id, tip, None)
                named_now[run_id] = tip
            except ConflictError:  # another process has just brought it
                self._report.known += 1
        store.sync(named_now.items())
        if together:
            store.add_segments(store.write_segments([together]))
        return {*named_now, *together}

    def _count(self, maker: RunMaker, one: _Made) -> None:
        report, run = self._report, one.run
        (report.runs if run.info.kind is None else report.logged_models).append(run.info.id)
        report.linked += maker.is_here(run.info.source.commit)
        report.points += one.points
        report.artifacts += len(run.artifacts)
        report.artifact_bytes += sum(artifact.size_bytes for artifact in run.artifacts)


def _as_it_began(info: RunInfo) -> RunInfo:
    return replace(
        info, status=RunStatus.RUNNING, lifecycle=Lifecycle.ACTIVE, end_time_ms=None, error=None, exit_code=None
    )
