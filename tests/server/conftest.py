"""A server over a repository of its own, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.own_world import World, made_world
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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server over a repository with something of everything, one for all tests of a file."""
    with made_world(tmp_path_factory.mktemp("world")) as made:
        yield made
