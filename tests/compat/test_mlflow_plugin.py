"""What MLflow's runs have because they are in git: source, live lists, journals that survive, many threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'gitruns[mlflow]'")

from conftest import run_git
from gitruns.entities.ids import RunId
from gitruns.repo import Repo

pytestmark = pytest.mark.filterwarnings("ignore")


def script(project: Path, text: str) -> subprocess.Popen[str]:
    """Starts a program in a project, with MLflow set to the repository around it."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(text)],
        cwd=project,
        env={**os.environ, "MLFLOW_TRACKING_URI": "gitruns:"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_run_is_a_child_of_what_ran(ours: str, project: Path) -> None:
    import mlflow

    (project / "train.py").write_text("print('changed')\n")
    mlflow.set_tracking_uri(ours)
    with mlflow.start_run() as run:
        mlflow.log_param("lr", 0.1)

    run_id = run.info.run_id
    assert run_git(project, "show", f"runs/{run_id}^^:train.py") == "print('changed')"
    assert run_git(project, "show", f"runs/{run_id}:params.yaml") == '"lr": "0.1"'
    assert run.data.tags["mlflow.source.git.commit"] == run_git(project, "rev-parse", "HEAD")
    assert run.data.tags["mlflow.source.git.branch"] == "main"


def test_a_run_is_listed_while_it_runs_and_outlives_a_kill(project: Path) -> None:
    program = script(
        project,
        """
        import mlflow
        mlflow.start_run(run_name="long")
        for step in range(100):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_text("kept", "notes.txt")
        print("ready", flush=True)
        input()
        """,
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    repo = Repo.open(project)
    (live,) = repo.search_runs("").runs
    assert live.live and live.info.name == "long" and live.metrics["loss"].count == 100

    program.send_signal(signal.SIGKILL)
    program.wait()
    repo.recover()
    sealed = repo.get_run(live.info.id)
    assert sealed.info.status.value == "KILLED" and sealed.metrics["loss"].count == 100
    assert repo.open_artifact(live.info.id, "notes.txt").read() == b"kept"


def test_a_script_that_does_not_end_its_run_has_it_ended(project: Path) -> None:
    program = script(project, "import mlflow\nmlflow.start_run()\nmlflow.log_metric('m', 1)\n")
    program.communicate(timeout=120)
    assert program.returncode == 0
    (run,) = Repo.open(project).search_runs("").runs
    assert run.info.status.value == "FINISHED" and not run.live
    assert not list((project / ".git/gitruns/live").iterdir()), "sealed, durable, and its journal gone"


def test_threads_log_into_one_run_and_nothing_is_lost(ours: str, project: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(ours)
    run_id = client.create_run("0").info.run_id

    def work(number: int) -> None:
        own = mlflow.MlflowClient(ours)
        for step in range(50):
            own.log_metric(run_id, f"m{number}", step, step=step)
            own.set_tag(run_id, f"t{number}", str(step))
        own.log_param(run_id, f"p{number}", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.set_terminated(run_id)

    run = Repo.open(project).get_run(run_id)
    assert {key: one.count for key, one in run.metrics.items()} == {f"m{number}": 50 for number in range(8)}
    assert len(run.params) == 8 and all(run.tags[f"t{number}"] == "49" for number in range(8))


def test_another_process_adds_to_a_run_and_ends_it(ours: str, project: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(ours)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "here", 1)
    program = script(
        project,
        f"""
        import mlflow
        client = mlflow.MlflowClient()
        client.log_metric("{run_id}", "there", 2)
        client.log_param("{run_id}", "p", 1)
        client.set_terminated("{run_id}", "FAILED")
        """,
    )
    program.communicate(timeout=120)
    assert program.returncode == 0
    ended = client.get_run(run_id)
    assert ended.info.status == "FAILED" and ended.info.end_time is not None
    assert ended.data.metrics == {"here": 1, "there": 2} and ended.data.params == {"p": "1"}
    client.log_metric(run_id, "after", 3)

    from gitruns.protocol import hub

    hub.close_all()
    sealed = Repo.open(project).get_run(run_id)
    assert sealed.commit is not None and not sealed.live
    assert sealed.info.status.value == "FAILED" and set(sealed.metrics) == {"here", "there", "after"}


def test_a_logged_model_is_in_no_list_of_runs(ours: str, project: Path) -> None:
    import mlflow

    if not hasattr(mlflow, "create_external_model"):
        pytest.skip("there are no logged models before MLflow 3")
    mlflow.set_tracking_uri(ours)
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model(name="m", params={"depth": 3})
        mlflow.finalize_logged_model(model.model_id, "READY")
    repo = Repo.open(project)
    record = model.model_id.removeprefix("m-")
    assert [one.info.id for one in repo.list_runs()] == [run.info.run_id]
    assert [one.info.id for one in repo.search_runs("").runs] == [run.info.run_id]
    assert repo.count_runs("") == 1 and repo.status().runs == 1
    assert repo.resolve_run("latest") == run.info.run_id
    assert [one.info.id for one in repo.search_runs("", kind="model").runs] == [record]
    stored = run_git(project, "show", f"runs/{record}:run.yaml")
    assert '"kind": "model"' in stored and f'"parent_run_id": "{run.info.run_id}"' in stored
    assert not list(repo.verify())
    code = repo.get_run(RunId(record)).info.source.code_tree
    assert code is not None and code == repo.get_run(RunId(run.info.run_id)).info.source.code_tree
    assert [one.info.id for one in repo.index.infos_of_trees({code}, None, 10)] == [run.info.run_id]
    assert repo.index.stats().runs == 1
    assert not [key for key in repo.known_keys() if key.name.startswith("gitruns.model.")]


def test_a_native_run_looks_right_in_mlflow(ours: str, project: Path) -> None:
    import mlflow

    from gitruns.tracking.client import Client

    own = Client(project)
    run = own.create_run(run_name="native", tags={"a": "b"})
    own.log_params(run.info.run_id, {"lr": 1e-5, "flag": True, "none": None})
    own.log_metric(run.info.run_id, "m", float("inf"), step=2)
    own.set_terminated(run.info.run_id)

    seen = mlflow.MlflowClient(ours).get_run(run.info.run_id)
    assert seen.data.params == {"lr": "1e-05", "flag": "True", "none": "None"}
    assert seen.data.metrics == {"m": 1.7976931348623157e308}
    assert seen.data.tags["mlflow.runName"] == "native" and "mlflow.user" in seen.data.tags


def test_no_repository_is_said_with_the_ways_out(tmp_path: Path) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="git init") as caught:
        mlflow.MlflowClient(f"gitruns:{tmp_path}").search_experiments()
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_what_is_not_there_answers_as_in_mlflow(ours: str) -> None:
    import mlflow

    store = mlflow.tracking._tracking_service.utils._get_store(ours)
    if not hasattr(store, "list_secret_infos"):
        pytest.skip("there was no gateway in the stores of MLflow 2")
    with pytest.raises(NotImplementedError):
        store.list_secret_infos()


def test_mlflow_finds_the_plugin_without_a_warning() -> None:
    program = "import mlflow; from mlflow.tracking._tracking_service.utils import _tracking_store_registry as r\n"
    program += "assert 'gitruns' in r._registry, r._registry"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "Failure attempting to register" not in result.stderr, result.stderr
