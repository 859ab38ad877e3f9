"""Files that a run made: a manifest of paths and content addresses."""

from __future__ import annotations

from dataclasses import dataclass

from gitruns.entities.ids import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of a run: where it is named, what its bytes are.

    `path` has `/` between parts and is only ever looked up, never joined to a folder. `size_bytes` is the length.
    `in_git` says that the bytes are also in the run's own tree (small text).
    """

    path: str
    digest: Digest
    size_bytes: int
    in_git: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Artifact):
    """The object that lists a run's artifacts when they are too many for its tree; `count` is how many."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One entry of a listing of artifacts: a file, or a folder that has some below it (`size_bytes` is None)."""

    path: str
    is_dir: bool
    size_bytes: int | None = None
    digest: Digest | None = None
