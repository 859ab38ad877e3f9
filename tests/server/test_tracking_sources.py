"""The commit that a remote client names: the run's parent where the repository has it, else linked by id."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from server.serving import Served, serving

PREFIX = "/api/2.0/mlflow"


def log_run(server: Served, commit: str) -> str:
    """Logs a run of a client whose code is at a commit."""
    tags = [{"key": "mlflow.source.git.commit", "value": commit}]
    body = {"experiment_id": "0", "run_name": commit[:6], "tags": tags}
    run_id: str = server.post(f"{PREFIX}/runs/create", body).json["run"]["info"]["run_id"]
    assert server.post(f"{PREFIX}/runs/update", {"run_id": run_id, "status": "FINISHED"}).status == 200
    return run_id


def names(repo: Path, query: str) -> set[str]:
    return {run.info.name for run in Repo.open(repo).search_runs(query).runs}


def test_a_run_is_a_child_of_a_commit_that_is_here(git_repo: Path, tmp_path: Path) -> None:
    head = run_git(git_repo, "rev-parse", "HEAD")
    with serving(git_repo, tmp_path / "log") as server:
        run_id = log_run(server, head)
    assert run_git(git_repo, "rev-parse", f"runs/{run_id}~2") == head
    assert names(git_repo, f"commit = {head}") == names(git_repo, "commit = HEAD") == {head[:6]}


def test_a_commit_that_comes_later_is_linked_by_id(git_repo: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    run_git(tmp_path, "clone", "--quiet", str(git_repo), str(elsewhere))
    run_git(elsewhere, "commit", "--quiet", "--allow-empty", "-m", "not here yet")
    away = run_git(elsewhere, "rev-parse", "HEAD")
    with serving(git_repo, tmp_path / "log") as server:
        run_id = log_run(server, away)
        base = log_run(server, run_git(git_repo, "rev-parse", "HEAD"))
    run = Repo.open(git_repo).get_run(RunId(run_id))
    assert run.info.source.commit == away
    assert run_git(git_repo, "rev-list", "--count", "--max-parents=0", f"runs/{run_id}") == "1"
    assert run_git(git_repo, "rev-list", "--count", f"runs/{run_id}") == "2", "no parent"

    run_git(git_repo, "fetch", "--quiet", str(elsewhere), "HEAD:refs/heads/came")
    assert names(git_repo, "commit = came") == {away[:6]}
    assert names(git_repo, "in HEAD..came") == {away[:6]}
    assert names(git_repo, "ancestor of came") == {away[:6], Repo.open(git_repo).get_run(RunId(base)).info.name}
    assert run_git(git_repo, "rev-list", "--count", f"runs/{run_id}") == "2", "now and later"
    assert not list(Repo.open(git_repo).verify())


@pytest.mark.parametrize("what", ["HEAD^{tree}", "HEAD:train.py", "rubbish", "-h", ""])
def test_what_is_no_commit_is_no_parent(git_repo: Path, tmp_path: Path, what: str) -> None:
    (git_repo / "train.py").write_text("pass\n")
    run_git(git_repo, "add", ".")
    run_git(git_repo, "commit", "--quiet", "-m", "code")
    named = run_git(git_repo, "rev-parse", what) if what.startswith("HEAD") else what
    with serving(git_repo, tmp_path / "log") as server:
        run_id = log_run(server, named)
        shown = server.get(f"{PREFIX}/runs/get?run_id={run_id}").json["run"]["data"]["tags"]
        assert {"key": "mlflow.source.git.commit", "value": named} in shown
    assert run_git(git_repo, "rev-list", "--count", f"runs/{run_id}") == "2"
    assert run_git(git_repo, "fsck", "--strict") == ""
    assert Repo.open(git_repo).count_runs("ancestor of HEAD") == 0
    assert Repo.open(git_repo).count_runs("touched train.py") == 0
    assert Repo.open(git_repo).status().runs == 1
