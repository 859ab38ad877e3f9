"""As a user who may not write, or not read everything: what can be done is done, the rest is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

AS_NOBODY = """\
import os, pathlib, sys
from gitruns.capture import capture_source, diff_source
from gitruns.gitstore import open_store
import gitruns.gitstore.pygit2_backend
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = open_store(pathlib.Path("."), environ=os.environ)
"""


@pytest.fixture
def project(git_repo: Path) -> Iterator[Path]:
    """A copy of the repository that belongs to nobody, where nobody can reach it."""
    with tempfile.TemporaryDirectory() as place:  # not below pytest's own folder, which is closed to others
        folder = Path(place) / "project"
        shutil.copytree(git_repo, folder)
        Path(place).chmod(0o755)
        if os.getuid() == 0:
            for inside in (folder, *folder.rglob("*")):
                os.chown(inside, 65534, 65534, follow_symlinks=False)
        yield folder
        for inside in (folder, *folder.rglob("*")):
            inside.chmod(0o755)


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = [sys.executable, "-c", AS_NOBODY + script]
    return subprocess.run(command, cwd=folder, env={**os.environ, **home}, capture_output=True, text=True, check=False)


def test_a_file_that_cannot_be_read_is_said(project: Path) -> None:
    (project / "train.py").write_text("changed")
    for name in ("train.py", "closed.py"):
        (project / name).touch()
        (project / name).chmod(0)
    done = run(project, "print(sorted((left.path, left.reason) for left in capture_source(store).left_out))")
    assert done.stdout == "[('closed.py', 'unreadable'), ('train.py', 'unreadable')]\n", done.stderr


def test_a_repository_that_cannot_be_written(project: Path) -> None:
    (project / "train.py").write_text("print('changed')\n")
    for inside in (project, *project.rglob("*")):
        inside.chmod(inside.stat().st_mode & ~0o222)
    script = "from gitruns.entities.source import Source\nhead = store.head().commit\n"
    done = run(project, script + "print(diff_source(store, Source(commit=head)).decode())")
    assert "+print('changed')" in done.stdout, done.stderr
    refused = run(
        project,
        "try:\n    capture_source(store)\nexcept Exception as error:\n    print(type(error).__name__, error)",
    )
    assert refused.stdout.startswith(("AccessDeniedError", "GitRunsError"))
    assert "permission" in refused.stdout.lower()


def test_a_clean_tree_needs_no_writing(project: Path) -> None:
    for inside in (project, *project.rglob("*")):
        inside.chmod(inside.stat().st_mode & ~0o222)
    done = run(project, "print(capture_source(store).dirty)")
    assert done.stdout == "False\n", done.stderr
