"""Where a repository lies on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoPaths:
    """The folders of one repository, absolute.

    `git_dir` is the work tree's own (HEAD, index), `common_dir` the one that all its work trees share (objects, refs);
    they differ in a linked work tree. `work_tree` is None in a bare repository. `shallow` says that history is cut.
    """

    git_dir: Path
    common_dir: Path
    work_tree: Path | None
    bare: bool
    shallow: bool
