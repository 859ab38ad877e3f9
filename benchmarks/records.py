"""Records: what a put costs, how they are folded, sealed, found: python benchmarks/records.py [--records 10000 100000]

The floor of a put is a bare `os.write` of its bytes; of the fold, SQLite inserting the same rows; of what a day takes
on disk, the same lines through gzip.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from measure import git, report, scratch_repo, timed

from gitruns.repo import Repo
from gitruns.repo.records import Records

DAY_MS = 24 * 3600 * 1000
Put = tuple[str, str, dict[str, Any]]


def small_traces(count: int) -> Iterator[Put]:
    """Yields traces as one call of a small agent makes them, over ten experiments and a day."""
    chance = random.Random(7)
    for number in range(count):
        trace_id = f"tr-{chance.getrandbits(128):032x}"
        yield (
            "trace",
            trace_id,
            {
                "experiment_id": str(number % 10),
                "time_ms": 1_795_000_000_000 + number * DAY_MS // count,
                "duration_ms": chance.randint(5, 4000),
                "state": "ERROR" if number % 50 == 0 else "OK",
                "request_preview": f"question {number} about {chance.choice(['cats', 'dogs', 'git'])}",
                "response_preview": f"answer {chance.random()}",
                "metadata/mlflow.user": "ada",
                "metadata/mlflow.traceInputs": json.dumps({"question": number}),
                "tags/mlflow.traceName": "predict",
                "spans": [
                    {"name": "predict", "id": f"{chance.getrandbits(64):016x}", "start": number, "end": number + 1}
                ],
            },
        )


def put_cost(records: Records, puts: list[Put], scratch: Path) -> None:
    """Reports a put beside a bare write of as many bytes."""
    records.put(*puts[0])
    taken = [timed(lambda one=one: records.put(*one)) for one in puts]
    line = json.dumps(puts[0][2]).encode() + b"\n"
    fd = os.open(scratch / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    bare = statistics.median(timed(lambda: os.write(fd, line)) for _ in range(2000))
    os.close(fd)
    ordered = sorted(taken)
    report(
        "put one trace",
        median_us=round(1e6 * statistics.median(taken), 1),
        p99_us=round(1e6 * ordered[int(len(ordered) * 0.99)], 1),
        longest_ms=round(1e3 * ordered[-1], 1),
        per_s=round(len(taken) / sum(taken)),
        bare_write_us=round(1e6 * bare, 2),
    )


def fold_cost(repo: Repo, count: int, scratch: Path) -> None:
    """Reports the index built from pieces, and SQLite alone with as many rows."""
    repo.records.seal(force=True)
    repo.records.close()
    for path in repo.folder.glob("records.db*"):
        path.unlink()
    fresh = Repo.open(repo.store.paths.work_tree).records
    taken = timed(fresh.index.refresh)
    rows = [(one.id, json.dumps(one.fields)) for one in fresh.select("trace")]
    plain = sqlite3.connect(scratch / "plain.db")
    plain.execute("CREATE TABLE records (id TEXT PRIMARY KEY, fields TEXT)")
    floor = timed(lambda: (plain.executemany("INSERT INTO records VALUES (?, ?)", rows), plain.commit()))
    report("index a fresh clone's records", records=count, s=round(taken, 2), sqlite_alone_s=round(floor, 2))
    report(
        "look when nothing is new", ms=round(1e3 * statistics.median(timed(fresh.index.refresh) for _ in range(20)), 2)
    )


def search_cost(records: Records, count: int) -> None:
    """Reports a page of an experiment's traces, the newest and from the middle of the day."""
    middle = 1_795_000_000_000 + DAY_MS // 2

    def median_ms(**how: Any) -> float:
        ask = lambda: list(islice(records.select("trace", **how), 100))  # noqa: E731
        ask()
        return round(1e3 * statistics.median(timed(ask) for _ in range(9)), 2)

    report(
        "a page of 100",
        records=count,
        newest_ms=median_ms(),
        experiment_ms=median_ms(where={"experiment_id": "3"}),
        experiment_until_ms=median_ms(where={"experiment_id": "3"}, until_ms=middle),
        experiment_state_ms=median_ms(where={"experiment_id": "3", "state": "OK"}),
        rare_unindexed_ms=median_ms(where={"metadata/mlflow.user": "nobody"}),
    )
    one = next(records.select("trace"))
    report(
        "get one", ms=round(1e3 * statistics.median(timed(lambda: records.get("trace", one.id)) for _ in range(50)), 3)
    )


def size_on_disk(repo: Repo, folder: Path) -> None:
    """Reports what all of it takes in git, packed, beside gzip of the same lines."""
    ref = f"refs/runs/records/{repo.writer}"
    paths = git(folder, "ls-tree", "-r", "--name-only", ref).split()
    lines = b"".join(subprocess.check_output(["git", "show", f"{ref}:{path}"], cwd=folder) for path in paths)
    git(folder, "repack", "-a", "-d", "-q")
    packs = sum(path.stat().st_size for path in (folder / ".git/objects/pack").glob("*.pack"))
    report(
        "on disk",
        pieces=len(paths) - 1,
        commits=int(git(folder, "rev-list", "--count", ref)),
        lines_mb=round(len(lines) / 1e6, 2),
        packed_mb=round(packs / 1e6, 2),
        gzip_mb=round(len(gzip.compress(lines, 6)) / 1e6, 2),
    )


def main() -> None:
    """Measures each number of records in a repository of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000])
    for count in options.parse_args().records:
        with scratch_repo(10) as folder:
            repo = Repo.open(folder)
            puts = list(small_traces(count))
            put_cost(repo.records, puts[: min(count, 10_000)], folder)
            start = time.perf_counter()
            for place in range(10_000, count, 500):
                repo.records.put_many(puts[place : place + 500])
            if count > 10_000:
                report("put_many of 500", per_s=round((count - 10_000) / (time.perf_counter() - start)))
            fold_cost(repo, count, folder)
            search_cost(Repo.open(folder).records, count)
            size_on_disk(repo, folder)


if __name__ == "__main__":
    main()
