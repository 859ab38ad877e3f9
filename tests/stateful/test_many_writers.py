"""Many processes at once: into one run, and each its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gitruns
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from gitruns.tracking import fluent

JOIN = """
import sys, gitruns
run_id, worker, points = sys.argv[1], sys.argv[2], int(sys.argv[3])
with gitruns.start_run(run_id):
    for step in range(points):
        gitruns.log_metric("m" + worker, step * 0.5, step=step)
"""
ALONE = """
import sys, gitruns
with gitruns.start_run(run_name="job-" + sys.argv[1]):
    gitruns.log_param("job", int(sys.argv[1]))
    gitruns.log_metric("m", 1.0)
"""


@pytest.fixture(autouse=True)
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(git_repo)
    yield
    fluent._close_sessions()
    fluent._sessions.clear()


def start_all(repo: Path, script: str, arguments: list[list[str]]) -> None:
    """Starts one process for each list of arguments, all at once, and waits for them to end well."""
    children = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script, *words], cwd=repo, stderr=subprocess.PIPE)
        for words in arguments
    ]
    for child in children:
        _, complaint = child.communicate(timeout=280)
        assert child.returncode == 0, complaint.decode()
        assert complaint == b""


def one_run_of_many(repo: Path, writers: int, points: int) -> None:
    with gitruns.start_run() as run:
        start_all(repo, JOIN, [[run.info.run_id, str(worker), str(points)] for worker in range(writers)])
    found = Repo.open(repo).get_run(RunId(run.info.run_id))
    assert found.info.status.value == "FINISHED"
    assert {key: summary.count for key, summary in found.metrics.items()} == {
        f"m{worker}": points for worker in range(writers)
    }
    assert sum(1 for _ in Repo.open(repo).iter_points(RunId(run.info.run_id))) == writers * points


def test_processes_write_into_one_run(git_repo: Path) -> None:
    one_run_of_many(git_repo, 4, 1000)


@pytest.mark.slow
def test_sixteen_processes_write_160_000_points_into_one_run(git_repo: Path) -> None:
    one_run_of_many(git_repo, 16, 10_000)


def each_a_run(repo: Path, processes: int, git) -> None:
    start_all(repo, ALONE, [[str(number)] for number in range(processes)])
    runs = Repo.open(repo).list_runs()
    assert sorted(run.params["job"] for run in runs) == list(range(processes))
    assert {run.info.status.value for run in runs} == {"FINISHED"}
    assert all(run.commit is not None for run in runs)
    git(repo, "fsck", "--strict")


def test_processes_each_make_a_run(git_repo: Path, git) -> None:
    each_a_run(git_repo, 12, git)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_processes_at_once_make_two_hundred_runs(git_repo: Path, git) -> None:
    each_a_run(git_repo, 200, git)
