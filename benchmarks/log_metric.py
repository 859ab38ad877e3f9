"""One `log_metric` call against a bare `os.write` of a line as long, and against other trackers that are installed.

Budget: at most 5 microseconds median a call and at least 150,000 calls a second for the whole way through the public
function; 2.5 microseconds for the journal's writer alone. Every subject takes its turn in every round, so that all see
the same machine; the figures are of the median round.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from measure import report, scratch_repo

import gitruns
from gitruns.entities.ids import new_run_id, new_writer_id
from gitruns.entities.run import Identity, RunInfo
from gitruns.journal import JournalWriter, Opening, current_process_mark

Log = Callable[[float, int], object]
"""Logs one value at one step."""

LINE = b'0f1e2d3c ["m","train/loss",123456,1700000000000,0.123456789012]\n'


@contextmanager
def bare_write(folder: Path) -> Iterator[Log]:
    """The floor: a line that is already there, in one write."""
    fd = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    write = os.write
    yield lambda value, step: write(fd, LINE)
    os.close(fd)


@contextmanager
def journal_writer(folder: Path) -> Iterator[Log]:
    """The journal's writer with nothing above it."""
    opening = Opening(
        kind="start",
        info=RunInfo(id=new_run_id(), name="bench", writer=new_writer_id(), start_time_ms=0),
        identity=Identity(name="bench", email="bench@example.org"),
        time_ms=0,
        process=current_process_mark(),
    )
    writer = JournalWriter.create(folder / "live", opening, on_problem=print)
    log_metric = writer.log_metric
    yield lambda value, step: log_metric("train/loss", value, step, 1_700_000_000_000)
    writer.detach()


@contextmanager
def gitruns_call(folder: Path) -> Iterator[Log]:
    """What a training script calls."""
    gitruns.start_run()
    log_metric = gitruns.log_metric
    yield lambda value, step: log_metric("train/loss", value, step=step)
    gitruns.end_run()


@contextmanager
def mlflow_sqlite(folder: Path) -> Iterator[Log]:
    """MLflow with its SQLite store."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.start_run()
    yield lambda value, step: mlflow.log_metric("train/loss", value, step=step)
    mlflow.end_run()


@contextmanager
def tensorboardx(folder: Path) -> Iterator[Log]:
    """tensorboardX: a queue and a thread, nothing is on disk when the call returns."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"))
    yield lambda value, step: writer.add_scalar("train/loss", value, step)
    writer.close()


@contextmanager
def wandb_offline(folder: Path) -> Iterator[Log]:
    """W&B in offline mode."""
    import wandb

    run = wandb.init(mode="offline", dir=str(folder), settings=wandb.Settings(silent=True))
    yield lambda value, step: run.log({"train/loss": value}, step=step)
    run.finish()


def seconds_of(log: Log, calls: int) -> float:
    """Returns the seconds of that many calls in a loop."""
    value = 0.123456789012
    start = time.perf_counter()
    for step in range(calls):
        log(value, step)
    return time.perf_counter() - start


def median_call_us(log: Log, calls: int) -> float:
    """Returns the median of single calls, the clock's own time taken off."""
    clock = time.perf_counter_ns
    times = []
    idle = []
    for step in range(calls):
        start = clock()
        log(0.123456789012, step)
        end = clock()
        times.append(end - start)
        idle.append(clock() - end)
    return (statistics.median(times) - statistics.median(idle)) / 1e3


def main() -> None:
    """Prints one line a subject: calls a second, median of a call, and how many times the bare write that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    subjects = {"bare_write": bare_write, "journal_writer": journal_writer, "gitruns": gitruns_call}
    peers = {
        "mlflow_sqlite": ("mlflow", mlflow_sqlite),
        "tensorboardx": ("tensorboardX", tensorboardx),
        "wandb_offline": ("wandb", wandb_offline),
    }
    subjects |= {name: subject for name, (module, subject) in peers.items() if importlib.util.find_spec(module)}
    # Who takes milliseconds a call would take hours for as many.
    calls = {name: options.calls if name not in peers else max(1, options.calls // 100) for name in subjects}
    with scratch_repo(100), tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        logs = {name: stack.enter_context(subject(Path(folder))) for name, subject in subjects.items()}
        rounds = [
            {name: seconds_of(log, calls[name]) / calls[name] for name, log in logs.items()}
            for _ in range(options.rounds)
        ]
        medians = {name: median_call_us(log, max(1, calls[name] // 5)) for name, log in logs.items()}
    for name in subjects:
        mean_us = statistics.median(one[name] for one in rounds) * 1e6
        report(
            "log_metric",
            subject=name,
            calls_per_s=round(1e6 / mean_us),
            mean_us=mean_us,
            median_us=medians[name],
            ratio_to_bare_write=statistics.median(one[name] / one["bare_write"] for one in rounds),
            calls=calls[name],
        )


if __name__ == "__main__":
    main()
