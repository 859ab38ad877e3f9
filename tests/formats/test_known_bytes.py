"""One run and its bytes, written down: a change here is a change of the stored format, and breaks a promise."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import Identity, Lifecycle, Part, Run, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import Summarizer
from gitruns.gitstore import open_store
from gitruns.gitstore.codec import decode_experiment, decode_run, encode_experiment, encode_run
from gitruns.testing.strategies import same

WRITER = WriterId("a3f1c2d4e5b60718")
POINTS = (
    b"acc\t0\t1763715000500\t0.5\nacc\t1\t1763715001500\t0.75\nacc\t1\t1763715001500\tnan\nlr/\\u2028\t0\t0\t1e-05\n"
)
PART = Digest("1e51477e2ae494a3b6d8024c81818a43480313f31424eea8184bb69ad5c5d74e")
STORED = Digest("c" * 64)


def summary(*points: tuple[int, int, float]) -> Summarizer:
    """A summarizer that has seen some points."""
    summarizer = Summarizer()
    for point in points:
        summarizer.add(*point)
    return summarizer


RUN = Run(
    info=RunInfo(
        id=RunId("0123456789abcdef0123456789abcdef"),
        name='bold "otter"',
        experiment_id=ExperimentId("123456789012345678"),
        writer=WRITER,
        status=RunStatus.FAILED,
        start_time_ms=1763715000000,
        end_time_ms=1763715010999,
        user="ada",
        host="box",
        entry_point="train.py",
        command=("python", "train.py", "--lr", "0.01"),
        source=Source(
            commit=ObjectId("a" * 40),
            base=ObjectId("b" * 40),
            branch="main",
            code_tree=ObjectId("c" * 40),
            snapshot_tree=ObjectId("d" * 40),
            dirty=True,
            left_out=(
                LeftOut(path="data/é.bin", reason="too-large", size=7),
                LeftOut(path=".env", reason="deny-list"),
            ),
            remote_url="https://example.org/repo.git",
            autocrlf="input",
            eol="lf",
        ),
        parent_run_id=RunId("f" * 32),
        exit_code=-9,
        error="ValueError: no",
        lifecycle=Lifecycle.DELETED,
        dropped=3,
    ),
    params={
        "lr": 1e-5,
        "big": 2**70,
        "flag": True,
        "none": None,
        "nan": math.nan,
        "text": "line\nend\u2028",
        "é": -0.0,
    },
    tags={"mlflow.note.content": "a “note” \U0001f600\x7f", "best": "yes"},
    metrics={
        "acc": summary((0, 1763715000500, 0.5), (1, 1763715001500, 0.75), (1, 1763715001500, math.nan)).summary(),
        "lr/\u2028": summary((0, 0, 1e-5)).summary(),
    },
    parts=(
        Part(digest=PART, size_bytes=len(POINTS)),
        Part(
            digest=STORED,
            size_bytes=70000,
            stored_as=Artifact(path=f".gitruns/metrics/{STORED}.tsv.gz", digest=Digest("e" * 64), size_bytes=123),
        ),
    ),
    artifacts=(
        Artifact(path="model.bin", digest=Digest("9" * 64), size_bytes=48213),
        Artifact(path="notes.txt", digest=Digest("8" * 64), size_bytes=3, in_git=True),
    ),
    inputs=(
        DatasetInput(name="digits", digest="d1", source='{"url": "x"}', source_type="http", schema="[]", profile="{}"),
        DatasetInput(
            name="digits", digest="d1", source="digits.csv", context="training", tags=(("a", "1"), ("b", "2"))
        ),
    ),
    environment=Environment(
        python="3.11.4 (CPython)",
        platform="Linux x86_64",
        packages={"numpy": "2.0.0", "mine": "0.1 (editable)"},
        hardware={"cpu_count": "2"},
        variables={"CUDA_VISIBLE_DEVICES": "0"},
    ),
    stamps={
        "run/name": Stamp(1763718000000, 0, WRITER),
        "tags/gone": Stamp(1763718000000, 1, WRITER),
    },
)

FILES = {f"metrics/{PART}.tsv": POINTS, f"metrics/{STORED}.tsv": b"", "artifacts/notes.txt": b"abc"}

STARTED = dataclasses.replace(RUN.info, status=RunStatus.RUNNING, end_time_ms=None, exit_code=None, error=None)

EXPERIMENT = Experiment(
    id=ExperimentId("123456789012345678"),
    name="digits: a study",
    creation_time_ms=1763715000000,
    last_update_time_ms=1763715000001,
    tags={"team": "vision"},
    stamps={"experiment/name": Stamp(1763715000001, 0, WRITER)},
)

Git = Callable[..., str]

KNOWN = Path(__file__).parent / "known"
ADA = Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=-90)


def known_files(name: str) -> dict[str, bytes]:
    """The files that stand in a folder of `known`, by path."""
    folder = KNOWN / name
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_of_a_run() -> None:
    assert encode_run(RUN, files=FILES) == known_files("run")


def test_known_files_are_read_as_the_run_they_are() -> None:
    run = decode_run(known_files("run"))
    assert same(dict(run.params), dict(RUN.params))
    assert {part.digest: part.stored_as for part in run.parts} == {PART: None, STORED: RUN.parts[1].stored_as}
    assert dataclasses.replace(run, params={}) == dataclasses.replace(RUN, params={})


def test_the_files_of_an_experiment() -> None:
    assert encode_experiment(EXPERIMENT) == known_files("experiment")
    assert decode_experiment(known_files("experiment")) == EXPERIMENT


def test_known_trees(git_repo: Path, git: Git) -> None:
    store = open_store(git_repo, environ=os.environ)
    run = store.seal_run(Run(info=STARTED), RUN, parent=None, identity=ADA, files=FILES)
    assert git(git_repo, "rev-parse", f"{run}^{{tree}}") == "bd85f2cb626b8ced6763b4d25c1afe9836545134"
    experiment = store.write_experiment(EXPERIMENT, parent=None, identity=ADA, time_ms=1763715000001, subject="create")
    assert git(git_repo, "rev-parse", f"{experiment}^{{tree}}") == "0e56e2f6569a8356477b31fe75426f489f42c13b"
    assert git(git_repo, "fsck", "--strict", "--no-dangling") == ""


def test_the_same_seal_makes_the_same_commits_everywhere(tmp_path: Path, git: Git) -> None:
    commits = set()
    for name in ("one", "other"):
        git(tmp_path, "init", "--quiet", name)
        store = open_store(tmp_path / name, environ=os.environ)
        commits |= {store.seal_run(Run(info=STARTED), RUN, parent=None, identity=ADA, files=FILES) for _ in range(2)}
    assert len(commits) == 1
