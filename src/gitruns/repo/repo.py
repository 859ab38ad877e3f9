"""The one door to everything stored: runs in git, live runs in their journals, artifacts in the cache."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gitruns.artifacts import ArtifactCache, OnProgress
from gitruns.entities.artifact import Artifact
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import DEFAULT_EXPERIMENT_ID, Digest, ExperimentId, ObjectId, RunId, is_object_id
from gitruns.entities.run import Identity, Lifecycle, Run, RunInfo, RunStatus
from gitruns.entities.values import Point
from gitruns.errors import GitRunsError, GitRunsWarning, InvalidInputError, NotFoundError
from gitruns.gitstore import ChainEntry, GitStore, open_store
from gitruns.journal import Opening
from gitruns.repo import history, upkeep
from gitruns.repo.acting import acting_identity
from gitruns.repo.archiving import ArchiveReport, archive_runs
from gitruns.repo.claims import ClaimReport, confirm_claims
from gitruns.repo.config import Config, read_settings
from gitruns.repo.edit import Transaction
from gitruns.repo.elsewhere import Elsewhere, run_elsewhere
from gitruns.repo.experiments import Experiments
from gitruns.repo.manifest import listed
from gitruns.repo.models import Models
from gitruns.repo.naming import resolve_run_name
from gitruns.repo.needed import Needed, needed_digests
from gitruns.repo.place import LogPlace, run_not_found
from gitruns.repo.records import Records
from gitruns.repo.resumed import final_info, shown_over
from gitruns.repo.searching import Searchable
from gitruns.repo.series import SeriesReader
from gitruns.repo.status import RepoStatus, repo_status
from gitruns.repo.stores import Stores, UploadReport
from gitruns.repo.trust import Signed, check_signatures
from gitruns.repo.verify import Problem, verify_runs
from gitruns.repo.verify_models import verify_models
from gitruns.repo.verify_records import verify_records
from gitruns.repo.writer_id import clone_writer_id

PRIVATE_FOLDER = "gitruns"
_MOST_RUNS_KEPT = 200


class Repo(LogPlace, Searchable):
    """Runs, experiments and artifacts of one git repository. Reads are always of the present state.

    `store` is the git side, `cache` the artifacts, `config` the settings in force. What was read is kept by commit id,
    which never changes, so listing again reads only what is new.
    """

    keeps_runs = True

    def __init__(self, store: GitStore, environ: Mapping[str, str]) -> None:
        self.store = store
        self.folder = store.paths.common_dir / PRIVATE_FOLDER
        self._environ = environ
        super().__init__(
            self.folder / "live",
            ArtifactCache(self.folder / "cache", beyond=lambda digest: self.stores.beyond(digest)),
            clone_writer_id(self._private_folder()),
        )
        self.stores = Stores(self, environ)
        self.experiments = Experiments(store, self.writer, self.identity)
        self.models = Models(store, self.writer, self.identity, self.folder)
        self.elsewhere = Elsewhere(store)
        self._runs: dict[ObjectId, Run] = {}
        self._to_sync: list[RunId] = []

    @classmethod
    def open(cls, start: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Repo:
        """Opens the repository at or around `start`, by default `GITRUNS_REPO` or the working directory.

        Raises `NotFoundError` (kind `not-a-repository`) with the ways out, or `AccessDeniedError` when git refuses a
        repository of another owner.
        """
        environment = os.environ if environ is None else environ
        named = environment.get("GITRUNS_REPO")
        if start is None and named:
            return cls(open_store(Path.cwd(), repo=Path(named).expanduser(), environ=environment), environment)
        return cls(open_store(start or Path.cwd(), environ=environment), environment)

    def _private_folder(self) -> Path:
        # A read-only repository is still readable; the first write says what is wrong.
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return self.folder
        return self.folder

    @cached_property
    def config(self) -> Config:
        """The settings in force when the repository was opened."""
        return read_settings(self.store.paths.work_tree, self.store.config, self._environ)

    @cached_property
    def records(self) -> Records:
        """Traces, assessments and other small things, thousands a day; see `repo.records`."""
        return Records(self, self._environ)

    @cached_property
    def _identity(self) -> Identity:
        return self.store.identity(self._environ)

    def identity(self) -> Identity:
        """Returns whom git shall name as author: who runs this process, or on whose behalf it writes just now."""
        return acting_identity() or self._identity

    def own_identity(self) -> Identity:
        """Returns whom git shall name for what many people did: who runs this process, for whomever it writes."""
        return self._identity

    # Reading runs

    def find_run(self, run_id: RunId) -> Run | None:
        """Returns the run as it stands now, what is live laid over what is in git, or None."""
        live = self.live(run_id)
        tip = self.store.run_tip(run_id)
        if tip is None:
            if live is None:
                return run_elsewhere(self, run_id)
            return replace(live.run, info=final_info(live), live=live.alive)
        try:
            stored = self._at(tip)
        except NotFoundError as error:
            if error.kind == "run-purged":
                return None
            raise
        return stored if live is None else shown_over(stored, live)

    def list_runs(
        self,
        *,
        experiment_ids: Iterable[ExperimentId] | None = None,
        lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
        kind: str | None = None,
        on_bad: Callable[[RunId, GitRunsError], None] | None = None,
    ) -> list[Run]:
        """Returns the runs, the one started last first, then by id. A run of a deleted experiment counts as deleted.
        With `kind` records of that kind instead (`MODEL_KIND`).

        A run that cannot be read does not hide the others: it is left out and told to `on_bad`, by default as a
        `GitRunsWarning`.
        """
        wanted = None if experiment_ids is None else set(experiment_ids)
        hidden = {one.id for one in self.experiments.list(Lifecycle.DELETED)}
        chosen = [
            run
            for run in self._all_runs(on_bad or _warn_of_bad)
            if run.info.kind == kind
            and (wanted is None or run.info.experiment_id in wanted)
            and lifecycle in (None, _lifecycle_in(run, hidden))
        ]
        return sorted(chosen, key=lambda run: (-run.info.start_time_ms, run.info.id))

    def _all_runs(self, on_bad: Callable[[RunId, GitRunsError], None]) -> Iterator[Run]:
        live = set(self.live_ids())
        tips = self.store.run_tips()
        for run_id in [*tips, *live.difference(tips)]:
            try:
                found = self.find_run(run_id) if run_id in live else self._at(tips[run_id])
            except GitRunsError as error:
                if error.kind != "run-purged":
                    on_bad(run_id, error)
                continue
            if found is not None:
                yield found
        yield from (run for run_id, run in self.elsewhere.runs().items() if run_id not in tips and run_id not in live)

    def is_purged(self, run_id: RunId) -> bool:
        """Returns whether a run was here and is deleted for good."""
        tip = self.store.run_tip(run_id)
        return tip is not None and self.store.is_tombstone(tip)

    def _missing(self, run_id: RunId) -> NotFoundError:
        tip = self.store.run_tip(run_id)
        return run_not_found(run_id) if tip is None else self.store.purged_error(tip)

    def _at(self, commit: ObjectId) -> Run:
        run = self._runs.get(commit)
        if run is None:
            run = self._runs[commit] = self.store.read_run(commit)
        return run

    def resolve_run(self, text: str) -> RunId:
        """Returns the run that a text names: an id, a unique prefix of at least 4 digits, a name, or `latest`.

        Raises `NotFoundError` (kind `run-not-found`), or `InvalidInputError` (kind `ambiguous-run`, with
        `candidates`).
        """
        return resolve_run_name(self, text)

    def resolve_commit(self, revision: str) -> ObjectId:
        """Returns the commit that a git revision names; raises `NotFoundError` (kind `commit-not-found`)."""
        try:
            found = self.store.git.run("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        except GitRunsError as error:
            if is_object_id(revision):  # code that lives elsewhere: the id is all there is to record
                return ObjectId(revision)
            raise NotFoundError(
                f"there is no commit '{revision}'",
                kind="commit-not-found",
                hint="see what there is: git log --oneline --all",
            ) from error
        return ObjectId(found.decode().strip())

    def run_history(self, run_id: RunId) -> list[ChainEntry]:
        """Returns the commits of a run, newest first: how it came to be what it is."""
        tip = self.store.run_tip(run_id)
        if tip is None:
            self.get_run(run_id)
            return []
        return self.store.chain(tip)

    def iter_points(self, run_id: RunId) -> Iterator[Point]:
        """Yields all points of a run, by part and metric, in logged order; those of a live run too.

        Raises `NotFoundError` (kind `points-not-here`) when a part lies in a store that is not at hand.
        """
        return history.iter_points(self, run_id)

    def metric_history(self, run_id: RunId, metric: str) -> list[Point]:
        """Returns all points of one metric in logged order."""
        return [point for point in self.iter_points(run_id) if point.metric == metric]

    @cached_property
    def series(self) -> SeriesReader:
        """Points of metrics as columns, kept from one question to the next."""
        return SeriesReader(self)

    # Changing runs

    def edit(self, run_id: RunId) -> Transaction:
        """Returns a transaction that changes a run's tags, name, lifecycle or artifacts."""
        return Transaction(self, run_id)

    def experiment_for_start(self, experiment_id: str | None, name: str | None) -> Experiment:
        """Returns the experiment of a new run: by id, by name (created on first use), or what is configured."""
        named = name or (None if experiment_id else self.config.experiment)
        if named is not None:
            found = self.experiments.ensure(named)
        else:
            found = self.experiments.get(ExperimentId(experiment_id or DEFAULT_EXPERIMENT_ID))
        if found.lifecycle is Lifecycle.DELETED:
            raise InvalidInputError(
                f"cannot start a run in experiment '{found.name}': it is deleted",
                kind="experiment-deleted",
                hint=f"git runs experiments restore '{found.name}'",
            )
        return found

    def _hold_source(self, info: RunInfo) -> None:
        commit = info.source.commit
        if commit is not None and self.store.has_commit(commit):
            self.store.hold_source(info.id, commit)

    def _reopening(self, run_id: RunId, *, set_running: bool) -> tuple[Opening, Run]:
        self.seal(run_id)
        tip = self.store.run_tip(run_id)
        if tip is None:
            raise run_not_found(run_id)
        run = self._at(tip)
        info = replace(run.info, writer=self.writer)
        if set_running:
            info = replace(info, status=RunStatus.RUNNING, end_time_ms=None, exit_code=None, error=None)
        return self._opening("resume", info, self.identity(), None, tip), run

    # Sealing and upkeep

    def seal(self, run_id: RunId) -> None:
        """Seals a run's journal into git when nobody writes it any more; else does nothing."""
        if upkeep.seal(self, run_id):
            self._to_sync.append(run_id)
            self.models.settle()

    def recover(self, *, archive: bool = True) -> list[RunId]:
        """Seals every run that is over or whose writers are dead, and returns those that this call sealed.

        Sealed journals are removed once the objects are on disk. Every ordinary command begins with this. With
        `archive` finished runs are archived when they are very many and some were sealed.
        """
        done = upkeep.recover(self, archive=archive)
        self.models.settle()
        self.records.recover()
        return done

    def trim(self) -> None:
        """Lets go of runs that were read when there are very many: for a process that goes on for weeks."""
        if len(self._runs) > _MOST_RUNS_KEPT:
            self._runs.clear()

    def close(self) -> None:
        """Makes what this process sealed durable and removes its journals; the repository can still be used."""
        pending, self._to_sync = self._to_sync, []
        upkeep.sync_sealed(self, pending)
        if pending:
            upkeep.archive_by_itself(self)
        self.records.close()

    def collect(self, folder: Path) -> upkeep.CollectReport:
        """Seals the runs that were logged into a folder of journals; a run that is here already is not doubled."""
        return upkeep.collect(self, folder)

    def archive(self, run_ids: Collection[RunId] | None = None, *, dry_run: bool = False) -> ArchiveReport:
        """Archives finished runs, by default all; see `repo.archiving`."""
        return archive_runs(self, run_ids, dry_run=dry_run)

    def status(self) -> RepoStatus:
        """Returns what is live, not sealed, not published, or incomplete."""
        return repo_status(self)

    def verify(self, run_ids: Iterable[RunId] | None = None) -> Iterator[Problem]:
        """Yields what is wrong with stored runs: unreadable trees, points or artifacts that are not their digest."""
        yield from verify_runs(self, run_ids)
        if run_ids is None:
            yield from verify_models(self)
            yield from verify_records(self)

    def confirm_claims(self, remote: str | None = None, **how: Any) -> ClaimReport:
        """Lets a remote decide on numbers of versions that are only claimed; see `repo.claims`."""
        return confirm_claims(self, remote, **how)

    def check_signatures(self, run_ids: Collection[RunId] | None = None) -> Iterator[Signed]:
        """Yields who signed each run, and by default each registered model and version too."""
        return check_signatures(self, run_ids)

    # Experiments

    def get_experiment(self, experiment_id: ExperimentId) -> Experiment:
        """Returns the experiment of that id; raises `NotFoundError`."""
        return self.experiments.get(experiment_id)

    def find_experiment(self, name: str) -> Experiment | None:
        """Returns the experiment of that name, deleted or not, or None."""
        return self.experiments.find(name)

    def list_experiments(self, *, lifecycle: Lifecycle | None = Lifecycle.ACTIVE) -> list[Experiment]:
        """Returns the experiments, the one created last first."""
        return self.experiments.list(lifecycle)

    def create_experiment(self, name: str, tags: Mapping[str, object] | None = None) -> ExperimentId:
        """Creates an experiment and returns its id; raises `AlreadyExistsError`."""
        return self.experiments.create(name, tags or {})

    def rename_experiment(self, experiment_id: ExperimentId, name: str) -> None:
        """Gives an experiment another name; its id stays."""
        self.experiments.rename(experiment_id, name)

    def set_experiment_tag(self, experiment_id: ExperimentId, key: str, value: object) -> None:
        """Sets one tag of an experiment."""
        self.experiments.set_tag(experiment_id, key, value)

    def delete_experiment_tag(self, experiment_id: ExperimentId, key: str) -> None:
        """Takes one tag of an experiment away."""
        self.experiments.delete_tag(experiment_id, key)

    def set_experiment_lifecycle(self, experiment_id: ExperimentId, lifecycle: Lifecycle) -> None:
        """Deletes an experiment and with it its runs, reversibly, or restores them."""
        self.experiments.set_lifecycle(experiment_id, lifecycle)

    # Artifacts

    def artifacts_of(self, run: Run) -> tuple[Artifact, ...]:
        """Returns all artifacts of a run, also when they are too many for its tree."""
        return listed(self.cache, run)

    def bring(self, run: Run, artifacts: Collection[Artifact], progress: OnProgress | None = None) -> None:
        """Brings the bytes of artifacts to this machine; raises `NotFoundError` for what is nowhere to be had."""
        self.stores.bring(run, artifacts, progress)

    def needed_digests(self, runs: Iterable[Run]) -> Needed:
        """Returns what whole runs name that is not in git: digest → size."""
        return needed_digests(self, runs)

    def upload_artifacts(
        self,
        digests: Mapping[Digest, int],
        *,
        progress: OnProgress | None = None,
        jobs: int | None = None,
        deadline_s: float | None = None,
        confirm: Callable[[str], bool] | None = None,
    ) -> UploadReport:
        """Uploads artifacts to the store, and what has been pending since earlier; see `repo.stores`."""
        return self.stores.upload(digests, progress=progress, jobs=jobs, deadline_s=deadline_s, confirm=confirm)

    def pending_artifacts(self) -> dict[Digest, int]:
        """Returns what was to be uploaded and could not be: digest → size. It goes with the next upload."""
        return self.stores.pending()


def _warn_of_bad(run_id: RunId, error: GitRunsError) -> None:
    warnings.warn(f"gitruns: run '{run_id[:8]}' is left out: {error}", GitRunsWarning, stacklevel=4)


def _lifecycle_in(run: Run, hidden: set[ExperimentId]) -> Lifecycle:
    return Lifecycle.DELETED if run.info.experiment_id in hidden else run.info.lifecycle
