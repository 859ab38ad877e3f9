"""1,000 runs in one process, each 20 params, 5 tags and 10 metrics of 20 steps; budget 8 s.

With `--mlflow` the same work on MLflow's SQLite store, when it is installed, at a tenth of the size.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from measure import create_seconds, git, report, scratch_repo, timed

import gitruns

PARAMS = {f"param{number}": number / 7 for number in range(20)}
TAGS = {f"tag{number}": f"value {number}" for number in range(5)}


def one_run(tracker: ModuleType) -> None:
    """One run as a training script logs it."""
    with tracker.start_run():
        tracker.log_params(PARAMS)
        tracker.set_tags(TAGS)
        for step in range(20):
            tracker.log_metrics({f"metric{number}": step * number / 3 for number in range(10)}, step=step)


def measure_gitruns(runs: int) -> float:
    """Returns the seconds of that many runs, all durable at the end."""

    def work() -> None:
        for _ in range(runs):
            one_run(gitruns)
        gitruns.tracking.fluent._close_sessions()

    return timed(work)


def measure_mlflow(runs: int, folder: Path) -> float:
    """Returns the seconds of that many runs on MLflow's SQLite store."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.start_run()
    mlflow.end_run()  # the schema is made now

    def work() -> None:
        for _ in range(runs):
            one_run(mlflow)

    return timed(work)


def main() -> None:
    """Prints seconds, runs a second, and the ratio to MLflow when it was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--mlflow", action="store_true")
    options = parser.parse_args()
    with scratch_repo() as folder:
        create = create_seconds(folder / ".git")
        seconds = measure_gitruns(options.runs)
        tips = len(git(folder, "for-each-ref", "--format=%(refname)", "refs/runs/").split())
        size = sum(path.stat().st_size for path in (folder / ".git").rglob("*") if path.is_file())
        report(
            "thousand_runs",
            runs=options.runs,
            refs=tips,
            seconds=seconds,
            budget_s=8.0,
            create_file_ms=create * 1e3,
            git_bytes=size,
        )
        if options.mlflow:
            fewer = max(1, options.runs // 10)
            other = measure_mlflow(fewer, folder) * options.runs / fewer
            report("thousand_runs_mlflow_sqlite", runs=fewer, seconds_scaled=other, ratio=seconds / other)


if __name__ == "__main__":
    main()
