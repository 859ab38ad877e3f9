"""The examples run as their docstrings say, on the real data they name."""

from __future__ import annotations

import os
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


def test_the_script_of_an_mlflow_user(git_repo: Path) -> None:
    for package in ("pandas", "cloudpickle"):
        pytest.importorskip(package)
    runs = run_example(git_repo, "wine_mlflow.py")
    (search,) = [run for run in runs if run.info.name == "support vectors"]
    assert search.metrics["test_accuracy"].last > 0.9
    assert len(runs) == 4  # and a child each of the points that were tried
    assert {run.info.parent_run_id for run in runs} == {None, search.info.id}


def run_script(name: str, folder: Path) -> str:
    """Runs an example of the shell with its folder made below `folder`, and returns what it printed."""
    environ = {
        **os.environ,
        "TMPDIR": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    result = subprocess.run(
        ["sh", str(EXAMPLES / name)], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def test_the_line(git_repo: Path) -> None:
    shutil.copy(EXAMPLES / "line_fit.py", git_repo)
    subprocess.run([sys.executable, "line_fit.py", "--lr", "0.2"], cwd=git_repo, check=True, timeout=60)
    (run,) = Repo.open(git_repo).list_runs()
    assert run.params == {"lr": 0.2, "seed": 0}
    assert run.metrics["loss"].last < run.metrics["loss"].first
    assert [artifact.path for artifact in run.artifacts] == ["model/line.json"]


def test_a_team_of_two_clones(tmp_path: Path) -> None:
    said = run_script("team.sh", tmp_path)
    assert "fetched 2 new runs" in said
    assert "reviewed-by  bob" in said
    assert "the one to beat" in said
    (place,) = tmp_path.glob("gitruns-team-*")
    assert (place / "ada.refs").read_bytes() == (place / "bob.refs").read_bytes() != b""
    assert (place / "bob" / "weights" / "model" / "line.json").is_file()


def test_a_review(tmp_path: Path) -> None:
    said = run_script("review.sh", tmp_path)
    assert [line.split(":")[0] for line in said.splitlines() if line.startswith(("Undecided", "Failed", "Passed"))] == [
        "Undecided",
        "Failed",
        "Passed",
    ]
    assert said.count("exit code 1") == 2
    (page,) = tmp_path.glob("gitruns-review-*/review.html")
    assert "train.py" in page.read_text(encoding="utf-8")


def test_the_registry(tmp_path: Path) -> None:
    said = run_script("registry.sh", tmp_path)
    assert "line@champion is v2, was v1" in said
    assert "line v2 @candidate @champion" in said.split("git runs whence")[1]
