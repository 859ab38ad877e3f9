"""The examples run as their docstrings say, on the real data they name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitruns.entities.run import Run
from gitruns.repo import Repo

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(repo: Path, name: str, *arguments: str) -> list[Run]:
    """Runs an example in the repository and returns the runs it made."""
    pytest.importorskip("sklearn")
    shutil.copy(EXAMPLES / name, repo / name)
    result = subprocess.run(
        [sys.executable, name, *arguments], cwd=repo, capture_output=True, text=True, check=False, timeout=200
    )
    assert result.returncode == 0, result.stderr
    assert "gitruns" not in result.stderr
    return Repo.open(repo).list_runs()


def test_the_sweep_on_digits(git_repo: Path) -> None:
    pytest.importorskip("matplotlib")
    runs = run_example(git_repo, "digits_sweep.py", "--epochs", "2")
    assert len(runs) == 4
    assert {(run.params["learning_rate"], run.params["hidden_units"]) for run in runs} == {
        (0.003, 16),
        (0.003, 64),
        (0.03, 16),
        (0.03, 64),
    }
    for run in runs:
        assert run.metrics["val_accuracy"].count == 2
        assert {artifact.path for artifact in run.artifacts} == {
            "confusion.json",
            "confusion.png",
            "model/model.joblib",
        }
        assert [(one.name, one.context) for one in run.inputs] == [("digits", "training")]
        assert run.info.source.dirty  # the example itself is not committed yet


def test_the_loop_on_diabetes(git_repo: Path) -> None:
    (run,) = run_example(git_repo, "diabetes_numpy.py", "--steps", "50")
    assert run.params == {"lr": 0.3, "steps": 50}
    assert run.metrics["val_loss"].last < run.metrics["val_loss"].first
    assert [artifact.path for artifact in run.artifacts if artifact.in_git] == ["weights.json"]
