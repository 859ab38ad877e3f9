"""A folder of journals: logging where there is neither git nor a repository, as on a compute node.

What is logged here becomes runs when somebody who has a repository collects the folder. The folder holds the
journals in `live/` and the artifacts in `cache/`.
"""

from __future__ import annotations

from pathlib import Path

from gitruns.artifacts import ArtifactCache
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import DEFAULT_EXPERIMENT_NAME, ExperimentId, RunId, experiment_id_candidate
from gitruns.entities.run import Run, RunInfo
from gitruns.errors import AccessDeniedError, InvalidInputError
from gitruns.journal import Opening
from gitruns.repo.place import LogPlace, run_not_found
from gitruns.repo.writer_id import clone_writer_id


class JournalFolder(LogPlace):
    """Logs runs into a folder; experiments are named here and created when the folder is collected."""

    keeps_runs = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "live", ArtifactCache(folder / "cache"), clone_writer_id(folder))
        self.folder = folder

    def experiment_for_start(self, experiment_id: str | None, name: str | None) -> Experiment:
        """Returns the experiment that the name will have; an id alone cannot be known here, except the Default's."""
        if name is None and experiment_id not in (None, "0"):
            raise InvalidInputError(
                f"cannot start a run in experiment '{experiment_id}': experiments are known by name here",
                kind="journal-only",
                hint="give the experiment's name: gitruns.set_experiment('name')",
            )
        named = name or DEFAULT_EXPERIMENT_NAME
        identity = ExperimentId(experiment_id) if experiment_id else experiment_id_candidate(named)
        return Experiment(id=identity, name=named, creation_time_ms=0, last_update_time_ms=0)

    def seal(self, run_id: RunId) -> None:
        """Does nothing: the journal waits to be collected."""

    def close(self) -> None:
        """Does nothing: each writer has synced its own file."""

    def _hold_source(self, info: RunInfo) -> None:
        """Does nothing: there is no git here."""

    def _reopening(self, run_id: RunId, *, set_running: bool) -> tuple[Opening, Run]:
        live = self.live(run_id)
        if live is None:
            raise run_not_found(run_id)
        return self._opening("resume", live.run.info, live.opening.identity, None, None), live.run


def open_journal_folder(folder: Path) -> JournalFolder:
    """Returns the folder to log into, creating it; raises `AccessDeniedError` when that is not possible."""
    try:
        (folder / "live").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AccessDeniedError(
            f"cannot keep journals in '{folder}': {error.strerror}",
            kind="read-only",
            hint="set GITRUNS_JOURNAL to a folder that can be written",
        ) from error
    return JournalFolder(folder.resolve())
