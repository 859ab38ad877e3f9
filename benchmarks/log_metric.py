"""One `log_metric` call against a bare `os.write` of a line as long, and against other trackers that are installed.

Budget: at most 5 microseconds median a call and at least 150,000 calls a second for the whole way through the public
function; 2.5 microseconds for the journal's writer alone. Every round of a subject follows one of the bare write, so
that both see the same machine; the figures are of the median round. One subject is closed before the next is opened,
because some have threads and processes of their own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class Steps:
    """Steps that never come twice: some trackers leave out a point whose step is not new."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> range:
        """Returns the next steps."""
        self._next += count
        return range(self._next - count, self._next)


def seconds_of(log: Log, steps: range) -> float:
    """Returns the mean seconds of a call, of one call a step in a loop."""
    value = 0.123456789012
    start = time.perf_counter()
    for step in steps:
        log(value, step)
    return (time.perf_counter() - start) / len(steps)


def median_call_us(log: Log, steps: range) -> float:
    """Returns the median of single calls, the clock's own time taken off."""
    clock = time.perf_counter_ns
    times = []
    idle = []
    for step in steps:
        start = clock()
        log(0.123456789012, step)
        end = clock()
        times.append(end - start)
        idle.append(clock() - end)
    return (statistics.median(times) - statistics.median(idle)) / 1e3


def measure(name: str, log: Log, floor: Log, calls: int, rounds: int) -> None:
    """Prints the figures of one subject beside those of the bare write."""
    steps = Steps()
    pairs = [(seconds_of(floor, range(calls)), seconds_of(log, steps.take(calls))) for _ in range(rounds)]
    mean_us = statistics.median(pair[1] for pair in pairs) * 1e6
    report(
        "log_metric",
        subject=name,
        calls_per_s=round(1e6 / mean_us),
        mean_us=mean_us,
        median_us=median_call_us(log, steps.take(max(10, calls // 5))),
        bare_write_us=statistics.median(pair[0] for pair in pairs) * 1e6,
        ratio_to_bare_write=statistics.median(pair[1] / pair[0] for pair in pairs),
        calls=calls,
    )


OURS = {"journal_writer": journal_writer, "gitruns": gitruns_call}
PEERS = {
    "tensorboardx": ("tensorboardX", tensorboardx),
    "mlflow_sqlite": ("mlflow", mlflow_sqlite),
    "wandb_offline": ("wandb", wandb_offline),
}


def main() -> None:
    """Prints one line a subject: calls a second, median of a call, and how many times the bare write that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with scratch_repo(100), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with bare_write(folder) as floor:
            for name, subject in OURS.items():
                with subject(folder) as log:
                    measure(name, log, floor, options.calls, options.rounds)
            for name, (module, subject) in PEERS.items():
                if importlib.util.find_spec(module) is not None:
                    with subject(folder) as log:  # milliseconds a call: as many calls would take hours
                        measure(name, log, floor, max(10, options.calls // 200), options.rounds)


if __name__ == "__main__":
    main()
