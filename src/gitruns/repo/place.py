"""A place to log into: what a repository and a folder of journals have in common, the live runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from gitruns.artifacts import ArtifactCache, OnProgress
from gitruns.entities.artifact import Artifact, FileInfo
from gitruns.entities.environment import Environment
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ObjectId, RunId, WriterId, is_run_id
from gitruns.entities.run import Identity, Run, RunInfo
from gitruns.entities.values import Point
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.journal import (
    JournalReader,
    JournalWriter,
    LiveRun,
    Opening,
    OpeningKind,
    current_process_mark,
    list_live,
    read_points,
)
from gitruns.repo.files import copy_out, find_artifact, list_folder
from gitruns.repo.private_lock import only_one
from gitruns.repo.report import Reporter
from gitruns.repo.runlog import RunLog, now_ms
from gitruns.repo.served_log import ServedLog


class LogPlace(ABC):
    """Starts runs, opens them again, and reads those that are live.

    `keeps_runs` says whether ended runs can be read here too. `writer` is the id of this clone.
    """

    keeps_runs: bool

    def __init__(self, live_root: Path, cache: ArtifactCache, writer: WriterId) -> None:
        self.live_root = live_root
        self.cache = cache
        self.writer = writer
        self._readers: dict[RunId, JournalReader] = {}

    # What differs

    @abstractmethod
    def experiment_for_start(self, experiment_id: str | None, name: str | None) -> Experiment:
        """Returns the experiment that a new run shall belong to, creating a named one on first use."""

    @abstractmethod
    def seal(self, run_id: RunId) -> None:
        """Takes note that a writer of this run has closed: seals the run when it was the last."""

    @abstractmethod
    def close(self) -> None:
        """Leaves everything on disk; the place can still be used."""

    @abstractmethod
    def _reopening(self, run_id: RunId, *, set_running: bool) -> tuple[Opening, Run]:
        """Returns how an ended run is opened again, and the run; raises `NotFoundError`."""

    @abstractmethod
    def _hold_source(self, info: RunInfo) -> None:
        """Keeps the source of a run that begins from being collected as garbage."""

    # Logging

    def start_run(
        self,
        info: RunInfo,
        *,
        environment: Environment | None,
        identity: Identity,
        tags: Mapping[str, object],
        experiment_name: str,
        lenient: bool = False,
        on_behalf: bool = False,
    ) -> RunLog:
        """Opens the journal of a new run; on return its start survives a kill of the process.

        `on_behalf`: this is a server, and the program whose run it is runs elsewhere; see `ServedLog`.
        """
        self._hold_source(info)
        opening = self._opening("start", info, identity, environment, None, experiment_name)
        log = self._log(replace(opening, on_behalf=on_behalf), Run(info=info), lenient)
        if tags:
            log.set_tags(tags)
        return log

    def open_log(
        self, run_id: RunId, *, set_running: bool = True, lenient: bool = False, on_behalf: bool = False
    ) -> RunLog:
        """Opens a run again: joins it while it is live, resumes it when it has ended.

        `set_running` says that it is running again; without it, what is logged is added and the status stays.
        `on_behalf` as for `start_run`.
        """
        live = self.live(run_id)
        if live is not None and live.alive:
            opening, run = self._opening("join", live.run.info, live.opening.identity, None, None), self.get_run(run_id)
        else:
            opening, run = self._reopening(run_id, set_running=set_running)
        return self._log(replace(opening, on_behalf=on_behalf), run, lenient)

    def _log(self, opening: Opening, known: Run, lenient: bool) -> RunLog:
        report = Reporter(opening.info.id)

        def reopen() -> JournalWriter:
            joining = self._opening("join", opening.info, opening.identity, None, None)
            return JournalWriter.create(self.live_root, joining, on_problem=report)

        kind = ServedLog if opening.on_behalf else RunLog
        return kind(
            opening.info,
            JournalWriter.create(self.live_root, opening, on_problem=report),
            self.cache,
            reopen=reopen,
            seal=self.seal,
            report=report,
            params=known.params,
            tags=known.tags,
            lenient=lenient,
            owner=opening.kind != "join",
        )

    def _opening(
        self,
        kind: OpeningKind,
        info: RunInfo,
        identity: Identity,
        environment: Environment | None,
        base: ObjectId | None,
        experiment_name: str | None = None,
    ) -> Opening:
        return Opening(
            kind=kind,
            info=info,
            identity=identity,
            environment=environment,
            base=base,
            experiment_name=experiment_name,
            time_ms=info.start_time_ms if kind == "start" else now_ms(),
            process=current_process_mark(),
        )

    # Reading

    def live(self, run_id: RunId) -> LiveRun | None:
        """Returns what the journal holds of a run that is not wholly in git yet, or None."""
        folder = self.live_root / run_id
        if not is_run_id(run_id) or not folder.is_dir():
            self._readers.pop(run_id, None)
            return None
        reader = self._readers.get(run_id)
        if reader is None:
            reader = self._readers[run_id] = JournalReader(folder)
        try:
            return reader.refresh()
        except NotFoundError:  # all of it is sealed
            self._readers.pop(run_id, None)
            return None

    def forget(self, run_id: RunId) -> None:
        """Lets go of what is kept in memory of a run's journal: for a process that sees very many."""
        self._readers.pop(run_id, None)

    def locked_params(self, run_id: RunId, *, wait: bool) -> AbstractContextManager[bool]:
        """Holds the right to add params to a run against processes that ask for it too; says whether it could."""
        return only_one(self.live_root.parent / "locks" / f"params-{run_id[:2]}", wait=wait)

    def live_ids(self) -> list[RunId]:
        """Returns the runs that have a journal."""
        return list_live(self.live_root)

    def find_run(self, run_id: RunId) -> Run | None:
        """Returns the run as it stands now, or None."""
        live = self.live(run_id)
        return live.run if live is not None else None

    def get_run(self, run_id: RunId) -> Run:
        """Returns the run as it stands now; raises `NotFoundError` (kind `run-not-found`)."""
        run = self.find_run(run_id)
        if run is None:
            raise self._missing(run_id)
        return run

    def _missing(self, run_id: RunId) -> NotFoundError:
        """Returns the error for a run that is not here."""
        return run_not_found(run_id)

    def resolve_run(self, text: str) -> RunId:
        """Returns the run that an id or a unique prefix of one names."""
        ids = [run_id for run_id in self.live_ids() if run_id.startswith(text)] if len(text) >= 4 else []
        if len(ids) > 1:
            raise InvalidInputError(f"run id '{text}' is ambiguous", kind="ambiguous-run", candidates=ids)
        if not ids:
            raise run_not_found(text)
        return ids[0]

    def metric_history(self, run_id: RunId, metric: str) -> list[Point]:
        """Returns all points of one metric in logged order."""
        return [point for point in self.iter_points(run_id) if point.metric == metric]

    def iter_points(self, run_id: RunId) -> Iterator[Point]:
        """Yields the points of a live run in logged order, writer by writer."""
        self.get_run(run_id)
        return read_points(self.live_root / run_id)

    # Artifacts

    def artifacts_of(self, run: Run) -> tuple[Artifact, ...]:
        """Returns all artifacts of a run, also when they are too many for its tree."""
        return run.artifacts

    def list_artifacts(self, run_id: RunId, path: str = "") -> list[FileInfo]:
        """Returns files and folders directly below a path, by path; empty for a file and for nothing."""
        return list_folder(self.artifacts_of(self.get_run(run_id)), path)

    def open_artifact(self, run_id: RunId, path: str) -> BinaryIO:
        """Opens an artifact for reading; raises `NotFoundError` when the run has none of that path."""
        run = self.get_run(run_id)
        artifact = find_artifact(self.artifacts_of(run), path)
        if artifact is None:
            raise NotFoundError(f"run '{run_id[:8]}' has no artifact '{path}'", kind="artifact-not-found", path=path)
        self.bring(run, [artifact])
        return self.cache.open(artifact.digest)

    def download_artifacts(self, run_id: RunId, path: str, target: Path, *, progress: OnProgress | None = None) -> Path:
        """Copies the artifact, or all below the folder, that `path` names into `target`; returns where it is."""
        run = self.get_run(run_id)
        return copy_out(
            self.cache, self.artifacts_of(run), path, target, lambda chosen: self.bring(run, chosen, progress)
        )

    def bring(  # noqa: B027  where there is no store there is nothing to do
        self, run: Run, artifacts: Collection[Artifact], progress: OnProgress | None = None
    ) -> None:
        """Brings the bytes of artifacts to this machine, as far as they can be had; here they are, or are not."""


def run_not_found(text: str) -> NotFoundError:
    """Returns the error for a run that is not here."""
    return NotFoundError(
        f"there is no run '{text}'", kind="run-not-found", hint="see what is there: git runs list --all", run=text
    )
