"""Fixtures that every test shares: no test sees the user's home, git configuration or environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no bug. A failing example is printed with the line that reproduces it.
settings.register_profile("gitruns", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gitruns")

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home folder and a git that reads no configuration but the repository's own."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITRUNS_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    yield home


def run_git(folder: Path, *args: str, stdin: str | None = None) -> str:
    """Runs the real git in a folder and returns its output without the last line end."""
    result = subprocess.run(["git", *args], cwd=folder, input=stdin, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"git {' '.join(args)}: {result.stderr}"
    return result.stdout.rstrip("\n")


@pytest.fixture
def git_repo(tmp_path: Path) -> Path:
    """A repository with one commit of a small training script, as a researcher has it."""
    folder = tmp_path / "project"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    (folder / "train.py").write_text("print('training')\n")
    (folder / "README.md").write_text("# project\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def git() -> Git:
    """The function that runs the real git: `git(folder, "log", "--oneline")`."""
    return run_git
