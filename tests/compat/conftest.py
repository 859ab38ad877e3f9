"""Each scenario through our doors to a git repository, and on MLflow's own SQLite store, which says what is right."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compat.transcript import AS_OVER_HTTP, Transcript
from conftest import run_git
from server.serving import serving

Scenario = Callable[[Any, Transcript], None]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store that MLflow has set up: that takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("database")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder))
        store.create_experiment("unused")
        store._dispose_engine()
    # The ids that follow are of so many digits that they are nothing else in a text.
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET experiment_id = 765432100 WHERE name = 'unused'")
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "ours" / "project"
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    (folder / "train.py").write_text("print('training')\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a repository, which is closed afterwards."""
    from gitruns.protocol import hub

    yield f"gitruns:{project}"
    _leave()
    hub.close_all()


@pytest.fixture
def theirs(tmp_path: Path, empty_database: Path) -> str:
    """The address of an empty SQLite store."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


def _leave() -> None:
    import mlflow

    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.tracking.fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def served(project: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server of ours over a repository."""
    for name in ("uvicorn", "httptools", "starlette"):
        pytest.importorskip(name, reason="the server is not installed: pip install 'gitruns[server]'")
    with serving(project, tmp_path / "server.log") as server:
        yield server.url
    _leave()


_right: dict[str, list[tuple[str, Any]]] = {}
"""What each scenario saw on MLflow's own store."""


@pytest.fixture(params=["plugin", "server"])
def same(
    request: pytest.FixtureRequest, theirs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Scenario], None]:
    """Runs a scenario on MLflow's own store and through one of our doors, and compares what it saw, line by line."""
    import mlflow

    if int(mlflow.__version__.split(".")[0]) < 3:
        pytest.skip("the scenarios are of MLflow 3, whose answers are the right ones")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = request.getfixturevalue("ours" if request.param == "plugin" else "served")

    def transcript_of(scenario: Scenario, uri: str, folder: Path) -> list[tuple[str, Any]]:
        _leave()
        monkeypatch.chdir(folder)
        mlflow.set_tracking_uri(uri)
        transcript = Transcript(str(folder), over_http=uri.startswith("http"))
        transcript.experiment("0")
        scenario(mlflow, transcript)
        return transcript.lines

    def compare(scenario: Scenario) -> None:
        name = request.node.originalname
        if name not in _right:
            _right[name] = transcript_of(scenario, theirs, tmp_path / "theirs")
        found = transcript_of(scenario, address, tmp_path / "ours")
        for (what, right), (_, our) in zip(_right[name], found, strict=False):
            assert our is AS_OVER_HTTP or our == right, what
        assert len(found) == len(_right[name])

    return compare
