"""Writes runs into a new MLflow store, which has its name when it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId
from gitruns.errors import AlreadyExistsError, GitRunsError, NotFoundError
from gitruns.exchange.foreign import Damage
from gitruns.exchange.mlflow.file_writer import FileStoreWriter
from gitruns.exchange.mlflow.registry_writer import RegistryWriter

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(slots=True)
class ExportReport:
    """How much was written, and what could not be."""

    runs: int = 0
    experiments: int = 0
    versions: int = 0
    problems: list[Damage] = field(default_factory=list)


def export_file_store(
    repo: Repo,
    target: Path,
    run_ids: Sequence[RunId],
    *,
    everything: bool,
    progress: Callable[[int, int], None],
) -> ExportReport:
    """Writes a folder as `mlruns` with some runs; with `everything` also experiments and models that have none of them.

    What cannot be written is in the report, and the rest goes on. Raises `AlreadyExistsError` (kind `file-exists`) when
    there is something at `target`, unless it is an empty folder.
    """
    final = target.absolute()
    _check_free(final)
    partial = final.with_name(f".{final.name}-{secrets.token_hex(4)}")
    writer = FileStoreWriter(repo, partial, final)
    report = ExportReport(problems=writer.problems)
    try:
        used = {repo.get_run(run_id).info.experiment_id for run_id in run_ids} if not everything else set()
        listed = repo.list_experiments(lifecycle=None)
        chosen = [one for one in listed if everything or one.id in used or one.id == "0"]
        writer.begin(chosen)
        report.experiments = len(chosen)
        for done, run_id in enumerate(run_ids, 1):
            try:
                writer.write_run(run_id)
                report.runs += 1
            except (GitRunsError, OSError) as error:
                writer.cannot(f"run {run_id}", error)
            progress(done, len(run_ids))
        registry = RegistryWriter(repo, partial / "models", writer.artifacts_of, writer.cannot)
        report.versions = registry.write(None if everything else set(run_ids))
        if final.exists():
            final.rmdir()
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _check_free(final: Path) -> None:
    if not final.parent.is_dir():
        raise NotFoundError(f"there is no folder '{final.parent}'", kind="file-not-found")
    if final.is_symlink() or (final.exists() and not (final.is_dir() and not any(final.iterdir()))):
        raise AlreadyExistsError(
            f"'{final}' is there already", kind="file-exists", hint="name a folder that is not there yet"
        )
