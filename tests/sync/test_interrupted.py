"""The network cut at any byte, the process killed at any instant, the time over: typed again, everything is there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.errors import RemoteError
from gitruns.repo.archiving import archive_runs
from sync.conftest import Clone, MakeClone
from sync.network import CutWire, git_daemon


@pytest.fixture
def wire(remote: Path) -> Iterator[CutWire]:
    with git_daemon(remote.parent) as port, CutWire(port) as made:
        yield made


def cut_everywhere(wire: CutWire, total: int, cuts: int) -> list[int]:
    """Places to cut at: the first bytes, the last ones, and some between."""
    dice = random.Random(total)
    inner = sorted(dice.randrange(total) for _ in range(max(cuts - 4, 0)))
    return [1, *inner, total - 30, total - 1]


def push_and_fetch_with_cuts(clone: MakeClone, wire: CutWire, remote: Path, cuts: int) -> None:
    url = f"git://127.0.0.1:{wire.port}/team.git"
    ada, bob = clone("ada", url=url), clone("bob", url=url)
    everything = {ada.log("first")}
    wire.reset(None)
    ada.push()
    total = wire.passed
    for number, place in enumerate(cut_everywhere(wire, total, cuts)):
        everything |= {ada.log(f"run {number}", value=number)}
        if number % 3 == 2:
            archive_runs(ada.repo)
        for act in (ada.push, bob.fetch):
            wire.reset(place)
            try:
                act()
            except RemoteError as error:
                assert error.retryable, (place, error, error.facts.get("stderr"))
            check_remote(remote, ada, everything)
        wire.reset(None)
        if number % 2:
            ada.push()
            bob.fetch()
    wire.reset(None)
    ada.fetch()
    ada.push()
    bob.fetch()
    assert {run.info.id for run in bob.repo.list_runs()} == everything
    assert bob.shown() == ada.shown()
    assert ada.push().is_up_to_date and bob.fetch().is_up_to_date and ada.fetch().lost == ()
    assert ada.repo.status().live == ()


def check_remote(remote: Path, ada: Clone, everything: set[str]) -> None:
    """What the remote shows is whole, at every moment."""
    refs = run_git(remote, "for-each-ref", "--format=%(objectname)", "refs/runs/").split()
    if refs:
        run_git(remote, "rev-list", "--objects", "--quiet", *refs)


def test_a_wire_that_is_cut(clone: MakeClone, wire: CutWire, remote: Path) -> None:
    push_and_fetch_with_cuts(clone, wire, remote, 6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_wire_that_is_cut_often(clone: MakeClone, wire: CutWire, remote: Path) -> None:
    push_and_fetch_with_cuts(clone, wire, remote, 150)


PUSHER = """
import sys
from gitruns.repo import Repo
from gitruns.sync import push, fetch
repo = Repo.open()
print("ready", flush=True)
sys.stdin.readline()
(push if sys.argv[1] == "push" else fetch)(repo)
"""


def killed_after(folder: Path, what: str, seconds: float) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PUSHER, what],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdout.readline()
    child.stdin.write("\n")
    child.stdin.flush()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.communicate()


def kill_pushes(ada: Clone, bob: Clone, remote: Path, kills: int) -> None:
    dice = random.Random(7)
    everything = set()
    for number in range(kills):
        everything |= {ada.log(f"{number}-{place}", value=place) for place in range(3)}
        if number % 3 == 2:
            archive_runs(ada.repo)
        killed_after(ada.folder, "push", dice.uniform(0, 0.15))
        killed_after(bob.folder, "fetch", dice.uniform(0, 0.15))
        check_remote(remote, ada, everything)
    time.sleep(0.5)  # what the killed have started may still be at it
    for _ in range(2):
        ada.push()
        bob.fetch()
    assert {run.info.id for run in bob.repo.list_runs()} == everything
    assert bob.shown() == ada.shown()
    assert ada.fetch().lost == () and ada.push().is_up_to_date
    for one in (ada, bob):
        one.git("fsck", "--strict", "--no-dangling")


def test_pushes_and_fetches_that_are_killed(ada: Clone, bob: Clone, remote: Path) -> None:
    kill_pushes(ada, bob, remote, 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_pushes_and_fetches_that_are_killed(ada: Clone, bob: Clone, remote: Path) -> None:
    kill_pushes(ada, bob, remote, 50)


def test_when_the_time_is_over_it_says_so(ada: Clone, remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nsleep 30\n")
    hook.chmod(0o755)
    ada.log()
    began = time.monotonic()
    with pytest.raises(RemoteError, match="the time for it is over") as caught:
        ada.push(deadline_s=0.5, interactive=False)
    assert caught.value.kind == "remote-timeout" and caught.value.retryable
    assert time.monotonic() - began < 10
    hook.unlink()
    time.sleep(0.1)
    assert len(ada.push().runs) == 1
