"""Artifacts of a run as a folder of files: looked up in the manifest, never on a path that somebody named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gitruns.artifacts import ArtifactCache, safe_join
from gitruns.entities.artifact import Artifact, FileInfo
from gitruns.errors import NotFoundError


def find_artifact(artifacts: Iterable[Artifact], path: str) -> Artifact | None:
    """Returns the artifact of exactly that path, or None."""
    wanted = path.strip("/")
    return next((artifact for artifact in artifacts if artifact.path == wanted), None)


def below(artifacts: Iterable[Artifact], path: str) -> list[Artifact]:
    """Returns the artifacts in the folder of that path, at any depth; all of them for an empty path."""
    prefix = path.strip("/")
    prefix = prefix + "/" if prefix else ""
    return [artifact for artifact in artifacts if artifact.path.startswith(prefix)]


def list_folder(artifacts: Iterable[Artifact], path: str) -> list[FileInfo]:
    """Returns the files and folders directly below a path, by path."""
    prefix = path.strip("/")
    start = len(prefix) + 1 if prefix else 0
    found: dict[str, FileInfo] = {}
    for artifact in below(artifacts, path):
        name, slash, _ = artifact.path[start:].partition("/")
        child = artifact.path[:start] + name
        if slash:
            found[child] = FileInfo(path=child, is_dir=True)
        else:
            found[child] = FileInfo(path=child, is_dir=False, size_bytes=artifact.size_bytes, digest=artifact.digest)
    return [found[child] for child in sorted(found)]


def copy_out(
    cache: ArtifactCache,
    artifacts: Iterable[Artifact],
    path: str,
    target: Path,
    bring: Callable[[Sequence[Artifact]], None],
) -> Path:
    """Copies the named artifact, or all in the named folder, below `target`, each hashed before it gets its name.

    `bring` is called first with what is going to be copied, so that all of it is fetched at once. Raises
    `NotFoundError` when the run has nothing of that name.
    """
    everything = list(artifacts)
    single = find_artifact(everything, path)
    chosen = [single] if single is not None else below(everything, path)
    if not chosen and path.strip("/"):
        raise NotFoundError(
            f"the run has no artifact '{path}'",
            kind="artifact-not-found",
            hint="see what it has: git runs artifacts ls -r RUN",
            path=path,
        )
    bring(chosen)
    target.mkdir(parents=True, exist_ok=True)
    for artifact in chosen:
        place = safe_join(target, artifact.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        cache.get(artifact.digest, place)
    return safe_join(target, path.strip("/")) if path.strip("/") else target
