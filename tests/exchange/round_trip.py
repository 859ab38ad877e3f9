"""A store of MLflow's brought in and written out again, and what came back held against what was there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUR_TAGS = ("gitruns.imported_id",)


def run_python(python: str | Path, *args: str | Path) -> str:
    """Runs a script of this folder in some Python, quietly; returns what it prints."""
    environ = {
        **os.environ,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "PYTHONWARNINGS": "ignore",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    words = [str(python), *map(str, args)]
    done = subprocess.run(words, capture_output=True, text=True, env=environ, cwd=HERE, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def write(folder: Path, kind: str, count: int, commit: str = "", *, python: str | Path = sys.executable) -> Path:
    """Has MLflow fill a store; returns its address: the folder, or the SQLite file."""
    folder.mkdir(parents=True, exist_ok=True)
    run_python(python, "write_mlflow.py", folder, kind, str(count), *([commit] if commit else []))
    return folder / ("mlruns" if kind == "file" else "mlflow.db")


def dump(folder: Path, kind: str, *, python: str | Path = sys.executable) -> dict[str, Any]:
    """Returns all that MLflow finds in a store."""
    printed = run_python(python, "dump_mlflow.py", folder, kind)
    found: dict[str, Any] = json.loads(printed[printed.index("{\n") :])
    return found


def gitruns(repository: Path, *args: str | Path) -> str:
    """Runs the command line in a repository; returns what it says."""
    words = [sys.executable, "-m", "gitruns.cli.start", *map(str, args)]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
    return done.stderr


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Returns the places at which two values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in sorted({*before, *after})
            for line in differences(before.get(key), after.get(key), f"{path}/{key}")
        ]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"[:400]]


def comparable(found: dict[str, Any], *, kind: str) -> dict[str, Any]:
    """Returns what must be the same: all but what one of MLflow's own readers leaves out or gets wrong.

    Its file store reads the step of a point that was measured on a dataset as 0, and of the points of a logged model
    only the last of each dataset; versions before 1.29 know no times of experiments, those before 2.4 no datasets.
    """
    for run in found["runs"].values():
        for points in run["metrics"].values():
            points[:] = [[0 if time == 1600000000007 else step, time, value] for time, step, value in points]
    if kind != "file":
        for model in (found["logged"] or {}).values():
            last: dict[Any, Any] = {}
            for point in sorted(model["points"], key=lambda one: one[2]):
                last[point[0], point[5], point[6]] = point
            model["points"] = sorted(last.values(), key=str)
    return found
