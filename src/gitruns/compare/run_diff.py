"""All that differs between two runs, in one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.compare.artifacts import MAX_TEXT_BYTES, ArtifactDiff, Read, diff_artifacts
from gitruns.compare.changes import Change, changes
from gitruns.compare.code import CodeDiff, diff_sources
from gitruns.compare.datasets import diff_datasets
from gitruns.compare.directions import Directions
from gitruns.compare.environment import EnvironmentDiff, diff_environments
from gitruns.compare.metrics import MetricDiff, diff_metrics
from gitruns.compare.settings import read_settings
from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import RunId
from gitruns.entities.run import NOTE_TAG, Run
from gitruns.entities.values import Scalar, param_text
from gitruns.errors import GitRunsError

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiff:
    """What differs from one run to another; every part is empty where nothing does.

    `metrics` are all of them, those that are equal too. `facts` are what else is told of a run: its status, command,
    entry point. `unreadable` says what could not be looked at.
    """

    before: Run
    after: Run
    params: tuple[Change[Scalar], ...]
    metrics: tuple[MetricDiff, ...]
    tags: tuple[Change[str], ...]
    facts: tuple[Change[str], ...]
    environment: EnvironmentDiff
    datasets: tuple[Change[str], ...]
    artifacts: tuple[ArtifactDiff, ...]
    code: CodeDiff
    note: Change[str] | None
    unreadable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        parts: tuple[object, ...] = (
            self.params,
            any(metric.differs for metric in self.metrics),
            self.tags,
            self.facts,
            self.environment,
            self.datasets,
            self.artifacts,
            self.code,
            self.note,
        )
        return any(bool(part) for part in parts)


def diff_of(
    before: Run,
    after: Run,
    *,
    code: CodeDiff,
    directions: Directions | None = None,
    artifacts: tuple[ArtifactDiff, ...] = (),
    unreadable: Iterable[str] = (),
) -> RunDiff:
    """Returns what differs between two runs as they are given; what must be read was read before."""
    note = changes({"note": before.note} if before.note else {}, {"note": after.note} if after.note else {})
    return RunDiff(
        before=before,
        after=after,
        params=diff_params(before, after),
        metrics=diff_metrics(before.metrics, after.metrics, directions or Directions()),
        tags=changes(_own_tags(before), _own_tags(after)),
        facts=changes(_facts(before), _facts(after)),
        environment=diff_environments(before.environment, after.environment),
        datasets=diff_datasets(before.inputs, after.inputs),
        artifacts=artifacts,
        code=code,
        note=note[0] if note else None,
        unreadable=tuple(unreadable),
    )


def diff_runs(
    repo: Repo,
    before: RunId,
    after: RunId,
    *,
    patch: bool = False,
    paths: Sequence[str] = (),
    directions: Directions | None = None,
) -> RunDiff:
    """Returns what differs from one run to another, their code included (as text with `patch`, below `paths`).

    Raises `NotFoundError` (kind `run-not-found`).
    """
    first, second = repo.get_run(before), repo.get_run(after)
    unreadable: list[str] = []
    old, new = _artifacts(repo, first, unreadable), _artifacts(repo, second, unreadable)
    kept = () if unreadable else diff_artifacts(old, new, _reader(repo, first), _reader(repo, second))
    return diff_of(
        first,
        second,
        code=diff_sources(repo, first.info.source, second.info.source, paths=paths, patch=patch),
        directions=directions or read_settings(repo).directions,
        artifacts=kept,
        unreadable=unreadable,
    )


def diff_params(before: Run, after: Run) -> tuple[Change[Scalar], ...]:
    """Returns the params that differ, as text: `1` and `"1"` are one value, as for write-once."""
    return changes(before.params, after.params, lambda one, other: param_text(one) == param_text(other))


def _own_tags(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.shown_tags.items() if key != NOTE_TAG}


def _facts(run: Run) -> dict[str, str]:
    info = run.info
    found = {"entry point": info.entry_point, "command": " ".join(info.command) or None, "status": info.status.value}
    return {key: value for key, value in found.items() if value is not None}


def _artifacts(repo: Repo, run: Run, unreadable: list[str]) -> tuple[Artifact, ...]:
    try:
        return repo.artifacts_of(run)
    except GitRunsError as error:
        unreadable.append(f"the artifacts of run '{run.info.name}': {error}")
        return ()


def _reader(repo: Repo, run: Run) -> Read:
    def read(path: str) -> bytes | None:
        try:
            with repo.open_artifact(run.info.id, path) as file:
                return file.read(MAX_TEXT_BYTES + 1)
        except (GitRunsError, OSError):
            return None

    return read
