"""MLflow's own programs on a repository: its server and pages, command line, projects, serving, cleaning up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")
pytest.importorskip("sqlalchemy", reason="the programs need the whole of MLflow")
pytest.importorskip("flask", reason="the programs need the whole of MLflow")

import requests

from conftest import run_git

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

MLFLOW = Path(sys.executable).parent / "mlflow"

PROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "python project.py {alpha}"
"""
CODE = """\
import sys
import mlflow

with mlflow.start_run():
    mlflow.log_metric("seen", float(sys.argv[1]))
    mlflow.log_text("made", "made.txt")
"""


def mlflow(folder: Path, *args: str, uri: str = "gitruns:") -> str:
    """Runs the program and returns its standard output."""
    environ = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": f"{MLFLOW.parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        [MLFLOW, *args], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def log_run(project: Path, uri: str = "") -> str:
    """Logs a run from a program of its own and returns its id."""
    code = (
        "import mlflow\n"
        "with mlflow.start_run() as run:\n"
        "    mlflow.log_params({'lr': 0.1})\n"
        "    mlflow.log_metrics({'loss': 0.5}, step=1)\n"
        "    mlflow.log_metrics({'loss': 0.25}, step=2)\n"
        "    mlflow.log_text('text', 'deep/a.txt')\n"
        "print(run.info.run_id)\n"
    )
    environ = {**os.environ, "MLFLOW_TRACKING_URI": uri or "gitruns:"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=environ, capture_output=True, text=True, check=True, timeout=120
    )
    return [line for line in result.stdout.splitlines() if len(line) == 32][-1]


@pytest.mark.parametrize("door", ["plugin", "server"])
def test_projects_and_the_command_line(project: Path, door: str, request: pytest.FixtureRequest) -> None:
    uri = "gitruns:" if door == "plugin" else str(request.getfixturevalue("served"))
    (project / "MLproject").write_text(PROJECT)
    (project / "project.py").write_text(CODE)
    run_git(project, "add", ".")
    run_git(project, "commit", "--quiet", "-m", "project")

    mlflow(project, "run", ".", "-P", "alpha=0.25", "--env-manager", "local", uri=uri)

    listed = mlflow(project, "runs", "list", "--experiment-id", "0", uri=uri)
    run_id = listed.split()[-1]
    described = json.loads(mlflow(project, "runs", "describe", "--run-id", run_id, uri=uri))
    assert described["info"]["status"] == "FINISHED"
    assert described["data"]["metrics"] == {"seen": 0.25}
    assert described["data"]["params"] == {"alpha": "0.25"}
    assert described["data"]["tags"]["mlflow.project.entryPoint"] == "main"
    files = json.loads(mlflow(project, "artifacts", "list", "-r", run_id, uri=uri))
    assert [one["path"] for one in files] == ["made.txt"]
    where = project / "out"
    mlflow(project, "artifacts", "download", "-r", run_id, "-a", "made.txt", "-d", str(where), uri=uri)
    assert (where / "made.txt").read_text() == "made"
    run_git(project, "merge-base", "--is-ancestor", "HEAD", f"runs/{run_id}")


def test_gc_purges_what_was_deleted(project: Path) -> None:
    gone, stays = log_run(project), log_run(project)
    mlflow(project, "runs", "delete", "--run-id", gone)

    said = mlflow(project, "gc", "--backend-store-uri", f"gitruns:{project}")

    assert gone in said
    assert run_git(project, "rev-parse", "--verify", f"runs/{stays}")
    assert stays in mlflow(project, "runs", "list", "--experiment-id", "0", "--view", "all")
    assert gone not in mlflow(project, "runs", "list", "--experiment-id", "0", "--view", "all")


# Its server, for its pages


def test_what_the_pages_of_mlflow_ask_its_server(project: Path) -> None:
    run_id = log_run(project)
    args = ("server", "--backend-store-uri", f"gitruns:{project}", "--workers", "1")
    with running(project, *args) as url:
        found = ask(url, "/ajax-api/2.0/mlflow/runs/search", {"experiment_ids": ["0"]})["runs"]
        assert [one["info"]["run_id"] for one in found] == [run_id]
        files = ask(url, f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}&path=deep")["files"]
        assert [one["path"] for one in files] == ["deep/a.txt"]
        assert requests.get(f"{url}/get-artifact?run_id={run_id}&path=deep/a.txt", timeout=30).content == b"text"
        bulk = f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run_id}&metric_key=loss&max_results=9"
        assert [one["value"] for one in ask(url, bulk)["metrics"]] == [0.5, 0.25]
        query = "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { status } } } }"
        asked = {"operationName": "GetRun", "query": query, "variables": {"data": {"runId": run_id}}}
        assert ask(url, "/graphql", asked)["data"]["mlflowGetRun"]["run"]["info"]["status"] == "FINISHED"
        assert "experiments" in ask(url, "/ajax-api/2.0/mlflow/experiments/search?max_results=10")
        assert "<title>MLflow" in requests.get(url, timeout=30).text


def test_serving_a_registered_model(project: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("skops", reason="MLflow keeps models of scikit-learn with it")
    code = (
        "import mlflow\n"
        "from sklearn.dummy import DummyRegressor\n"
        "model = DummyRegressor(strategy='constant', constant=7.0).fit([[1.0]], [7.0])\n"
        "with mlflow.start_run():\n"
        "    mlflow.sklearn.log_model(model, name='model', registered_model_name='seven')\n"
        "mlflow.MlflowClient().set_registered_model_alias('seven', 'live', 1)\n"
    )
    environ = {**os.environ, "MLFLOW_TRACKING_URI": "gitruns:"}
    subprocess.run([sys.executable, "-c", code], cwd=project, env=environ, check=True, timeout=180)

    with running(project, "models", "serve", "-m", "models:/seven@live", "--env-manager", "local") as url:
        rows = {"dataframe_split": {"columns": ["x"], "data": [[1.0], [2.0]]}}
        assert ask(url, "/invocations", rows) == {"predictions": [7.0, 7.0]}


@contextmanager
def running(folder: Path, *args: str) -> Iterator[str]:
    """Runs one of MLflow's programs that serve, until the block ends; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "MLFLOW_TRACKING_URI": "gitruns:", "PYTHONWARNINGS": "ignore"}
    environ["PATH"] = f"{MLFLOW.parent}{os.pathsep}{environ['PATH']}"
    with (folder.parent / "served.log").open("wb") as log:
        process = subprocess.Popen(
            [MLFLOW, *args, "--port", str(port)],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, port, folder.parent / "served.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        for path in ("/health", "/ping"):
            with suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).ok:
                    return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def ask(url: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Makes one request and returns the JSON of the answer."""
    reply = requests.get(url + path, timeout=60) if body is None else requests.post(url + path, json=body, timeout=60)
    assert reply.ok, reply.text
    return reply.json()
