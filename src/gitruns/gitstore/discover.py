"""Finds the repository around a folder, as git does, and picks the engine that can read it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError
from gitruns.gitstore.backend import Backend, RefStore
from gitruns.gitstore.git_config import GitConfig
from gitruns.gitstore.objects import HEX_LENGTHS
from gitruns.gitstore.paths import RepoPaths
from gitruns.gitstore.program import GitProgram, git_failed
from gitruns.gitstore.store import GitStore

_QUESTION = (
    "rev-parse",
    "--absolute-git-dir",
    "--git-common-dir",
    "--is-bare-repository",
    "--is-shallow-repository",
    "--show-object-format",
    "--show-toplevel",  # last: outside a work tree git stops here
)
_NOT_UNDERSTOOD = re.compile(r"unknown repository extension|Expected git repo version|unknown ref storage format")


def open_store(start: Path, *, repo: Path | None = None, environ: Mapping[str, str]) -> GitStore:
    """Opens the repository around `start`, or exactly the one at `repo` (bare or not); `GIT_DIR` counts as for git.

    git itself is asked, once, so all its rules hold: ownership, ceilings, linked work trees, submodules. Raises
    `NotFoundError` (kind `not-a-repository`, `git-not-found`) or `AccessDeniedError` (kind `dubious-ownership`).
    """
    paths, object_format = _find(start, repo, environ)
    git = GitProgram(paths.git_dir, paths.work_tree, environ)
    config = GitConfig(git)
    return GitStore(_open_backend(paths, object_format, git, config), git, paths)


def _open_backend(paths: RepoPaths, object_format: str, git: GitProgram, config: GitConfig) -> Backend:
    refs = _open_refs(paths, object_format, git, config)
    if object_format == "sha1":
        from gitruns.gitstore.pygit2_backend import Pygit2Backend

        return Pygit2Backend(paths, refs, config)
    from gitruns.gitstore.dulwich_backend import DulwichBackend

    return DulwichBackend(paths, refs, config, object_format)


def _open_refs(paths: RepoPaths, object_format: str, git: GitProgram, config: GitConfig) -> RefStore:
    if (paths.common_dir / "reftable").is_dir():
        from gitruns.gitstore.reftable_refs import ReftableRefs

        return ReftableRefs(paths, git)
    from gitruns.gitstore.file_refs import FileRefs

    return FileRefs(paths, HEX_LENGTHS[object_format], config)


def _find(start: Path, repo: Path | None, environ: Mapping[str, str]) -> tuple[RepoPaths, str]:
    place = (start if repo is None else repo).absolute()
    extra = {}
    if repo is not None:
        extra["GIT_CEILING_DIRECTORIES"] = str(place.resolve().parent)
    elif environ.get("GIT_DIR"):
        # Relative to where the process is, which `start` need not be.
        names = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
        extra = {name: str(Path(environ[name]).absolute()) for name in names if environ.get(name)}
    if not place.is_dir():
        raise _no_repository(place, "there is no such folder")
    code, out, stderr = GitProgram(None, None, environ).run_raw(*_QUESTION, cwd=place, env=extra)
    answers = os.fsdecode(out).splitlines()
    if len(answers) < len(_QUESTION) - 2 or code not in (0, 128):
        raise _refused(place, code, stderr)
    git_dir = Path(answers[0])
    bare = answers[2] == "true"
    paths = RepoPaths(
        git_dir=git_dir,
        common_dir=Path(os.path.normpath(place / answers[1])),
        work_tree=None if bare else _work_tree(git_dir, answers[5:]),
        bare=bare,
        shallow=answers[3] == "true",
    )
    return paths, answers[4]


def _work_tree(git_dir: Path, top_level: list[str]) -> Path | None:
    if top_level:
        return Path(top_level[0])
    return git_dir.parent if git_dir.name == ".git" else None  # asked from inside `.git`


def _refused(place: Path, code: int, stderr: str) -> GitRunsError:
    if "not a git repository" in stderr:
        return _no_repository(place, "it is in no git repository")
    if _NOT_UNDERSTOOD.search(stderr):
        return AccessDeniedError(
            f"cannot open the repository at '{place}': this git is too old for it: {stderr}",
            kind="git-too-old",
            hint="install a newer git (reftable needs 2.45, SHA-256 needs 2.29)",
            stderr=stderr,
        )
    return git_failed(("rev-parse",), code, stderr)


def _no_repository(place: Path, why: str) -> NotFoundError:
    return NotFoundError(
        f"cannot find a git repository at '{place}': {why}",
        kind="not-a-repository",
        hint=(
            "make one with `git init`, or point GITRUNS_REPO at one (a bare one will do),"
            " or set GITRUNS_JOURNAL=<folder> to log without a repository"
        ),
        path=str(place),
    )
