"""What the tests of git storage share: sample runs, and a git that knows reftables."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitruns.gitstore import GitStore, open_store

NEWER_GIT = "GITRUNS_TEST_GIT"
"""Names the folder of a git of 2.45 or later, where the one on PATH is older."""


def version_of(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Returns the version of the git that an environment's PATH finds."""
    said = subprocess.run(["git", "--version"], env=dict(environ), capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


@pytest.fixture(scope="session")
def reftable_environ() -> Mapping[str, str]:
    """An environment whose git knows reftables; skips where there is none."""
    environ = dict(os.environ)
    folder = environ.get(NEWER_GIT)
    if folder:
        environ["PATH"] = f"{folder}{os.pathsep}{environ['PATH']}"
    found = version_of(environ)
    if found < (2, 45):
        pytest.skip(
            f"git {found[0]}.{found[1]} knows no reftables, which came with 2.45: set {NEWER_GIT} to the folder of a"
            " newer one (tests/gitstore/build_newer_git.sh makes it)"
        )
    return {"PATH": environ["PATH"]}


@pytest.fixture
def store(git_repo: Path) -> GitStore:
    """The store of a repository with one commit."""
    return open_store(git_repo, environ=os.environ)
