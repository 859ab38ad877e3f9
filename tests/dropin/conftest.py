"""The drop-in in a repository of its own, and left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import run_git

VARIABLES = "MLFLOW_TRACKING_URI MLFLOW_RUN_ID MLFLOW_EXPERIMENT_ID MLFLOW_EXPERIMENT_NAME GITRUNS_REPO".split()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    (folder / "train.py").write_text("print('training')\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's programs keep what they know."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def inside(project: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The repository as working directory, with nothing set up and no run open."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project)
    leave()
    yield project
    leave()


def leave() -> None:
    """Ends what is open, and forgets what was chosen."""
    from gitruns.mlflow import active, model_calls, set_tracking_uri
    from gitruns.protocol import hub
    from gitruns.tracking import fluent

    while fluent.current_log() is not None:
        fluent.end_run()
    active._experiment_id = fluent._experiment = fluent._last_run = None
    model_calls._last_model = None
    set_tracking_uri("gitruns:")
    hub.close_all()
