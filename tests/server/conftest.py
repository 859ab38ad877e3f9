"""A server over a repository of its own, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.serving import Served, isolated_environ, make_repo, serving


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that all tests of a module share: starting one takes a second."""
    folder = tmp_path_factory.mktemp("served")
    environ = isolated_environ(folder)
    with serving(make_repo(folder / "project", environ), folder / "log", environ=environ) as served:
        yield served


@pytest.fixture
def server(git_repo: Path, tmp_path: Path) -> Iterator[Served]:
    """A server on loopback, where nobody needs a token."""
    with serving(git_repo, tmp_path / "server.log") as served:
        yield served


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One such server for all tests of a module that only look at what they made themselves: starting it takes long."""
    folder = tmp_path_factory.mktemp("shared")
    run_git(folder, "init", "--quiet")
    run_git(folder, "config", "user.name", "Ada Lovelace")
    run_git(folder, "config", "user.email", "ada@example.org")
    (folder / "train.py").write_text("print('training')\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "first")
    foreign = ("GIT_", "GITRUNS_", "MLFLOW_")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    home = tmp_path_factory.mktemp("home")
    environ |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "GIT_CONFIG_GLOBAL": os.devnull}
    with serving(folder, tmp_path_factory.mktemp("log") / "server.log", environ=environ) as served:
        yield served
