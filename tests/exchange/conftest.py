"""Stores that MLflow itself has written, once a session: a copy for each test that changes one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import run_git
from exchange.round_trip import write

COUNT = 20


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder with a store of a kind (`file` or `sqlite`), of 20 runs."""
    made: dict[str, Path] = {}

    def folder_of(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            write(made[kind], kind, COUNT)
        return made[kind]

    return folder_of


@pytest.fixture
def mlruns(written: Callable[[str], Path], tmp_path: Path) -> Path:
    """A file store of its own."""
    return Path(shutil.copytree(written("file") / "mlruns", tmp_path / "mlruns"))


def make_project(folder: Path) -> str:
    """Makes a repository with one commit and returns that."""
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    run_git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    return run_git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    make_project(tmp_path / "project")
    return tmp_path / "project"
