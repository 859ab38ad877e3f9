"""Small text artifacts also stand in the run's tree, so that git can show and compare them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from gitruns.artifacts import ArtifactCache
from gitruns.entities.artifact import Artifact

MAX_TEXT_BYTES = 16 * 1024
MAX_TEXTS_BYTES = 128 * 1024

# Paths that git, and file systems that ignore case, take as they are. Others stay in the store only.
_PLAIN = re.compile(r"[A-Za-z0-9_+=@-][A-Za-z0-9._+=@ -]*(?<![. ])\Z")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|git~[0-9]+)(?:\.|\Z)", re.IGNORECASE)


def keep_texts(
    cache: ArtifactCache, artifacts: Iterable[Artifact], *, beside: Mapping[str, bytes] | None = None
) -> tuple[tuple[Artifact, ...], dict[str, bytes]]:
    """Returns the artifacts, small texts marked `in_git`, and the files of those by their path in the tree.

    `beside` are the texts that stay in the tree as they are, by path: their bytes are spent and their names taken.
    """
    files: dict[str, bytes] = {}
    taken = _Taken()
    for path in beside or {}:
        taken.add(path.removeprefix("artifacts/"))
    spent = sum(map(len, (beside or {}).values()))
    marked = []
    for artifact in sorted(artifacts, key=lambda artifact: artifact.path):
        data = None
        if spent + artifact.size_bytes <= MAX_TEXTS_BYTES and _may_stand_in_tree(artifact, taken):
            data = _text(cache, artifact)
        if data is not None:
            files[f"artifacts/{artifact.path}"] = data
            taken.add(artifact.path)
            spent += len(data)
        marked.append(replace(artifact, in_git=data is not None))
    return tuple(marked), files


class _Taken:
    """Names that stand in the tree already, case folded: a file cannot stand where a folder does."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, path: str) -> None:
        self._files.add(path.lower())
        self._folders.update(_folders(path.lower()))

    def clashes(self, path: str) -> bool:
        folded = path.lower()
        return folded in self._files or folded in self._folders or not self._files.isdisjoint(_folders(folded))


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _may_stand_in_tree(artifact: Artifact, taken: _Taken) -> bool:
    if artifact.size_bytes > MAX_TEXT_BYTES or taken.clashes(artifact.path):
        return False
    return all(_PLAIN.match(part) and not _RESERVED.match(part) for part in artifact.path.split("/"))


def _text(cache: ArtifactCache, artifact: Artifact) -> bytes | None:
    try:
        with cache.open(artifact.digest) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except (OSError, LookupError):
        return None
    if len(data) != artifact.size_bytes or b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return data
