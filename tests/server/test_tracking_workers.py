"""What the workers of one server agree on: params, deletion, ends, names; and what a killed server has answered for."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import run_git
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from server.serving import Served, serving

PREFIX = "/api/2.0/mlflow"


class Line:
    """One connection that is kept, and so one worker."""

    def __init__(self, server: Served) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=30)

    def __del__(self) -> None:
        self._connection.close()

    def post(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", PREFIX + path, json.dumps(body), headers)
        return self._answer()

    def get(self, path: str) -> dict[str, Any]:
        self._connection.request("GET", PREFIX + path)
        status, body = self._answer()
        assert status == 200, body
        return body

    def _answer(self) -> tuple[int, dict[str, Any]]:
        reply = self._connection.getresponse()
        return reply.status, json.loads(reply.read())

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/runs/get?run_id={run_id}")["run"]
        return found

    def new_run(self, **how: Any) -> str:
        status, body = self.post("/runs/create", experiment_id="0", start_time=1, **how)
        assert status == 200, body
        run_id: str = body["run"]["info"]["run_id"]
        return run_id

    def point(self, run_id: str, step: int, key: str = "m") -> int:
        return self.post("/runs/log-metric", run_id=run_id, key=key, value=step / 2, timestamp=step, step=step)[0]


@pytest.fixture
def server(git_repo: Path, tmp_path: Path) -> Iterator[Served]:
    with serving(git_repo, tmp_path / "server.log", "--workers", "2") as served:
        yield served


def lines_of_both(server: Served, repo: Path) -> tuple[Line, Line]:
    """Returns connections to the two workers: while one is held, the other must take what comes."""
    first, second = Line(server), Line(server)
    busy = worker_of(first, repo)
    os.kill(busy, signal.SIGSTOP)
    try:
        assert worker_of(second, repo) != busy
    finally:
        os.kill(busy, signal.SIGCONT)
    return first, second


def worker_of(line: Line, repo: Path) -> int:
    """Returns the process that answers a connection, as the journal of a run that is begun on it says."""
    (journal,) = (repo / ".git/gitruns/live" / line.new_run()).glob("*.log")
    opening = json.loads(journal.read_text().splitlines()[0][9:])[2]
    return int(opening["process"]["pid"])


def test_workers_log_into_one_run_and_agree_on_it(server: Served, git_repo: Path) -> None:
    first, second = lines_of_both(server, git_repo)
    run_id = first.new_run()
    for step in range(100):
        assert first.point(run_id, 2 * step) == second.point(run_id, 2 * step + 1) == 200
    for number in range(30):  # of two words the later stands, whoever heard it
        line = (first, second)[number % 2]
        assert line.post("/runs/set-tag", run_id=run_id, key="t", value=str(number))[0] == 200
        assert {tag["value"] for tag in first.run(run_id)["data"]["tags"] if tag["key"] == "t"} == {str(number)}
    assert first.post("/runs/update", run_id=run_id, run_name="renamed")[0] == 200
    for line in (first, second):
        assert line.run(run_id)["info"]["run_name"] == "renamed"
        points = line.get(f"/metrics/get-history?run_id={run_id}&metric_key=m")["metrics"]
        assert [point["step"] for point in points] == list(range(200))

    assert second.post("/runs/delete", run_id=run_id)[0] == 200
    assert first.point(run_id, 999) == 400, "deleted by the other worker a moment ago"
    assert second.point(run_id, 999) == 400
    assert first.post("/runs/restore", run_id=run_id)[0] == 200
    assert second.point(run_id, 200) == 200


def test_a_param_has_one_value_whoever_asks(server: Served, git_repo: Path) -> None:
    lines = lines_of_both(server, git_repo)
    run_id = lines[0].new_run()
    for number in range(40):
        answers: list[int] = [0, 0]
        gate = threading.Barrier(2)

        def log(which: int, number: int = number, answers: list[int] = answers, gate: Any = gate) -> None:
            gate.wait()
            how = {"run_id": run_id, "key": f"p{number}", "value": str(which)}
            answers[which] = lines[which].post("/runs/log-parameter", **how)[0]

        threads = [threading.Thread(target=log, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 400], number
        params = {one["key"]: one["value"] for one in lines[0].run(run_id)["data"]["params"]}
        assert params[f"p{number}"] == str(answers.index(200))


def test_a_run_is_sealed_once_when_all_have_let_it_go(server: Served, git_repo: Path) -> None:
    first, second = lines_of_both(server, git_repo)
    run_id = first.new_run(run_name="ended")
    assert first.point(run_id, 1) == second.point(run_id, 2) == 200
    assert second.post("/runs/update", run_id=run_id, status="FINISHED", end_time=5)[0] == 200
    assert first.run(run_id)["info"]["status"] == "FINISHED"
    wait_until_sealed(git_repo, run_id)
    assert run_git(git_repo, "rev-list", "--count", f"refs/runs/{run_id}", "--not", "HEAD") == "2"

    assert first.point(run_id, 3) == 200
    wait_until_sealed(git_repo, run_id)
    run = Repo.open(git_repo).get_run(RunId(run_id))
    assert run.info.status.value == "FINISHED" and run.info.end_time_ms == 5
    assert run.metrics["m"].count == 3

    assert second.post("/runs/update", run_id=run_id, status="RUNNING")[0] == 200
    assert first.run(run_id)["info"]["status"] == "RUNNING"
    assert first.post("/runs/update", run_id=run_id, status="FAILED")[0] == 200
    assert second.run(run_id)["info"]["status"] == "FAILED"


def wait_until_sealed(repo: Path, run_id: str) -> None:
    deadline = time.monotonic() + 30
    while list((repo / ".git/gitruns/live" / run_id).glob("*.log")):
        assert time.monotonic() < deadline, "nobody sealed the run"
        time.sleep(0.05)


def test_a_server_that_is_killed_has_written_what_it_answered(git_repo: Path, tmp_path: Path) -> None:
    kill_under_load(git_repo, tmp_path, kills=2, clients=3, seconds=0.7)


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again(git_repo: Path, tmp_path: Path) -> None:
    kill_under_load(git_repo, tmp_path, kills=10, clients=16, seconds=3)


def kill_under_load(repo: Path, folder: Path, *, kills: int, clients: int, seconds: float) -> None:
    """Kills a server of two workers at odd moments; its clients log on into the same runs when it is back."""
    dice = random.Random(kills)
    loggers: list[Logger] = []
    for round_number in range(kills):
        with serving(repo, folder / f"server-{round_number}.log", "--workers", "2") as server:
            loggers = loggers or [Logger(Line(server).new_run()) for _ in range(clients)]
            threads = [threading.Thread(target=logger.log_until_it_breaks, args=(server,)) for logger in loggers]
            for thread in threads:
                thread.start()
            time.sleep(seconds * (0.5 + dice.random()))
            kill_all(server.process.pid)
            for thread in threads:
                thread.join()
    with serving(repo, folder / "server-last.log") as server:
        line = Line(server)
        for logger in loggers:
            run = line.run(logger.run_id)
            assert run["info"]["status"] == "RUNNING", "that a server died says nothing of the run"
            logger.check(line, run["data"])
            assert line.post("/runs/update", run_id=logger.run_id, status="FINISHED")[0] == 200
    assert not list(Repo.open(repo).verify())
    assert run_git(repo, "fsck", "--strict") == ""


def kill_all(pid: int) -> None:
    """Kills a server and its workers at once."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (pid, *map(int, children)):
        os.kill(one, signal.SIGKILL)


