"""Makes a repository with many real runs, quickly: python benchmarks/generate.py FOLDER COUNT [--points N] [--seed N]

The runs go through the storage layer like any others, as commits that are children of their source; only that objects
are gathered into packs, and refs moved together, instead of one by one. Each run has 20 params, 5 tags and 10 metrics
with a curve of N points; a tenth of them failed, a hundredth are deleted. The same seed makes the same repository.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from measure import git, report

from gitruns.entities.environment import Environment, read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.history import encode_metric_key, encode_point
from gitruns.entities.ids import Digest, ExperimentId, ObjectId, RunId, WriterId, experiment_id_candidate
from gitruns.entities.run import Identity, Lifecycle, Part, Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.values import MetricSummary, Scalar, Summarizer
from gitruns.gitstore import open_store
from gitruns.gitstore.packed_writes import PackedStore

START_MS = 1_700_000_000_000
COMMITS = 50
EXPERIMENTS = ("digits", "speech", "ablation", "baseline")
MODELS = ("cnn", "mlp", "vit", "resnet")
WRITER = WriterId("0123456789abcdef")
IDENTITY = Identity(name="bench", email="bench@example.org")
ENVIRONMENT = Environment(
    python="3.11.7 (CPython)",
    platform="Linux-6.1-x86_64",
    packages=read_only({f"package-{number}": f"1.{number}.0" for number in range(60)}),
)


def curve(dice: random.Random, points: int, start_ms: int) -> list[tuple[int, int, float]]:
    """Returns points (step, time, value) of something that is learnt, with noise."""
    level, speed = dice.random(), 1 + 4 * dice.random()
    return [
        (step, start_ms + 1000 * step, level + math.exp(-speed * step / points) + 0.02 * dice.random())
        for step in range(points)
    ]


def make_run(number: int, dice: random.Random, commits: list[str], points: int) -> tuple[Run, dict[str, bytes]]:
    """Returns a run, and the file of its points."""
    start = START_MS + 60_000 * number + dice.randrange(60_000)
    params: dict[str, Scalar] = {
        "lr": dice.choice((0.1, 0.03, 0.01, 0.003, 1e-3)),
        "model": dice.choice(MODELS),
        "seed": dice.randrange(10),
        "layers": dice.randrange(2, 12),
        "augment": dice.random() < 0.5,
    }
    params |= {f"option_{key}": dice.choice((dice.randrange(1000), f"value-{dice.randrange(50)}")) for key in range(15)}
    tags = {f"tag_{key}": f"some note {dice.randrange(30)}" for key in range(5)}
    lines: list[str] = []
    metrics: dict[str, MetricSummary] = {}
    for key in sorted(["val_loss", "acc", *(f"metric_{key}" for key in range(8))]):
        summarizer = Summarizer()
        column = encode_metric_key(key)
        for point in curve(dice, points, start):
            summarizer.add(*point)
            lines.append(encode_point(column, *point))
        metrics[key] = summarizer.summary()
    tsv = "".join(lines).encode()
    digest = Digest(hashlib.sha256(tsv).hexdigest())
    commit = ObjectId(commits[min(number * COMMITS // 100_000, COMMITS - 1)])
    failed = dice.random() < 0.1
    info = RunInfo(
        id=RunId(f"{dice.getrandbits(128):032x}"),
        name=f"{dice.choice(('bold', 'calm', 'keen', 'wise'))}-{dice.choice(('otter', 'heron', 'lynx'))}-{number}",
        experiment_id=experiment_id_candidate(dice.choice(EXPERIMENTS)),
        writer=WRITER,
        status=RunStatus.FAILED if failed else RunStatus.FINISHED,
        start_time_ms=start,
        end_time_ms=start + 1000 * points,
        user="ada",
        host=f"node-{dice.randrange(8)}",
        entry_point="train.py",
        command=("python", "train.py", "--lr", str(params["lr"])),
        source=Source(commit=commit, base=commit, branch="main", code_tree=commit),
        error="ValueError: NaN in loss" if failed else None,
        exit_code=1 if failed else 0,
        lifecycle=Lifecycle.DELETED if dice.random() < 0.01 else Lifecycle.ACTIVE,
    )
    run = Run(
        info=info,
        params=read_only(params),
        tags=read_only(tags),
        metrics=read_only(metrics),
        parts=(Part(digest=digest, size_bytes=len(tsv)),),
        environment=ENVIRONMENT,
    )
    return run, {f"metrics/{digest}.tsv": tsv}


def make_repository(folder: Path) -> list[str]:
    """Makes a repository with some commits and returns them, the first one first."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "bench")
    git(folder, "config", "user.email", "bench@example.org")
    commits = []
    for number in range(COMMITS):
        (folder / "train.py").write_text(f"print('version {number}')\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"version {number}")
        commits.append(git(folder, "rev-parse", "HEAD").strip())
    return commits


def add_runs(folder: Path, runs: Iterable[tuple[Run, dict[str, bytes]]]) -> dict[RunId, ObjectId]:
    """Writes runs into a repository; returns the tip of each."""
    store = open_store(folder, environ={})
    writer = PackedStore(store)
    tips: dict[RunId, ObjectId] = {}
    for run, files in runs:
        tips[run.info.id] = writer.seal_run(run, run, parent=run.info.source.commit, identity=IDENTITY, files=files)
    writer.flush()
    lines = "".join(f"create refs/runs/{run_id} {tip}\n" for run_id, tip in tips.items())
    store.git.run("update-ref", "--stdin", input=lines.encode())
    store.close()
    return tips


def add_experiments(folder: Path) -> None:
    """Writes the experiments into a repository."""
    store = open_store(folder, environ={})
    for name in EXPERIMENTS:
        experiment = Experiment(
            id=ExperimentId(experiment_id_candidate(name)),
            name=name,
            creation_time_ms=START_MS,
            last_update_time_ms=START_MS,
            tags=read_only({"team": "bench"}),
        )
        tip = store.write_experiment(experiment, parent=None, identity=IDENTITY, time_ms=START_MS, subject="create")
        store.set_experiment_tip(experiment.id, tip, None)
    store.close()


def generate(folder: Path, count: int, *, points: int = 20, seed: int = 1) -> dict[RunId, ObjectId]:
    """Makes a repository of so many runs, their refs packed; returns the tip of each."""
    commits = make_repository(folder)
    add_experiments(folder)
    dice = random.Random(seed)

    def runs() -> Iterator[tuple[Run, dict[str, bytes]]]:
        for number in range(count):
            yield make_run(number, dice, commits, points)

    tips = add_runs(folder, runs())
    git(folder, "pack-refs", "--all")
    return tips


def main() -> None:
    """Makes the repository that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    start = time.perf_counter()
    generate(given.folder, given.count, points=given.points, seed=given.seed)
    size = sum(path.stat().st_size for path in given.folder.rglob("*.pack"))
    seconds = time.perf_counter() - start
    report("generate", runs=given.count, seconds=seconds, runs_per_s=given.count / seconds, pack_mb=size / 1e6)


if __name__ == "__main__":
    sys.exit(main())
