"""Measures the server: python benchmarks/server.py [--seconds N] [--clients N] [--workers N] [--mlflow PROGRAM] …

Clients log into runs of their own over HTTP on loopback, each on one connection that it keeps. What is printed, a JSON
line each: requests a minute and their latency of mixed logging, of `log-metric` and of `log-batch` alone, with errors,
points that are missing afterwards, and the server's memory over time. With `--mlflow PROGRAM` the same is done to
MLflow's own server on SQLite beside it, and ratios follow. The client is one process that does nothing but send bytes
and count them. `server_search.py` measures searches.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import git, report

PREFIX = "/api/2.0/mlflow"
Plan = Generator[bytes, "Reply", None]


@dataclass
class Reply:
    """An answer: status and body, and how long it took."""

    status: int
    body: bytes
    seconds: float


def request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    """Returns the bytes of a request."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(data)}"]
    if body is not None:
        lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


# What clients do


@dataclass
class Told:
    """What the server has said that it has."""

    points: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    items: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def note(self, reply: Reply, items: int = 1) -> bool:
        self.seconds.append(reply.seconds)
        if reply.status == 200:
            self.answered += 1
            self.items += items
            return True
        self.errors.append(f"{reply.status} {reply.body[:200]!r}")
        return False


def new_run(told: Told, number: int) -> Generator[bytes, Reply, str]:
    made = yield request(
        "POST",
        "/runs/create",
        {"experiment_id": "0", "start_time": now_ms(), "tags": [{"key": "client", "value": str(number)}]},
    )
    told.note(made)
    run_id: str = json.loads(made.body)["run"]["info"]["run_id"]
    told.points[run_id] = 0
    return run_id


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def point(step: int, key: str = "loss") -> dict[str, Any]:
    return {"key": key, "value": 1 / (step + 1), "timestamp": 1_700_000_000_000 + step, "step": step}


def log_metrics(told: Told, number: int) -> Plan:
    """One point a request, into one run."""
    run_id = yield from new_run(told, number)
    for step in range(1 << 62):
        done = told.note((yield request("POST", "/runs/log-metric", {"run_id": run_id, **point(step)})))
        told.points[run_id] += done


def log_batches(told: Told, number: int) -> Plan:
    """A hundred points a request, into one run."""
    run_id = yield from new_run(told, number)
    for step in range(0, 1 << 62, 100):
        points = [point(step + one) for one in range(100)]
        reply = yield request("POST", "/runs/log-batch", {"run_id": run_id, "metrics": points})
        told.points[run_id] += 100 * told.note(reply, 100)


def log_of_every_sort(told: Told, number: int) -> Plan:
    """Runs as scripts log them, one after the other: params, many points, some batches, tags, an end."""
    while True:
        run_id = yield from new_run(told, number)
        params = [{"key": f"p{one}", "value": str(one)} for one in range(10)]
        told.note((yield request("POST", "/runs/log-batch", {"run_id": run_id, "params": params})))
        for step in range(200):
            path, body, points = "/runs/log-metric", {"run_id": run_id, **point(step)}, 1
            if step % 20 == 7:
                body = {"run_id": run_id, "metrics": [point(step, f"m{one}") for one in range(20)]}
                path, points = "/runs/log-batch", 20
            elif step % 20 == 13:
                path, body, points = "/runs/set-tag", {"run_id": run_id, "key": "step", "value": str(step)}, 0
            elif step % 50 == 25:
                path, body, points = "/runs/log-parameter", {"run_id": run_id, "key": f"q{step}", "value": "x"}, 0
            told.points[run_id] += points * told.note((yield request("POST", path, body)))
        end = {"run_id": run_id, "status": "FINISHED", "end_time": now_ms()}
        told.note((yield request("POST", "/runs/update", end)))


# The client: many connections, no threads


