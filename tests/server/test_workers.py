"""Several workers: one server to its clients, also when a worker or the process that started them all is killed."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.serving import Served, serving

CREATE = "/api/2.0/mlflow/runs/create"


@pytest.fixture
def two(git_repo: Path, tmp_path: Path) -> Iterator[Served]:
    with serving(git_repo, tmp_path / "log", "--workers", "2") as served:
        yield served


def _workers(server: Served, count: int) -> set[int]:
    """Returns the processes that answer, once so many have."""
    seen: set[int] = set()
    deadline = time.monotonic() + 60
    while len(seen) < count and time.monotonic() < deadline:
        try:
            text = server.get("/metrics").body.decode()
        except OSError:
            continue
        seen |= {int(found) for found in re.findall(r'gitruns_info\{.*worker="(\d+)"', text)}
    return seen


def test_a_run_may_be_logged_through_any_worker(two: Served) -> None:
    run = two.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    for step in range(60):
        point = {"run_id": run, "key": "loss", "value": step, "timestamp": step, "step": step}
        assert two.post("/api/2.0/mlflow/runs/log-metric", point).status == 200
    found = two.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss").json["metrics"]
    assert sorted(point["step"] for point in found) == list(range(60))
    assert len(_workers(two, 2)) == 2


def test_a_scrape_of_any_worker_sees_all(two: Served) -> None:
    for _ in range(50):
        assert two.get("/version").status == 200
    counted = 0
    deadline = time.monotonic() + 30
    while counted < 50 and time.monotonic() < deadline:
        text = two.get("/metrics").body.decode()
        found = re.findall(r'gitruns_requests_total\{message="Version",status="200",worker="\d+"\} (\d+)', text)
        counted = sum(map(int, found))
        time.sleep(0.1)
    assert counted == 50
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == 5
    assert two.stop() == 0


def test_a_worker_that_is_killed_is_replaced(two: Served) -> None:
    first = _workers(two, 2)
    run = two.post(CREATE, {"experiment_id": "0"}).json["run"]["info"]["run_id"]
    os.kill(min(first), signal.SIGKILL)
    assert len(_workers(two, 2) | first) >= 2
    deadline = time.monotonic() + 60
    while not _workers(two, 2) - first and time.monotonic() < deadline:
        time.sleep(0.2)
    assert two.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status == 200
    assert two.stop() == 0


def test_workers_end_with_the_process_that_started_them(two: Served) -> None:
    workers = _workers(two, 2)
    two.process.kill()
    two.process.wait()
    deadline = time.monotonic() + 30
    while any(_is_running(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(_is_running(worker) for worker in workers)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
