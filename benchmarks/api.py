"""The server's own API over many runs: python benchmarks/api.py [--sizes 1000 10000] [--points 50] [--folder FOLDER]

For each size it makes a repository, or finds it in FOLDER, serves it, and asks as a page of runs would: for a page of
a table and the whole of it, for keys, curves of many runs, one run. Times are what a client waits for, without its own
reading of the JSON; `bytes` is what came.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generate import generate
from measure import report

BASE = "/api/gitruns/v1"
COLUMNS = [
    *("run_name", "status", "start_time", "duration", "user_id", "branch"),
    *("metrics.val_loss", "metrics.acc", "min(val_loss)", "metrics.metric_0", "metrics.metric_1"),
    *("params.lr", "params.model", "params.seed", "params.layers", "tags.tag_0", "tags.tag_1"),
]


class Client:
    """One connection, kept open as a page keeps it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[float, bytes]:
        """Returns milliseconds and what came."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        began = time.perf_counter()
        self._connection.request(method, BASE + path, data, headers)
        answer = self._connection.getresponse()
        found = answer.read()
        spent_ms = 1000 * (time.perf_counter() - began)
        assert answer.status == 200, found
        return spent_ms, found


@contextmanager
def served(repo: Path) -> Iterator[int]:
    """Serves a repository on a free port."""
    program = Path(sys.executable).parent / "git-runs"
    command = [program, "server", "--port", "0", "--no-access-log"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=repo, stdout=log, stderr=log)
        try:
            yield _port(process, log)
        finally:
            process.terminate()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Any) -> int:
    for _ in range(600):
        log.seek(0)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", log.read())
        if found:
            return int(found[1])
        assert process.poll() is None
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


def measure(repo: Path, count: int, points: int) -> None:
    """Asks each question once cold and some times warm."""
    with served(repo) as port:
        client = Client(port)
        first_ms, _ = client.ask("GET", "/status")
        report("api", runs=count, what="first answer, the index built", ms=first_ms)
        time.sleep(2.1)  # what was just written is looked at again for two seconds
        ids = json.loads(client.ask("POST", "/runs/table", {"limit": 200})[1])["run_ids"]
        curves = {"metrics": ["val_loss", "acc", "metric_0"], "max_points": 500}
        query = {"filter": "val_loss < 0.9 and model = 'cnn'", "order_by": ["val_loss"]}
        questions: dict[str, tuple[str, str, dict[str, Any] | None]] = {
            "a page of 100, filtered and sorted": ("POST", "/runs/table", {**query, "fields": COLUMNS}),
            "all runs, 17 columns": ("POST", "/runs/table", {"fields": COLUMNS, "limit": 50_000}),
            "all runs, 2 columns": ("POST", "/runs/table", {"fields": COLUMNS[-8:-6], "limit": 50_000}),
            "keys": ("GET", "/keys", None),
            "one run": ("GET", f"/runs/{ids[0]}", None),
            "10 runs, 3 curves each": ("POST", "/metrics/curves", {**curves, "run_ids": ids[:10]}),
            "100 runs, 3 curves each": ("POST", "/metrics/curves", {**curves, "run_ids": ids[:100]}),
            "100 runs, 3 curves each, 50 points": (
                "POST",
                "/metrics/curves",
                {**curves, "run_ids": ids[100:200], "max_points": 50},
            ),
        }
        for what, question in questions.items():
            cold_ms, found = client.ask(*question)
            warm_ms = statistics.median(client.ask(*question)[0] for _ in range(7))
            report("api", runs=count, points=points, what=what, cold_ms=cold_ms, warm_ms=warm_ms, bytes=len(found))


def main() -> None:
    """Measures each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    os.environ.setdefault("GIT_CONFIG_GLOBAL", os.devnull)
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as scratch:
        for count in asked.sizes:
            folder = (asked.folder or Path(scratch)) / f"runs-{count}"
            if not folder.exists():
                generate(folder, count, points=asked.points)
            measure(folder, count, asked.points)


if __name__ == "__main__":
    main()
