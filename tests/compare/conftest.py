"""A laboratory, and a way to call the command line in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.made_runs import Cli, Result
from compare.lab import Lab
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
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """An empty repository; the working directory is in it."""
    made = Lab(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls the command line as `git runs ARGS`."""
    monkeypatch.setenv("GIT_PAGER", "cat")

    def call(*arguments: str, width: int | None = None) -> Result:
        terminal = None if width is None else Terminal(is_tty=True, width=width, colour=False)
        capfd.readouterr()
        code = main(arguments, App(os.environ, terminal=terminal))
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call
