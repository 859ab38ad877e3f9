"""A repository with runs that never change, and a way to call the command line in this process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cli.example_runs import make_example
from cli.made_runs import NOW, START, Cli, Result, log_runs
from conftest import run_git
from gitruns.cli.app import App
from gitruns.cli.main import main
from gitruns.cli.terminal import Terminal


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled modules: an installed git-runs has them too, and starts in half the time."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def installed_as_usual(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of the tests compile our modules once."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(compiled))


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls the command line as `git runs ARGS`; `width` makes stdout a terminal of so many columns."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("GIT_PAGER", "cat")

    def call(*arguments: str, width: int | None = None, colour: bool = False, now_ms: int | None = NOW) -> Result:
        terminal = None if width is None else Terminal(is_tty=True, width=width, colour=colour)
        capfd.readouterr()
        code = main(arguments, App(os.environ, terminal=terminal, now_ms=now_ms))
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def runs_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a handful of runs, made once; tests get copies."""
    folder = tmp_path_factory.mktemp("runs") / "project"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        _fixed_git(patch)
        run_git(folder, "init", "--quiet", "-b", "main", "--template=")
        (folder / "train.py").write_text("print('training')\n")
        (folder / "train.sh").write_text("#!/bin/sh\necho training\n")
        (folder / "train.sh").chmod(0o755)
        (folder / "README.md").write_text("# project\n")
        run_git(folder, "add", ".")
        run_git(folder, "commit", "--quiet", "-m", "train a model")
        run_git(folder, "branch", "feature")
        log_runs(folder)
        run_git(folder, "gc", "--quiet")  # few files are quickly copied
    return folder


@pytest.fixture(scope="session")
def example_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that docs/query.md is about, made once, for tests that only read."""
    folder = tmp_path_factory.mktemp("example") / "project"
    make_example(folder)
    return folder


@pytest.fixture
def example_repo(example_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository that docs/query.md is about; the working directory is in it. Tests only read it."""
    monkeypatch.chdir(example_template)
    monkeypatch.setenv("LINES", "24")
    return example_template


def _fixed_git(patch: pytest.MonkeyPatch) -> None:
    """The same commits on every machine; the session's fixture does not see the test's own environment."""
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
        patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        patch.setenv(f"GIT_{role}_DATE", f"{START // 1000} +0000")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


@pytest.fixture
def runs_repo(runs_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository with runs; the working directory is in it."""
    folder = tmp_path / "project"
    shutil.copytree(runs_template, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def shared_runs(runs_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository with runs itself, for tests that only read; the working directory is in it."""
    monkeypatch.chdir(runs_template)
    return runs_template


@pytest.fixture
def empty_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without runs; the working directory is in it."""
    monkeypatch.chdir(git_repo)
    return git_repo
