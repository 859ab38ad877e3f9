"""Where a version comes from: the run, the artifacts in it, and the digest of their bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitruns.entities import names as entity_names
from gitruns.entities.content import artifacts_at, digest_of
from gitruns.entities.ids import Digest, ObjectId, RunId
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.registry.addresses import find_place, is_address

if TYPE_CHECKING:
    from gitruns.registry.finding_part import FindingPart
    from gitruns.repo import Repo

MAX_SOURCE_LENGTH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Born:
    """What a version is made of. `run_commit` is None while the run is not in git yet, all but `source` for no run."""

    source: str
    run_id: RunId | None = None
    run_commit: ObjectId | None = None
    path: str | None = None
    digest: Digest | None = None
    size_bytes: int | None = None


def born_of(
    registry: FindingPart, source: str | None, run_id: str | None, path: str | None, *, must_exist: bool = True
) -> Born:
    """Returns what a new version is made of; raises `NotFoundError` for a run or artifacts that are not there.

    A source that is no address of ours is only kept as text: nothing is ever read from it. So is one that names nothing
    here, unless it `must_exist`.
    """
    repo = registry.repo
    if source is not None and is_address(source):
        try:
            place = find_place(registry, source)
            born = _of_run(repo, place.run_id, place.path)
        except NotFoundError:
            if must_exist:
                raise
            return _named_only(repo, source, run_id)
        if run_id is not None and repo.resolve_run(run_id) != place.run_id:
            raise InvalidInputError(
                f"source '{source}' is of another run than '{run_id}'", kind="source-of-another-run"
            )
        return replace(born, source=source)
    if source is not None and path is None:
        return _named_only(repo, source, run_id)
    if run_id is None:
        raise InvalidInputError("a version needs a source, or a run and a path in it", kind="bad-argument")
    return _of_run(repo, repo.resolve_run(run_id), path or "")


def _named_only(repo: Repo, source: str, run_id: str | None) -> Born:
    text = entity_names.check_text("source", source, MAX_SOURCE_LENGTH, empty=False)
    if run_id is None:
        return Born(source=text)
    resolved = repo.resolve_run(run_id)
    return Born(source=text, run_id=resolved, run_commit=_sealed(repo, resolved))


def _of_run(repo: Repo, run_id: RunId, path: str) -> Born:
    path = path.strip("/")
    chosen = artifacts_at(repo.artifacts_of(repo.get_run(run_id)), path)
    if not chosen:
        raise NotFoundError(
            f"run '{run_id[:8]}' has no artifact '{path}'" if path else f"run '{run_id[:8]}' has no artifacts",
            kind="artifact-not-found",
            hint=f"see what it has: git runs artifacts ls -r {run_id[:8]}",
            path=path,
        )
    return Born(
        source=f"runs:/{run_id}/{path}" if path else f"runs:/{run_id}",
        run_id=run_id,
        run_commit=_sealed(repo, run_id),
        path=path,
        digest=digest_of(chosen, path),
        size_bytes=sum(artifact.size_bytes for artifact in chosen),
    )


def _sealed(repo: Repo, run_id: RunId) -> ObjectId | None:
    """Returns the run's commit once the run is over; None while it is live, because that commit is not its last."""
    run = repo.get_run(run_id)
    return run.commit if run.info.status.ended and not run.live else None
