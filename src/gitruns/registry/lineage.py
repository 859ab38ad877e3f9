"""What made what: from a version to its run, code and data, and from a file's digest back to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.artifact import Artifact
from gitruns.entities.content import artifacts_at
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.run import MODEL_KIND, Run
from gitruns.errors import GitRunsError, NotFoundError

if TYPE_CHECKING:
    from gitruns.registry.registered import RegisteredVersion
    from gitruns.registry.registry import Registry
    from gitruns.repo import Repo


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
    """One run that made a file, or a model's whole folder: where, what digest, and the versions that hold it."""

    run: Run
    path: str
    digest: Digest
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


def whence(registry: Registry, digest: str) -> list[Made]:
    """Returns the runs that made a file of this digest, or of one that begins so, the first run first.

    The digest of a model, which is that of the list of its files, is found too. All runs are looked at.
    """
    repo = registry.repo
    by_run: dict[str, list[RegisteredVersion]] = {}
    for model in registry.list_models():
        for registered in registry.list_versions(model.name):
            by_run.setdefault(registered.version.run_id or "", []).append(registered)
    found: list[Made] = []
    for run in _all_records(repo):
        theirs = by_run.get(run.info.id, [])
        try:
            artifacts = repo.artifacts_of(run)
        except GitRunsError:  # the list itself is in a store that is not at hand
            artifacts = ()
        for artifact in artifacts:
            if artifact.digest.startswith(digest):
                versions = tuple(one for one in theirs if _holds(one, artifact))
                found.append(Made(run=run, path=artifact.path, digest=artifact.digest, versions=versions))
        found += _models_made(run, theirs, digest, {one.path for one in found if one.run is run})
    found.sort(key=lambda one: (one.run.info.start_time_ms, one.run.info.id, one.path))
    return found


def _all_records(repo: Repo) -> Iterator[Run]:
    """Yields all runs, and the models that were logged: files are in both."""
    for kind in (None, MODEL_KIND):
        yield from repo.list_runs(lifecycle=None, kind=kind, on_bad=lambda run_id, error: None)


def _models_made(run: Run, registered: list[RegisteredVersion], digest: str, known: set[str]) -> list[Made]:
    """Folders that were registered as models and whose digest this is; a single file was found as itself."""
    by_path: dict[str, list[RegisteredVersion]] = {}
    for one in registered:
        if one.version.digest is not None and one.version.digest.startswith(digest):
            by_path.setdefault(one.version.path or "", []).append(one)
    return [
        Made(run=run, path=f"{path}/", digest=versions[0].version.digest or Digest(""), versions=tuple(versions))
        for path, versions in by_path.items()
        if path not in known
    ]


def _holds(registered: RegisteredVersion, artifact: Artifact) -> bool:
    path = registered.version.path
    return path is not None and bool(artifacts_at([artifact], path))
