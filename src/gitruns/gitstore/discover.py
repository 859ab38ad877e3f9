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

_FACTS = ("--is-bare-repository", "--is-shallow-repository", "--show-object-format")
_PLACES = ("--absolute-git-dir", "--git-common-dir", "--show-toplevel")
"""The last one is where git stops outside a work tree, with exit code 128."""

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
    git = GitProgram(None, None, environ)
    code, out, stderr = git.run_raw("rev-parse", *_FACTS, *_PLACES, cwd=place, env=extra)
    answers = os.fsdecode(out).split("\n")[:-1]
    facts, places = answers[: len(_FACTS)], answers[len(_FACTS) :]
    if code not in (0, 128) or len(places) < 2:
        raise _refused(place, code, stderr)
    if len(places) != (3 if code == 0 else 2):  # a folder's name has a line end in it
        asked = [git.run_raw("rev-parse", name, cwd=place, env=extra) for name in _PLACES]
        places = [os.fsdecode(out).removesuffix("\n") for code, out, _ in asked if code == 0]
    git_dir, bare = Path(places[0]), facts[0] == "true"
    paths = RepoPaths(
        git_dir=git_dir,
        common_dir=Path(os.path.normpath(place / places[1])),
        work_tree=None if bare else _work_tree(git_dir, places[2:]),
        bare=bare,
        shallow=facts[1] == "true",
    )
    return paths, facts[2]


def _work_tree(git_dir: Path, top_level: list[str]) -> Path | None:
    if top_level:
        return Path(top_level[0])
    return git_dir.parent if git_dir.name == ".git" else None  # asked from inside `.git`


def _refused(place: Path, code: int, stderr: str) -> GitRunsError:
    if "not a git repository" in stderr:
        return _no_repository(place, "not in it, nor in a folder above")
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
        hint=("make one with `git init`, or set GITRUNS_REPO to one, or GITRUNS_JOURNAL to a folder to log into"),
        path=str(place),
    )
