"""A `wandb` folder: each `run-<id>.wandb` in it is a run, or a part of one that was resumed.

wandb/offline-run-20240102_030405-<id>/run-<id>.wandb    the records
wandb/offline-run-20240102_030405-<id>/files/            what the run kept
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitruns.entities.run import NOTE_TAG, RunStatus
from gitruns.errors import CorruptDataError, GitRunsError, InvalidInputError
from gitruns.exchange.folders import artifacts_below, folders_in, real_folder
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignFile, ForeignModel, ForeignRun
from gitruns.exchange.wandb.datastore import read_records
from gitruns.exchange.wandb.records import Found

_NO_PROJECT = "uncategorized"


class WandbFolder:
    """Reads one folder. `others` are folders outside it whose files a run may have kept as links."""

    namespace = "wandb"

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self._root = real_folder(root)
        self._others_may = [real_folder(one) for one in others]
        self._files: dict[str, list[Path]] = {}
        for path in _record_files(self._root):
            self._files.setdefault(path.stem.removeprefix("run-"), []).append(path)
        if not self._files:
            raise InvalidInputError(f"there are no runs of W&B in '{root}'", kind="bad-source")
        self._found: dict[str, Found | Damage] | None = None

    def close(self) -> None:
        """There is nothing open."""

    def _runs(self) -> dict[str, Found | Damage]:
        if self._found is None:
            self._found = {}
            for named, files in self._files.items():
                found = Found()
                try:
                    for path in files:
                        for record in read_records(path):
                            found.take(record)
                    if not found.run_id:
                        raise CorruptDataError("its file does not say what run it is", kind="bad-source")
                    self._found[f"{found.entity}/{found.project or _NO_PROJECT}/{found.run_id}"] = found
                except (GitRunsError, OSError, ValueError, TypeError) as error:
                    self._found[named] = Damage(f"run {named:.60}", str(error))
        return self._found

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields an experiment for each project."""
        found = (one for one in self._runs().values() if isinstance(one, Found))
        for name in sorted({one.project or _NO_PROJECT for one in found}):
            yield ForeignExperiment(id=name, name=name)

    def run_ids(self) -> Sequence[str]:
        """Returns the ids of all runs: entity, project and id."""
        return list(self._runs())

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs in order, or why one cannot be read."""
        for one in ids:
            found = self._runs()[one]
            yield found if isinstance(found, Damage) else self._run(one, found)

    def _run(self, run_id: str, found: Found) -> ForeignRun:
        facts = found.facts
        tags = {f"wandb.{word}": facts[word] for word in ("group", "job_type", "sweep") if word in facts}
        if found.tags:
            tags["wandb.tags"] = ",".join(found.tags)
        if "notes" in facts:
            tags[NOTE_TAG] = facts["notes"]
        status = RunStatus.FAILED if found.exit_code else RunStatus.FINISHED
        return ForeignRun(
            id=run_id,
            name=facts.get("name", found.run_id),
            experiment=found.project or _NO_PROJECT,
            status=status if found.ended else RunStatus.KILLED,
            start_time_ms=max(found.start_ms or 0, 0),
            end_time_ms=found.last_ms,
            user=found.entity or None,
            host=facts.get("host"),
            params=found.params(),
            tags=tags,
            commit=facts.get("commit"),
            remote_url=facts.get("remote") or None,
            exit_code=found.exit_code,
            points=lambda: [*found.points, *found.final_points()],
            artifacts=lambda: self._artifacts(found.run_id, f"run {found.run_id}"),
        )

    def _artifacts(self, run_id: str, of: str) -> Iterator[ForeignFile | Damage]:
        """Yields what a run kept; W&B puts links to files elsewhere, which are taken where that is allowed."""
        for path in self._files[run_id]:
            folder = path.parent / "files"
            for one in artifacts_below(folder, of):
                yield one if isinstance(one, ForeignFile) else self._linked(folder, one)

    def _linked(self, folder: Path, damage: Damage) -> ForeignFile | Damage:
        name = damage.what.partition("'")[2].rpartition("'")[0]
        real = Path(os.path.realpath(folder / name))
        allowed = any(real.is_relative_to(root) for root in (self._root, *self._others_may))
        return ForeignFile(name, None, real) if allowed and real.is_file() else damage

    def models(self) -> Iterator[ForeignModel | Damage]:
        """There are no models: artifacts of W&B are on its server."""
        yield from ()

    def left_out(self) -> Mapping[str, int]:
        """Returns how many values in histories are no numbers: media, tables, texts."""
        return {
            "values that are no numbers": sum(one.others for one in self._runs().values() if isinstance(one, Found))
        }


def _record_files(root: Path) -> Iterator[Path]:
    """Yields the files of runs in a folder, in the folders in it, and in a folder `wandb` there; oldest first."""
    for parent in (root, root / "wandb"):
        for folder in (parent, *(parent / name for name in folders_in(parent))):
            if folder.is_dir() and not folder.is_symlink():
                for path in sorted(folder.glob("run-*.wandb")):
                    if path.is_file() and not path.is_symlink():
                        yield path
