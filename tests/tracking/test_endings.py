"""How a script ends is what its run says: each ending in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitruns.entities.run import Run
from gitruns.repo import Repo


def run_script(repo: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in the repository."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=repo, capture_output=True, text=True, check=False
    )


def only_run(repo: Path) -> Run:
    """Returns the one run that is there."""
    (run,) = Repo.open(repo).list_runs()
    return run


START = "import gitruns, os, sys, signal, time\ngitruns.start_run()\ngitruns.log_metric('m', 1.0)\n"


@pytest.mark.parametrize(
    ("script", "status", "exit_code", "error"),
    [
        ("", "FINISHED", 0, None),
        ("raise ValueError('too\\nlarge')", "FAILED", 1, "ValueError: too large"),
        ("raise KeyboardInterrupt", "KILLED", 130, "KeyboardInterrupt"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", "KILLED", 143, "SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGHUP); time.sleep(5)", "KILLED", 129, "SIGHUP"),
        ("gitruns.end_run('FAILED')", "FAILED", None, None),
        ("gitruns.end_run(); sys.exit(3)", "FINISHED", None, None),
    ],
)
def test_the_end_of_a_script(
    git_repo: Path, script: str, status: str, exit_code: int | None, error: str | None
) -> None:
    run_script(git_repo, START + script)
    run = only_run(git_repo)
    assert (run.info.status.value, run.info.exit_code, run.info.error) == (status, exit_code, error)
    assert run.commit is not None
    assert run.metrics["m"].count == 1


def test_a_block_left_by_exit_says_its_code(git_repo: Path) -> None:
    result = run_script(git_repo, "import gitruns, sys\nwith gitruns.start_run():\n    sys.exit(3)\n")
    assert result.returncode == 3
    run = only_run(git_repo)
    assert (run.info.status.value, run.info.exit_code) == ("FAILED", 3)


def test_a_process_that_vanishes_is_killed_for_the_next_reader(git_repo: Path) -> None:
    result = run_script(git_repo, START + "os._exit(0)")
    assert result.returncode == 0
    run = only_run(git_repo)
    assert run.info.status.value == "KILLED"
    assert run.metrics["m"].last == 1.0
    assert run.info.end_time_ms is not None
    assert Repo.open(git_repo).recover() == [run.info.id]
    assert only_run(git_repo).commit is not None


def test_a_script_that_handles_sigterm_itself_keeps_doing_so(git_repo: Path) -> None:
    script = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    result = run_script(git_repo, script + START + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)")
    assert result.returncode == 7


def test_sigterm_in_the_hot_loop_ends_the_process_by_the_signal(git_repo: Path) -> None:
    script = START + "print('on', flush=True)\nwhile True:\n    gitruns.log_metric('m', 2.0, step=1)\n"
    child = subprocess.Popen([sys.executable, "-c", script], cwd=git_repo, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.2)
    child.terminate()
    assert child.wait(timeout=30) == -signal.SIGTERM
    child.stdout.close()
    assert only_run(git_repo).info.status.value == "KILLED"


def test_the_child_of_a_fork_adds_to_the_run_and_does_not_end_it(git_repo: Path) -> None:
    script = (
        START
        + """
if os.fork() == 0:
    for step in range(100):
        gitruns.log_metric('child', step, step=step)
    sys.exit(0)
os.wait()
gitruns.log_metric('m', 2.0, step=1)
"""
    )
    result = run_script(git_repo, script)
    assert (result.returncode, result.stderr) == (0, "")
    run = only_run(git_repo)
    assert run.info.status.value == "FINISHED"
    assert {key: summary.count for key, summary in run.metrics.items()} == {"m": 2, "child": 100}


def test_the_child_of_a_fork_that_logs_nothing_says_nothing(git_repo: Path) -> None:
    result = run_script(git_repo, START + "\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert only_run(git_repo).info.status.value == "FINISHED"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_log_into_the_run(git_repo: Path, method: str) -> None:
    (git_repo / "work.py").write_text(f"""
import multiprocessing, gitruns

def work(job):
    run_id, worker = job
    if gitruns.active_run() is None:
        gitruns.start_run(run_id)
    for step in range(50):
        gitruns.log_metric(f"m{{worker}}", step, step=step)

if __name__ == "__main__":
    with gitruns.start_run() as run:
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            pool.map(work, [(run.info.run_id, worker) for worker in range(4)])
""")
    result = subprocess.run(
        [sys.executable, "work.py"], cwd=git_repo, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    Repo.open(git_repo).recover()
    run = only_run(git_repo)
    assert run.info.status.value == "FINISHED"
    assert sum(summary.count for summary in run.metrics.values()) == 200


def test_a_run_made_by_a_client_stays_open_after_its_process(git_repo: Path) -> None:
    result = run_script(
        git_repo,
        "import gitruns\nclient = gitruns.Client()\nrun = client.create_run()\n"
        "client.log_param(run.info.run_id, 'a', 1)\nclient.close()\n",
    )
    assert result.returncode == 0, result.stderr
    repo = Repo.open(git_repo)
    repo.recover()
    run = only_run(git_repo)
    assert run.info.status.value == "RUNNING"
    script = f"import gitruns\nclient = gitruns.Client()\nclient.set_terminated('{run.info.id}')\n"
    assert run_script(git_repo, script).returncode == 0
    assert only_run(git_repo).info.status.value == "FINISHED"
    assert only_run(git_repo).params == {"a": 1}
