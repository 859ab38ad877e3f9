"""SIGKILL at random moments of processes that put records and seal them: each acknowledged record is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.repo import Repo

AT_ONCE = 4
CHILD = Path(__file__).with_name("recording_child.py")


def run_until_killed(repo: Path, scratch: Path, names: list[str], chance: random.Random) -> list[str]:
    """Lets children write at once, kills each at a random moment after its first record, returns what was said."""
    said = {name: scratch / f"said-{name}" for name in names}
    children = []
    for name, path in said.items():
        with path.open("wb") as out:
            children.append(subprocess.Popen([sys.executable, CHILD, name], cwd=repo, stdout=out))
    deadline = time.monotonic() + 20
    while any(path.stat().st_size == 0 for path in said.values()) and time.monotonic() < deadline:
        time.sleep(0.005)
    for child in children:
        time.sleep(chance.uniform(0, 0.12))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    lines = [line for path in said.values() for line in path.read_bytes().splitlines(keepends=True)]
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_no_acknowledged_record_is_lost(git_repo: Path, tmp_path: Path, kills: int) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    print(f"seed {seed}")
    acknowledged: set[str] = set()
    for first in range(0, kills, AT_ONCE):
        names = [str(number) for number in range(first, first + AT_ONCE)]
        acknowledged |= set(run_until_killed(git_repo, tmp_path, names, chance))
        if chance.random() < 0.3:
            Repo.open(git_repo).records.recover()
    repo = Repo.open(git_repo)
    found = {one.id: one.fields for one in repo.records.select("trace")}
    assert acknowledged <= found.keys()
    assert len(acknowledged) > kills
    assert len(found) - len(acknowledged) <= kills, "one that was not acknowledged for each kill"
    assert all(fields["n"] == int(key.partition("-")[2]) for key, fields in found.items()), "none is half there"
    for lock in (git_repo / ".git" / "refs" / "runs" / "records").glob("*.lock"):  # as if two minutes were over
        os.utime(lock, (0, 0))
    repo.records.seal(force=True)
    assert not list((repo.folder / "records" / "open").glob("*.log")), "journals of the dead are collected"
    for path in repo.folder.glob("records.db*"):
        path.unlink()
    assert {one.id: one.fields for one in Repo.open(git_repo).records.select("trace")} == found
    run_git(git_repo, "fsck", "--strict")
