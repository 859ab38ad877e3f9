"""From what a user names to objects in a cache and entries of a manifest."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.failures import reading, shown
from gitruns.artifacts.source_file import refuse_special
from gitruns.entities.artifact import Artifact
from gitruns.entities.names import check_artifact_path
from gitruns.errors import InvalidInputError


def ingest_file(cache: ArtifactCache, path: Path, artifact_path: str) -> Artifact:
    """Keeps one file and returns its entry, named `artifact_path` in the run. Durable on return.

    Raises what `ArtifactCache.put_file` raises.
    """
    name = check_artifact_path(artifact_path)
    digest, size = cache.put_file(path)
    return Artifact(path=name, digest=digest, size_bytes=size)


def ingest_folder(
    cache: ArtifactCache,
    folder: Path,
    artifact_path: str = "",
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Artifact]:
    """Keeps all files below a folder and returns their entries, sorted by path. Durable on return.

    They are named below `artifact_path` in the run ("" is its root). All names are looked at before the first byte
    is kept: a symlink, a special file or a name that cannot be stored is refused and nothing was done. Empty folders
    leave no trace. `progress` is called with the number of files done so far, after each.
    """
    prefix = check_artifact_path(artifact_path) + "/" if artifact_path else ""
    files = sorted((_name(prefix, folder, path), path) for path in _walk(cache, folder))
    artifacts = []
    with cache.batch() as batch:
        for name, path in files:
            digest, size = batch.put_file(path)
            artifacts.append(Artifact(path=name, digest=digest, size_bytes=size))
            if progress is not None:
                progress(len(artifacts))
    return artifacts


def _name(prefix: str, folder: Path, path: Path) -> str:
    try:
        return check_artifact_path(prefix + path.relative_to(folder).as_posix())
    except InvalidInputError as error:
        raise InvalidInputError(f"cannot store '{shown(path)}': {error}", kind=error.kind) from error


def _walk(cache: ArtifactCache, folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, and refuses what is neither file nor folder."""
    with reading(folder):
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        refuse_special(folder, status)
        raise InvalidInputError(f"cannot store '{shown(folder)}': it is not a folder", kind="not-a-folder")
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        _refuse_cache(cache, current, folder)
        with reading(current), os.scandir(current) as entries:
            listed = list(entries)
        for entry in listed:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                if not entry.is_file(follow_symlinks=False):
                    with reading(path):
                        refuse_special(path, entry.stat(follow_symlinks=False))
                yield path


def _refuse_cache(cache: ArtifactCache, current: Path, folder: Path) -> None:
    """The cache cannot hold itself: logging a whole repository is a slip, and would store every artifact again."""
    if current.name == cache.root.name and cache.root.exists() and current.samefile(cache.root):
        raise InvalidInputError(
            f"cannot store '{shown(folder)}': it holds the artifact cache itself, '{shown(current)}'",
            kind="holds-the-cache",
            hint="name the folder of the files that you want to keep",
        )
