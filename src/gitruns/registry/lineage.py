"""What made what: from a version to its run, code and data, and from a file's digest back to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.registry.born import artifacts_at

if TYPE_CHECKING:
    from gitruns.registry.registry import RegisteredVersion, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a version was made by: the run (None: it is not here), its source commit, the data that it read."""

    registered: RegisteredVersion
    run: Run | None
    source: ObjectId | None
    data: tuple[DatasetInput, ...]
    release: ObjectId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One run that made a file: the artifact, and the versions that it belongs to."""

    run: Run
    artifact: Artifact
    versions: tuple[RegisteredVersion, ...]


def lineage_of(registry: Registry, registered: RegisteredVersion) -> Lineage:
    """Returns what a version was made by, as far as it is here."""
    version, repo = registered.version, registry.repo
    run: Run | None = None
    if version.run_id is not None:
        try:
            run = repo.get_run(version.run_id)
        except NotFoundError:
            run = None
    release: ObjectId | None = None
    if version.git_tag is not None:
        try:
            release = repo.store.version_tags.read(version.git_tag).says.target
        except GitRunsError:
            release = None
    return Lineage(
        registered=registered,
        run=run,
        source=None if run is None else run.info.source.commit,
        data=() if run is None else run.inputs,
        release=release,
    )


def whence(registry: Registry, digest: Digest) -> Iterator[Made]:
    """Yields the runs that have an artifact of these bytes, the first one first, with the versions that contain it."""
    repo = registry.repo
    by_run: dict[str, list[RegisteredVersion]] = {}
    for model in registry.list_models():
        for registered in registry.list_versions(model.name):
            by_run.setdefault(registered.version.run_id or "", []).append(registered)
    found = []
    for run in repo.list_runs(lifecycle=None, on_bad=lambda run_id, error: None):
        try:
            artifacts = repo.artifacts_of(run)
        except GitRunsError:  # the list itself is in a store that is not at hand
            continue
        found += [(run, artifact) for artifact in artifacts if artifact.digest == digest]
    found.sort(key=lambda one: (one[0].info.start_time_ms, one[0].info.id, one[1].path))
    for run, artifact in found:
        versions = [one for one in by_run.get(run.info.id, []) if _holds(one, artifact)]
        yield Made(run=run, artifact=artifact, versions=tuple(versions))


def versions_of_digest(registry: Registry, digest: Digest) -> list[RegisteredVersion]:
    """Returns the versions whose whole content has this digest."""
    return [
        registered
        for model in registry.list_models()
        for registered in registry.list_versions(model.name)
        if registered.version.digest == digest
    ]


def _holds(registered: RegisteredVersion, artifact: Artifact) -> bool:
    path = registered.version.path
    return path is not None and bool(artifacts_at([artifact], path))
