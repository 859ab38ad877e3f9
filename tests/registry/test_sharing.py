"""Two people share a registry by `git runs push`, `fetch` and `sync` alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Git

LOG = 'import gitruns\nwith gitruns.start_run():\n    gitruns.log_text("weights", "model/weights.txt")\n'


@pytest.fixture
def people(git_repo: Path, tmp_path: Path, git: Git) -> list[Path]:
    """Two clones of one bare repository."""
    git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), "hub.git")
    for name in ("ada", "ben"):
        git(tmp_path, "clone", "--quiet", str(tmp_path / "hub.git"), name)
    return [tmp_path / "ada", tmp_path / "ben"]


def runs(folder: Path, *arguments: str) -> str:
    """Types `git runs ARGS` in a folder and returns what it says, on both streams."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["git", "runs", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def register(folder: Path, *more: str) -> None:
    subprocess.run([sys.executable, "-c", LOG], cwd=folder, check=True)
    runs(folder, "model", "register", "digits", "latest", "model", *more)


def test_numbers_aliases_and_git_tags_are_shared(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, ben = people
    register(ada, "--alias", "champion")
    assert "digits v1 is confirmed by origin" in runs(ada, "push")
    runs(ben, "fetch")
    assert git(ben, "tag", "-l") == "models/digits/v1"
    # Both work offline and claim the same number; Ben is quicker.
    register(ben)
    register(ada)
    runs(ben, "model", "alias", "digits@champion", "2")
    assert "digits v2 is confirmed by origin" in runs(ben, "push")
    said = runs(ada, "sync")
    assert "digits v2 became v3: somebody else had published v2 to origin" in said
    runs(ben, "sync")
    for folder in people:
        shown = runs(folder, "model", "versions", "digits", "--format", "{version} {confirmed} {aliases}")
        assert shown == '1 true []\n2 true ["champion"]\n3 true []\n'
        assert git(folder, "tag", "-l").split() == ["models/digits/v1", "models/digits/v2", "models/digits/v3"]
        assert runs(folder, "verify") == "nothing is wrong\n"
    tips = {git(folder, "rev-parse", "refs/runs/models/digits") for folder in (*people, tmp_path / "hub.git")}
    assert len(tips) == 1
    assert "has everything" in runs(ada, "push")


def test_a_version_of_unpublished_code_waits(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = people
    (ada / "train.py").write_text("print('secret')\n")
    git(ada, "commit", "--quiet", "--all", "-m", "not pushed")
    register(ada)
    assert "digits v1 stays unconfirmed: its source" in runs(ada, "push")
    assert git(tmp_path / "hub.git", "tag", "-l") == ""
    git(ada, "push", "--quiet", "origin", "HEAD")
    assert "digits v1 is confirmed by origin" in runs(ada, "push")


def test_a_shallow_clone_gets_the_code_of_a_version(people: list[Path], git: Git, tmp_path: Path) -> None:
    ada, _ = people
    register(ada)
    runs(ada, "push")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tmp_path}/hub.git", "ci")
    runs(tmp_path / "ci", "fetch")
    assert git(tmp_path / "ci", "show", "models/digits/v1:train.py") == "print('training')"
    assert git(tmp_path / "ci", "rev-parse", "--is-shallow-repository") == "true"
