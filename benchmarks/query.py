"""Index and queries over real runs in git, with their growth: python benchmarks/query.py [--sizes 1000 10000 100000]

For each size it makes (or, with --folder, finds) a repository, builds the index from it, and asks. The floor of
building is `git cat-file --batch` over the same objects. With `--mlflow PYTHON`, an interpreter that has MLflow, the
same runs are put into MLflow's SQLite store and it is asked the same question.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from generate import add_runs, generate, make_run
from measure import git, report, timed

from gitruns.index import Index, Search
from gitruns.repo import Repo
from gitruns.repo.indexing import RepoSource

SIZES = (1000, 10_000, 100_000)
LIMIT = 50
TYPICAL = "filter, sort, limit"
SEARCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("", ()),
    TYPICAL: ("val_loss < 0.5 and model = 'cnn'", ("val_loss",)),
    "two filters, another sort": ("lr = 0.01 and seed = 3", ("-acc",)),
    "sort by a metric": ("", ("-acc",)),
    "either of two": ("val_loss < 0.1 or acc > 1", ("-acc",)),
    "summary of a history": ("min(val_loss) < 0.05", ("min(val_loss)",)),
    "nothing found": ("val_loss < -1", ("acc",)),
    "attributes": ("status = failed and host = node-3", ()),
}
MLFLOW_FILTER = ("metrics.val_loss < 0.5 AND params.model = 'cnn'", "metrics.val_loss ASC")
COLUMNS = [
    *("run_id", "run_name", "status", "start_time", "end_time", "experiment", "user_id"),
    *("metrics.val_loss", "metrics.acc", *(f"metrics.metric_{key}" for key in range(8))),
    *("params.lr", "params.model", "params.seed", "params.layers", *(f"params.option_{key}" for key in range(4))),
    *(f"tags.tag_{key}" for key in range(5)),
]
READ_FILES = ("format", "run.yaml", "params.yaml", "tags.yaml", "metrics.yaml", "env.yaml")


def median_ms(action: Callable[[], object], times: int = 7) -> float:
    """Returns the median milliseconds of some calls, a first one left out."""
    action()
    return 1000 * statistics.median(timed(action) for _ in range(times))


def wait_until_settled() -> None:
    """Waits until what was just written is old enough to be believed unchanged."""
    time.sleep(2.1)


def cat_file_seconds(folder: Path, tips: Sequence[str]) -> tuple[float, int]:
    """Returns how long `git cat-file --batch` takes for what the index reads of those runs, and how many objects."""
    trees = subprocess.run(
        ["git", "cat-file", "--batch-check=%(objectname)"],
        cwd=folder,
        input="\n".join(f"{tip}^{{tree}}" for tip in tips),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wanted = [
        name
        for tip, tree in zip(tips, trees, strict=True)
        for name in (tip, tree, *(f"{tree}:{file}" for file in READ_FILES))
    ]
    text = "\n".join(wanted).encode()
    command = ["git", "cat-file", "--batch", "--buffer"]
    seconds = timed(lambda: subprocess.run(command, cwd=folder, input=text, stdout=subprocess.DEVNULL, check=True))
    return seconds, len(wanted)


def measure_build(folder: Path, count: int, path: Path) -> Index:
    """Builds the index of a repository and reports how long that took."""
    repo = Repo.open(folder)
    tips = repo.store.run_tips()
    wait_until_settled()
    floor, objects = cat_file_seconds(folder, list(tips.values()))
    reading = timed(lambda: sum(1 for _ in repo.store.read_listed(tips.values())))
    index = Index(path, RepoSource(repo, os.environ))
    seconds = timed(index.refresh)
    stats = index.stats()
    report(
        "build",
        runs=count,
        seconds=seconds,
        reading_alone_s=reading,
        cat_file_s=floor,
        objects=objects,
        ratio=seconds / floor,
        mb=stats.size_bytes / 1e6,
        unreadable=stats.unreadable,
    )
    return index


def measure_refresh(folder: Path, count: int, index: Index) -> None:
    """Reports how long a question takes that finds new runs, and one that finds nothing new."""
    commits = git(folder, "rev-list", "--reverse", "HEAD").split()
    dice = random.Random(time.time_ns())
    index.refresh()
    for new in (1, 1000):
        add_runs(folder, [make_run(count + number, dice, commits, 20) for number in range(new)])
        report("refresh", runs=count, new=new, ms=1000 * timed(lambda: index.search_runs(Search(max_results=1))))
    wait_until_settled()
    index.refresh()
    report("refresh", runs=count, new=0, ms=median_ms(index.refresh))


def measure_searches(count: int, index: Index) -> float:
    """Reports how long each search takes; returns the milliseconds of the typical one."""
    found: dict[str, float] = {}
    for name, (text, order) in SEARCHES.items():
        search = Search(filter=text, order_by=order, max_results=LIMIT)
        found[name] = median_ms(lambda search=search: index.search_runs(search))  # type: ignore[misc]
        report("search", runs=count, what=name, matching=index.count_runs(search), ms=found[name])
    listed = Search(filter=SEARCHES[TYPICAL][0], order_by=["val_loss"], max_results=LIMIT)
    report("list", runs=count, shown=LIMIT, ms=median_ms(lambda: index.list_runs(listed)))
    return found[TYPICAL]


def measure_table(count: int, index: Index) -> None:
    """Reports how long all runs take as columns, and as a DataFrame where pandas is installed."""
    seconds = timed(lambda: index.table(Search(), COLUMNS))
    frame: float | None = None
    try:
        import pandas
    except ImportError:
        pass
    else:
        frame = timed(lambda: pandas.DataFrame(index.table(Search(), COLUMNS)[1]))
    report("table", runs=count, columns=len(COLUMNS), seconds=seconds, data_frame_s=frame)


COLD = """
import sys
from pathlib import Path
import os
from gitruns.repo import Repo
from gitruns.repo.indexing import RepoSource
from gitruns.index import Index, Search
index = Index(Path({path!r}), RepoSource(Repo.open(Path({folder!r})), os.environ))
page = index.list_runs(Search(filter={text!r}, order_by=["val_loss"], max_results=50))
index.close()
memory = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(len(page[0]), *memory)
"""


def measure_cold(folder: Path, count: int, path: Path) -> None:
    """Reports how long a process takes from its start to its answer, and how much memory."""
    text = SEARCHES[TYPICAL][0]
    program = COLD.format(path=str(path), folder=str(folder), text=text)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = median_ms(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True), 5) / 1000
    bare = median_ms(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 5) / 1000
    report("cold", runs=count, seconds=seconds, bare_python_s=bare, memory_mb=int(done.stdout.split()[-1]) / 1024)


# MLflow

MLFLOW_CHILD = """
import json, sys, time, statistics, os
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.entities import ViewType
database, text, order = sys.argv[1:4]
store = SqlAlchemyStore("sqlite:///" + database, database + ".artifacts")
if len(sys.argv) > 4:
    sys.exit()
