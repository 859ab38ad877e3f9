"""Runs that never change, and what a call of the command line gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import RunId
from gitruns.entities.run import Identity, Lifecycle, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.registry import Registry
from gitruns.repo import Repo, RunLog

START = 1_763_716_623_000  # Fri Nov 21 09:17:03 2025 UTC
NOW = START + 3 * 3_600_000
ENVIRONMENT = Environment(
    python="CPython 3.11.7",
    platform="Linux-6.1-x86_64",
    packages={"numpy": "2.1.0", "torch": "2.5.0"},
    hardware={"cpu": "EPYC", "cpu_count": "2"},
)

OTTER = RunId("3f2a9c1e" * 4)
STORK = RunId("91bc0d2f" * 4)
MOLE = RunId("aa12bb34" * 4)
GONE = RunId("0123dead" * 4)
CHILD = RunId("c0ffee00" * 4)


@dataclass(frozen=True)
class Result:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


def start(
    repo: Repo,
    run_id: RunId,
    name: str,
    *,
    minutes_ago: int,
    experiment: str | None = None,
    source: Source | None = None,
    parent: RunId | None = None,
) -> RunLog:
    """Starts a run with everything said, so that it is the same every time."""
    group = repo.experiment_for_start(None, experiment)
    info = RunInfo(
        id=run_id,
        name=name,
        experiment_id=group.id,
        writer=repo.writer,
        start_time_ms=NOW - minutes_ago * 60_000,
        user="ada",
        host="laptop",
        entry_point="train.py",
        command=("python", "train.py", "--lr", "0.1"),
        source=source or Source(),
        parent_run_id=parent,
    )
    identity = Identity(name="Ada Lovelace", email="ada@example.org")
    return repo.start_run(info, environment=ENVIRONMENT, identity=identity, tags={}, experiment_name=group.name)


def log_curve(log: RunLog, key: str, rate: float, points: int) -> None:
    """Logs a falling curve, one point a second."""
    for step in range(points):
        log.log_metric(key, math.exp(-rate * step), step, log.info.start_time_ms + step * 1000)


def end(log: RunLog, status: RunStatus, lasted_s: int, error: str | None = None) -> None:
    """Ends a run after so many seconds."""
    code = {RunStatus.FINISHED: 0, RunStatus.FAILED: 1}.get(status)
    log.end(status, end_time_ms=log.info.start_time_ms + lasted_s * 1000, exit_code=code, error=error)


def log_runs(folder: Path) -> None:
    repo = Repo.open(folder)
    head = repo.resolve_commit("HEAD")
    clean = Source(commit=head, base=head, branch="main")
    left_out = (LeftOut(path="data/all.bin", reason="too-large", size=700 << 20), LeftOut(path=".env", reason="secret"))
    dirty = Source(commit=head, base=head, branch="main", dirty=True, left_out=left_out)

    stork = start(repo, STORK, "calm-stork-7", minutes_ago=170, experiment="digits", source=clean)
    stork.log_params({"lr": 0.01, "model": "mlp", "batch_size": 32})
    log_curve(stork, "loss", 0.05, 60)
    stork.log_metric("acc", 0.95, 0, stork.info.start_time_ms)
    end(stork, RunStatus.FINISHED, 125)

    mole = start(repo, MOLE, "neat-mole-988", minutes_ago=60, experiment="digits", source=dirty)
    mole.log_params({"lr": 10.0, "model": "mlp", "batch_size": 32})
    log_curve(mole, "loss", 0.001, 5)
    mole.log_metric("loss", math.nan, 5, mole.info.start_time_ms + 5000)
    end(mole, RunStatus.FAILED, 6, "ValueError: loss is nan")

    gone = start(repo, GONE, "slow-snail-3", minutes_ago=50, source=clean)
    end(gone, RunStatus.KILLED, 1, "SIGTERM")
    with repo.edit(GONE) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)

    child = start(repo, CHILD, "日本 \033[31mrun\033[m", minutes_ago=40, source=clean, parent=STORK)
    child.log_params({"lr": True})
    child.log_metric("loss", 0.5, 1, child.info.start_time_ms)
    end(child, RunStatus.FINISHED, 4000)

    otter = start(repo, OTTER, "bold-otter-12", minutes_ago=30, experiment="digits", source=clean)
    otter.log_params({"lr": 0.1, "model": "cnn", "batch_size": 32, "seed": 10**30})
    log_curve(otter, "loss", 0.1, 100)
    otter.log_metric("acc", 0.9876, 0, otter.info.start_time_ms)
    otter.set_tags({"baseline": "yes", "mlflow.note.content": "The best so far.\n\nTry a smaller step."})
    otter.add_bytes(b"weights\n", "model.txt")
    otter.add_bytes(b"x,y\n1,2\n", "plots/curve.csv")
    otter.add_bytes(bytes(200_000), "plots/raw.bin")
    data = DatasetInput(name="digits", digest="6b86b273", source="data/digits.csv", context="training")
    otter.add_inputs([data])
    end(otter, RunStatus.FINISHED, 100)
    repo.close()
    registry = Registry(repo)
    registry.create_model("digits", description="Reads handwritten digits")
    registry.create_version("digits", f"runs:/{OTTER}/model.txt", aliases=["champion"])
