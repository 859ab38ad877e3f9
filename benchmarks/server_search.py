"""Measures searches over HTTP: python benchmarks/server_search.py [--runs 10000] [--mlflow PROGRAM] [--folder FOLDER]

The same runs, of 20 params, 10 metrics and 5 tags each, in a repository of ours and, with `--mlflow PROGRAM`, in
MLflow's SQLite database; one client asks each server the same. What is printed, a JSON line each: the median time of
each search and how many runs it found, then ratios. FOLDER keeps what was generated for the next time.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from generate import EXPERIMENTS, generate
from measure import report

from gitruns.entities.run import Lifecycle, Run
from gitruns.entities.values import param_text
from gitruns.repo import Repo
from server import Connection, Plan, Server, our_server, request, running, their_server

SEARCHES: dict[str, dict[str, Any]] = {
    "newest 100": {"max_results": 100},
    "newest 1000": {"max_results": 1000},
    "filter, 100": {"filter": "metrics.val_loss < 0.5 and params.model = 'cnn'", "max_results": 100},
    "filter and order, 100": {
        "filter": "params.model = 'cnn' and tags.tag_1 LIKE '%note 1%'",
        "order_by": ["metrics.acc DESC"],
        "max_results": 100,
    },
    "nothing found": {"filter": "params.model = 'none'", "max_results": 100},
}


def fill(database: Path, runs: Iterable[Run]) -> None:
    """Writes runs into MLflow's database, whose tables are there."""
    numbers: dict[str, int] = {}
    with closing(sqlite3.connect(database)) as connection, connection:
        for run in runs:
            _add(connection, run, numbers)


def _add(connection: sqlite3.Connection, run: Run, numbers: dict[str, int]) -> None:
    info = run.info
    if info.experiment_id not in numbers:
        numbers[info.experiment_id] = len(numbers) + 1
        row = (len(numbers), EXPERIMENTS[len(numbers) - 1], "active", "mlflow-artifacts:/x")
        fields = "experiment_id, name, lifecycle_stage, artifact_location"
        connection.execute(f"INSERT INTO experiments ({fields}) VALUES (?, ?, ?, ?)", row)  # noqa: S608
    stage = "deleted" if info.lifecycle is Lifecycle.DELETED else "active"
    facts = {
        "run_uuid": info.id,
        "name": info.name,
        "user_id": info.user,
        "status": info.status.value,
        "start_time": info.start_time_ms,
        "end_time": info.end_time_ms,
        "lifecycle_stage": stage,
        "artifact_uri": f"mlflow-artifacts:/x/{info.id}/artifacts",
        "experiment_id": numbers[info.experiment_id],
    }
    _insert(connection, "runs", [facts])
    _insert(connection, "params", _pairs(run, {key: param_text(value) for key, value in run.params.items()}))
    _insert(connection, "tags", _pairs(run, {**run.tags, "mlflow.runName": info.name, "mlflow.user": str(info.user)}))
    points = [
        {
            "run_uuid": info.id,
            "key": key,
            "value": one.last,
            "timestamp": one.time_ms,
            "step": one.step,
            "is_nan": False,
        }
        for key, one in run.metrics.items()
    ]
    _insert(connection, "metrics", points)
    _insert(connection, "latest_metrics", points)


def _pairs(run: Run, pairs: dict[str, str]) -> list[dict[str, Any]]:
    return [{"run_uuid": run.info.id, "key": key, "value": value} for key, value in pairs.items()]


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    marks = ", ".join(f":{name}" for name in names)
    connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608


def measure(server: Server, rounds: int) -> dict[str, float]:
    """Measures each search; returns its median in seconds."""
    return {what: _median(server, what, search, rounds) for what, search in SEARCHES.items()}


def _median(server: Server, what: str, search: dict[str, Any], rounds: int) -> float:
    seconds: list[float] = []
    found = 0

    def plan() -> Plan:
        nonlocal found
        listed = yield request("POST", "/experiments/search", {"max_results": 100})
        ids = [one["experiment_id"] for one in json.loads(listed.body)["experiments"]]
        for number in range(rounds + 1):
            reply = yield request("POST", "/runs/search", {"experiment_ids": ids, **search})
            if reply.status != 200:
                raise SystemExit(f"{server.name}: {reply.body[:500]!r}")
            found = len(json.loads(reply.body).get("runs", []))
            if number:  # the first opens the database, or brings the index up to date
                seconds.append(reply.seconds)

    before_s = server.processor_s()
    connection = Connection(server.port, plan())
    while True:
        reply = connection.receive()
        if reply is not None:
            try:
                connection.send(connection.plan.send(reply))
            except StopIteration:
                break
    connection.socket.close()
    median = statistics.median(seconds)
    processor_ms = (server.processor_s() - before_s) / (rounds + 1) * 1000
    report(
        f"runs/search, {what}",
        server=server.name,
        ms=round(median * 1000, 2),
        server_processor_ms=round(processor_ms, 2),
        found=found,
    )
    return median


def prepared(folder: Path, count: int, mlflow: str | None) -> Iterator[tuple[str, list[str], Path, int]]:
    """Yields the servers to measure, their runs in place."""
    project = folder / "project"
    if not project.exists():
        generate(project, count, points=2)
    yield our_server(folder, 1)
    if mlflow:
        server = their_server(mlflow, folder)
        database = folder / "mlflow" / "mlflow.db"
        if not database.exists():
            subprocess.run([mlflow, "db", "upgrade", f"sqlite:///{database}"], check=True, capture_output=True)
            fill(database, Repo.open(project).list_runs(lifecycle=None))
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mlflow", help="MLflow's program, to measure its server too")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as name:
        for server in prepared(args.folder or Path(name), args.runs, args.mlflow):
            with running(*server) as up:
                found[up.name] = measure(up, args.rounds)
    for what, seconds in found["gitruns"].items() if args.mlflow else ():
        report("ratio", of=f"runs/search, {what}", times_mlflow=round(found["mlflow"][what] / seconds, 1))


if __name__ == "__main__":
    main()