def ask():
    start = time.perf_counter()
    page = store.search_runs(["0"], text, ViewType.ACTIVE_ONLY, 50, [order])
    return 1000 * (time.perf_counter() - start), len(page)
ask()
print(json.dumps([statistics.median(ask()[0] for _ in range(7)), ask()[1]]))
"""


def measure_mlflow(python: str, count: int, index: Index, folder: Path) -> None:
    """Reports the ratio to MLflow's SQLite store with the same runs: its own tables, filled directly.

    Both answer with the runs of one page, all their params, tags and metrics.
    """
    database = folder / f"mlflow-{count}.db"
    command = [python, "-c", MLFLOW_CHILD, str(database), *MLFLOW_FILTER]
    subprocess.run([*command, "only make it"], check=True, capture_output=True)
    fill_mlflow(database, index)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    theirs, found = json.loads(done.stdout.splitlines()[-1])
    search = Search(filter=SEARCHES[TYPICAL][0], order_by=["val_loss"], max_results=LIMIT)
    ours = median_ms(lambda: index.list_runs(search))
    report("mlflow", runs=count, mlflow_ms=theirs, ours_ms=ours, ratio=theirs / ours, found=found)


def fill_mlflow(database: Path, index: Index) -> None:
    """Writes the runs of an index into MLflow's tables."""
    connection = sqlite3.connect(database)
    listed, _ = index.list_runs(Search(lifecycle=None))
    runs, params, tags, latest = [], [], [], []
    for one in listed:
        run, info = one.run, one.run.info
        runs.append((info.id, info.name, info.status.value, info.start_time_ms, info.end_time_ms, info.lifecycle.value))
        params += [(key, str(value), info.id) for key, value in run.params.items()]
        tags += [(key, value, info.id) for key, value in run.tags.items()]
        for key, metric in run.metrics.items():
            nan = math.isnan(metric.last)
            latest.append((key, 0.0 if nan else metric.last, metric.time_ms, metric.step, nan, info.id))
    connection.executemany(
        "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id, user_id,"
        " source_type, artifact_uri) VALUES (?, ?, ?, ?, ?, ?, 0, 'ada', 'LOCAL', '')",
        runs,
    )
    connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
    connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
    connection.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)", latest
    )
    connection.commit()
    connection.close()


def main() -> None:
    """Measures each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, help="where the repositories are kept, as runs-1000 and so on")
    parser.add_argument("--mlflow", metavar="PYTHON", help="an interpreter that has MLflow")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as scratch:
        for count in given.sizes:
            folder = (given.folder or Path(scratch)) / f"runs-{count}"
            if not folder.exists():
                report("generate", runs=count, seconds=timed(lambda: generate(folder, count)))  # noqa: B023  at once
            path = Path(scratch) / f"index-{count}.db"
            index = measure_build(folder, count, path)
            measure_searches(count, index)
            measure_table(count, index)
            index.close()
            measure_cold(folder, count, path)
            if given.mlflow and count <= 10_000:
                measure_mlflow(given.mlflow, count, index, Path(scratch))
            measure_refresh(folder, count, index)
            index.close()
    report("memory", maxrss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, cpus=os.cpu_count())


if __name__ == "__main__":
    sys.exit(main())