class Connection:
    """One connection that keeps a plan going."""

    def __init__(self, port: int, plan: Plan) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.plan = plan
        self.began = 0.0
        self.buffer = b""
        self.send(next(plan))

    def send(self, data: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(data)

    def receive(self) -> Reply | None:
        """Takes in what has come; returns the answer once it is whole."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server went away")
        self.buffer += data
        head, mark, body = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        self.buffer = body[length:]
        return Reply(int(head[9:12]), body[:length], time.perf_counter() - self.began)


def drive(port: int, plans: list[Plan], seconds: float, tick: Callable[[], None] = lambda: None) -> float:
    """Keeps all plans going for so long, waits for the last answers, and returns how long it took."""
    selector = selectors.DefaultSelector()
    for plan in plans:
        connection = Connection(port, plan)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    began = time.perf_counter()
    next_tick, busy = began, len(plans)
    while busy:
        now = time.perf_counter()
        if now >= next_tick:
            tick()
            next_tick = now + 1
        for key, _ in selector.select(1):
            reply = key.data.receive()
            if reply is None:
                continue
            following = key.data.plan.send(reply)
            if time.perf_counter() - began < seconds:
                key.data.send(following)
            else:
                selector.unregister(key.fileobj)
                key.data.socket.close()
                busy -= 1
    return time.perf_counter() - began


# Servers


@dataclass
class Server:
    """A server that is running."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """Returns the server's process and its workers'."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            with suppress(OSError):
                waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
                found.append(pid)
        return found

    def memory_mb(self) -> float:
        """Returns the resident memory of all of them."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor_s(self) -> float:
        """Returns how much processor time they have taken: the measure that other work beside does not change."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids()]
        return sum(int(words[11]) + int(words[12]) for words in stats) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(name: str, command: list[str], folder: Path, port: int) -> Iterator[Server]:
    """Runs a server until the block ends."""
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(port, process)
        yield Server(name, port, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server does not listen")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def our_server(folder: Path, workers: int) -> tuple[str, list[str], Path, int]:
    """Returns name, command, folder and port of a server of ours over a new repository."""
    project = folder / "project"
    if not project.exists():
        project.mkdir()
        git(project, "init", "--quiet")
        git(project, "commit", "--quiet", "--allow-empty", "-m", "first")
    port = free_port()
    program = str(Path(sys.executable).parent / "git-runs")
    command = [program, "server", "--port", str(port), "--workers", str(workers), "--no-access-log"]
    return "gitruns", command, project, port


def their_server(program: str, folder: Path) -> tuple[str, list[str], Path, int]:
    """Returns the same of MLflow's own server, as it comes."""
    place = folder / "mlflow"
    place.mkdir(exist_ok=True)
    port = free_port()
    command = [program, "server", "--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--port", str(port)]
    return "mlflow", command, place, port


# What is measured


def measure(server: Server, what: str, plan: Callable[[Told, int], Plan], args: argparse.Namespace) -> float:
    """Measures one sort of logging; returns requests a second."""
    told = Told()
    memory: list[float] = []
    plans = [plan(told, number) for number in range(args.clients)]
    before_s = server.processor_s()
    took = drive(server.port, plans, args.seconds, lambda: memory.append(round(server.memory_mb(), 1)))
    processor_s = server.processor_s() - before_s
    lost = missing_points(server.port, told)
    cuts = statistics.quantiles(told.seconds, n=100) if len(told.seconds) > 1 else [0.0] * 99
    report(
        what,
        server=server.name,
        requests_a_minute=round(told.answered / took * 60),
        items_a_minute=round(told.items / took * 60),
        server_processor_ms=round(processor_s / max(1, told.answered) * 1000, 3),
        errors=len(told.errors),
        first_errors=told.errors[:3],
        lost_points=lost,
        runs=len(told.points),
        p50_ms=round(cuts[49] * 1000, 2),
        p99_ms=round(cuts[98] * 1000, 2),
        max_ms=round(max(told.seconds) * 1000, 1),
        memory_mb=memory if args.memory else memory[:1] + memory[-1:],
    )
    return told.answered / took


def missing_points(port: int, told: Told) -> int:
    """Returns how many points that were answered are not there."""
    lost = 0

    def ask() -> Plan:
        nonlocal lost
        for run_id, count in told.points.items():
            keys = ["loss", *(f"m{one}" for one in range(20))]
            there = 0
            for key in keys:
                if there >= count:
                    break
                reply = yield request("GET", f"/metrics/get-history?run_id={run_id}&metric_key={key}")
                there += len(json.loads(reply.body).get("metrics", []))
            lost += max(0, count - there)
        yield request("GET", "/experiments/get?experiment_id=0")
        yield b""

    connection = Connection(port, ask())
    while True:
        reply = connection.receive()
        if reply is None:
            continue
        following = connection.plan.send(reply)
        if not following:
            return lost
        connection.send(following)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--mlflow", help="MLflow's program, to measure its server too")
    parser.add_argument("--only", choices=["mixed", "metric", "batch"], action="append")
    parser.add_argument("--memory", action="store_true", help="say the server's memory each second")
    args = parser.parse_args()
    plans = {"mixed": log_of_every_sort, "metric": log_metrics, "batch": log_batches}
    rates: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as name:
        servers = [our_server(Path(name), args.workers)]
        if args.mlflow:
            servers.append(their_server(args.mlflow, Path(name)))
        for server in servers:
            with running(*server) as up:
                rates[up.name] = {what: measure(up, what, plans[what], args) for what in args.only or plans}
    if args.mlflow:
        for what, rate in rates["gitruns"].items():
            report("ratio", of=what, times_mlflow=round(rate / rates["mlflow"][what], 1))


if __name__ == "__main__":
    main()
