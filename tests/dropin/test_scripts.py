"""Scripts of MLflow users, each in a process where MLflow cannot be imported."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

WITHOUT_MLFLOW = (
    "import runpy, sys; sys.modules['mlflow'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def run_script(folder: Path, text: str, *how: str) -> str:
    """Runs a script and returns what it printed."""
    (folder / "script.py").write_text(textwrap.dedent(text))
    command = [sys.executable, *(how or ("-c", WITHOUT_MLFLOW)), "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_loop_by_hand(inside: Path) -> None:
    shown = run_script(
        inside,
        """
        import json
        import gitruns.mlflow as mlflow
        from gitruns.mlflow import MlflowClient

        mlflow.set_tracking_uri("gitruns:")
        mlflow.set_experiment("digits")
        with mlflow.start_run(run_name="first", tags={"who": "ada"}, description="by hand") as run:
            mlflow.log_params({"lr": 0.01, "layers": [1, 2], "seed": None})
            for step in range(5):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_dict({"a": 1}, "d.json")
            with mlflow.start_run(nested=True, run_name="child") as child:
                mlflow.log_metric("acc", 1)
            MlflowClient().log_metric(run.info.run_id, "late", 2.0)
        found = mlflow.get_run(run.info.run_id)
        parent = mlflow.get_parent_run(child.info.run_id)
        print(json.dumps({
            "params": found.data.params, "metrics": found.data.metrics, "status": found.info.status,
            "tags": {key: found.data.tags[key] for key in ("who", "mlflow.runName", "mlflow.note.content")},
            "parent": parent.info.run_name,
            "text": mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/a.txt"),
            "history": [one.value for one in MlflowClient().get_metric_history(run.info.run_id, "loss")],
            "found": mlflow.search_runs(filter_string="metrics.loss < 0.3")["run_id"].tolist() == [run.info.run_id],
            "artifacts": [one.path for one in MlflowClient().list_artifacts(run.info.run_id)],
        }))
        """,
    )
    assert json.loads(shown) == {
        "params": {"lr": "0.01", "layers": "[1, 2]", "seed": "None"},
        "metrics": {"loss": 0.2, "late": 2.0},
        "status": "FINISHED",
        "tags": {"who": "ada", "mlflow.runName": "first", "mlflow.note.content": "by hand"},
        "parent": "first",
        "text": "hello",
        "history": [1.0, 0.5, 1 / 3, 0.25, 0.2],
        "found": True,
        "artifacts": ["d.json", "notes"],
    }


def test_a_script_that_fails_has_a_failed_run(inside: Path) -> None:
    script = "import gitruns.mlflow as mlflow\nmlflow.log_metric('m', 1)\nraise ValueError('bad data')\n"
    (inside / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], cwd=inside, capture_output=True, text=True, timeout=60)
    assert "bad data" in done.stderr
    import gitruns.mlflow as dropin

    (found,) = dropin.search_runs(output_format="list")
    assert (found.info.status, found.data.metrics) == ("FAILED", {"m": 1.0})


def test_a_script_runs_unchanged_under_the_module(inside: Path) -> None:
    shown = run_script(
        inside,
        """
        import mlflow
        import mlflow.pytorch
        import mlflow.sklearn
        from mlflow import MlflowClient
        from mlflow.entities import ViewType
        from mlflow.models import infer_signature
        from mlflow.tracking import MlflowClient as Same
        from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

        assert MlflowClient is Same and mlflow.MlflowClient is Same
        assert MLFLOW_RUN_NAME == "mlflow.runName"
        assert mlflow.__version__ >= "3.17"
        try:
            mlflow.get_experiment("123")
        except mlflow.MlflowException as error:
            assert error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
        with mlflow.start_run():
            mlflow.log_param("p", 1)
        try:
            mlflow.pytorch.log_model(None, name="model")
        except mlflow.MlflowException as error:
            print(mlflow.__name__, error.kind)
        """,
        "-m",
        "gitruns.mlflow",
    )
    assert shown.split() == ["gitruns.mlflow", "extra-missing"]


def test_the_environment_says_where_and_what(inside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"gitruns:{inside}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from the environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shown = run_script(
        elsewhere,
        """
        import subprocess, sys
        import gitruns.mlflow as mlflow
        with mlflow.start_run() as run:
            pass
        print(mlflow.get_experiment(run.info.experiment_id).name)
        child = "import gitruns.mlflow as m; print(len(m.search_runs(search_all_experiments=True)))"
        print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
        """,
    )
    assert shown.split("\n")[:2] == ["from the environment", "1"]


def test_importing_it_loads_nothing_of_weight() -> None:
    program = (
        "import sys, gitruns; before = set(sys.modules); import gitruns.mlflow; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:  # gitruns is found by a file of site-packages here
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "typing" not in done.stdout
    assert not {"numpy", "pandas", "pygit2", "yaml", "json"} & set(ast.literal_eval(done.stdout))