class Logger:
    """A client that keeps a list of all that was answered."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.step = 0
        self.points: set[int] = set()
        self.params: set[str] = set()
        self.tag = -1

    def log_until_it_breaks(self, server: Served) -> None:
        line = Line(server)
        try:
            while True:
                self._log_some(line)
        except (OSError, http.client.HTTPException, ValueError):
            return

    def _log_some(self, line: Line) -> None:
        self.step += 10
        for step in range(self.step, self.step + 5):
            if line.point(self.run_id, step) == 200:
                self.points.add(step)
        batch = range(self.step + 5, self.step + 10)
        metrics = [{"key": "m", "value": step / 2, "timestamp": step, "step": step} for step in batch]
        params = [{"key": f"p{self.step}", "value": "x"}]
        if line.post("/runs/log-batch", run_id=self.run_id, metrics=metrics, params=params)[0] == 200:
            self.points.update(batch)
            self.params.add(f"p{self.step}")
        if line.post("/runs/set-tag", run_id=self.run_id, key="t", value=str(self.step))[0] == 200:
            self.tag = self.step

    def check(self, line: Line, data: dict[str, Any]) -> None:
        points = line.get(f"/metrics/get-history?run_id={self.run_id}&metric_key=m")["metrics"]
        there = {point["step"] for point in points if point["value"] == point["step"] / 2}
        assert self.points and self.points <= there
        assert self.params <= {param["key"] for param in data["params"]}
        assert max(int(tag["value"]) for tag in data["tags"] if tag["key"] == "t") >= self.tag
