"""kill -9 at any instant of a refresh or a rebuild: the next question is answered rightly."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitruns.index import Index, Search
from index.index_child import COUNT
from index.sources import MemorySource, varied_source

CHILD = Path(__file__).with_name("index_child.py")
ENVIRON = {"PYTHONPATH": str(CHILD.parent.parent)}


def start(folder: Path, what: str, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), what, str(seed)],
        env={**os.environ, **ENVIRON},
        stderr=subprocess.PIPE,
    )


def answers_rightly(folder: Path, source: MemorySource) -> None:
    index = Index(folder / "index.db", source)
    found = index.search_runs(Search(filter="acc > 0.45 and m3 = 1"))
    wanted = [run.info.id for run in source.runs() if run.metrics["acc"].last > 0.45 and "m3" in run.metrics]
    assert sorted(found.run_ids) == sorted(wanted)
    listed, _ = index.list_runs(Search())
    assert {one.run.info.id: one.run for one in listed} == {run.info.id: run for run in source.runs()}
    index.close()


def storm(folder: Path, kills: int, seed: int) -> None:
    source = varied_source(COUNT)
    dice = random.Random(seed)
    for number in range(kills):
        child = start(folder, "rebuild" if number % 2 else "refresh", number)
        ready = folder / f"ready-{number}"
        while not ready.exists() and child.poll() is None:
            time.sleep(0.005)
        time.sleep(dice.random() * 0.4)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stderr is not None
        child.stderr.close()
        answers_rightly(folder, source)


def test_killed_at_random(tmp_path: Path) -> None:
    storm(tmp_path, 6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_two_hundred_times(tmp_path: Path) -> None:
    storm(tmp_path, 200, seed=2)


@pytest.mark.parametrize("kind", ["refresh", "ask"])
def test_several_processes_at_once(tmp_path: Path, kind: str) -> None:
    source = varied_source(COUNT)
    children = [start(tmp_path, kind if number else "rebuild", number) for number in range(4)]
    for child in children:
        _, error = child.communicate(timeout=120)
        assert child.returncode == 0, error.decode()
    answers_rightly(tmp_path, source)
