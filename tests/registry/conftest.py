"""A repository whose runs have made models, and its registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gitruns
from gitruns.registry import Registry
from gitruns.repo import Repo

MakeRun = Callable[..., str]


@pytest.fixture
def make_run(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Logs a run with a small model in `model/` and returns its id; the working directory is in the repository."""
    monkeypatch.chdir(git_repo)

    def make(text: str = "weights", *, end: bool = True) -> str:
        run = gitruns.start_run()
        gitruns.log_param("lr", 0.1)
        gitruns.log_metric("loss", 0.5)
        gitruns.log_text(text, "model/weights.txt")
        gitruns.log_text("kind: linear", "model/MLmodel")
        run_id = run.info.run_id
        if end:
            gitruns.end_run()
        return run_id

    return make


@pytest.fixture
def registry(git_repo: Path, make_run: MakeRun) -> Registry:
    """The registry of the repository, which has no remote."""
    return Registry(Repo.open(git_repo))
