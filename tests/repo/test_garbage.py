"""`gc` deletes what nothing needs, in two steps, and nothing that anything might need."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Git

from gitruns.artifacts.discard import discard, entries, put_back_all
from gitruns.entities.ids import Digest, RunId
from gitruns.errors import LockedError
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
from gitruns.repo.garbage import GRACE_S, GarbageReport, collect_garbage
from gitruns.repo.keeping import keep_run
from gitruns.repo.private_lock import only_one
from gitruns.repo.purging import purge_runs
from gitruns.tracking.client import Client

DAY_S = 24 * 3600.0
Log = Callable[..., RunId]


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    return Repo.open(git_repo)


@pytest.fixture
def log(git_repo: Path) -> Log:
    """Logs one finished run with an artifact of its own and returns its id."""
    client = Client(git_repo)

    def make(name: str, *, end: bool = True) -> RunId:
        run_id = RunId(client.create_run("0", run_name=name).info.run_id)
        client.log_text(run_id, name * 20_000, "big.txt")
        if end:
            client.set_terminated(run_id)
            Repo.open(git_repo).recover()
        return run_id

    return make


def age(repo: Repo, days: float) -> None:
    """Makes all that is in the cache older."""
    then = time.time() - days * DAY_S
    for path in (repo.cache.root / "o").rglob("*"):
        os.utime(path, (then, then))


def collect(repo: Repo, in_days: float = 0, **how: float) -> GarbageReport:
    """Cleans up as if so many days had passed."""
    return collect_garbage(repo, dry_run=False, now_s=time.time() + in_days * DAY_S, **how)


def digest_of(repo: Repo, run_id: RunId) -> Digest:
    return repo.get_run(run_id).artifacts[0].digest


def test_what_runs_name_stays_for_ever(repo: Repo, log: Log) -> None:
    ids = [log("one"), log("two"), log("live", end=False)]
    archive_runs(repo, [ids[0]])
    age(repo, 400)
    for day in (0, 20, 400):
        report = collect(repo, day)
        assert (report.artifacts, report.deleted, report.waiting, report.problems) == (3, 0, 0, [])
    assert list(repo.verify()) == []


def test_what_nothing_names_goes_in_two_steps(repo: Repo, log: Log) -> None:
    log("one")
    digest, size = repo.cache.put_bytes(b"nobody names me" * 1000)
    assert collect(repo).waiting == 1
    assert collect(repo, 13).deleted == 0
    report = collect(repo, 15)
    assert (report.deleted, report.deleted_bytes, report.waiting) == (1, size, 0)
    assert not repo.cache.has(digest)
    assert len(list(repo.cache.iter_digests())) == 1


def test_a_dry_run_deletes_and_notes_nothing(repo: Repo) -> None:
    digest, _ = repo.cache.put_bytes(b"nobody names me")
    collect(repo)
    before = (repo.folder / "unnamed-artifacts.json").read_bytes()
    report = collect_garbage(repo, now_s=time.time() + 20 * DAY_S)
    assert report.dry_run
    assert report.deleted == 1
    assert repo.cache.has(digest)
    assert (repo.folder / "unnamed-artifacts.json").read_bytes() == before


def test_what_is_named_again_in_time_stays(repo: Repo, log: Log) -> None:
    digest, _ = repo.cache.put_bytes(b"one" * 20_000)
    collect(repo)
    age(repo, 100)
    run_id = log("one")  # the same bytes
    assert digest_of(repo, run_id) == digest
    assert collect(repo, 20).deleted == 0
    assert repo.cache.has(digest)


def test_what_was_put_within_the_hour_stays_even_when_nothing_waits(repo: Repo) -> None:
    digest, _ = repo.cache.put_bytes(b"about to be named")
    collect(repo)
    assert collect(repo, grace_s=0).deleted == 0
    assert collect(repo, 2 / 24, grace_s=0).deleted == 1
    assert not repo.cache.has(digest)


def test_purged_runs_go_two_weeks_after_their_purge(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    gone, kept, stays = log("gone"), log("kept"), log("stays")
    digests = [digest_of(repo, run_id) for run_id in (gone, kept, stays)]
    tip = str(repo.store.run_tip(gone))
    age(repo, 100)
    purge_runs(repo, [gone, kept])
    keep_run(repo, kept)
    report = collect(repo, 13)
    assert (report.deleted, report.waiting, report.released, list(report.held)) == (0, 0, [], [gone])
    report = collect(repo, 15)
    assert (report.deleted, report.released) == (1, [gone])
    assert [repo.cache.has(digest) for digest in digests] == [False, True, True]
    git(git_repo, "gc", "--quiet", "--prune=now")
    with pytest.raises(AssertionError):
        git(git_repo, "cat-file", "-e", tip)
    assert Repo.open(git_repo).get_run(kept).info.name == "kept"
    assert list(Repo.open(git_repo).verify()) == []


def test_purging_without_a_hold_frees_at_once(repo: Repo, log: Log) -> None:
    gone = log("gone")
    digest = digest_of(repo, gone)
    age(repo, 30)
    purge_runs(repo, [gone], hold=False)
    assert collect(repo).deleted == 1
    assert not repo.cache.has(digest)


def test_nothing_is_deleted_while_something_cannot_be_read(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    run_id = log("one")
    digest, _ = repo.cache.put_bytes(b"nobody names me, or does it?")
    collect(repo)
    tree = git(git_repo, "mktree", stdin="")
    bad = git(git_repo, "commit-tree", tree, "-m", "no run")
    git(git_repo, "update-ref", f"refs/runs/{run_id}", bad)
    git(git_repo, "update-ref", "refs/runs/archive/" + bad, bad)
    with pytest.warns(UserWarning, match="archive segment"):
        report = collect(repo, 20)
    assert report.deleted == 0
    assert len(report.problems) == 1  # an empty tree may be a source; the segment is what cannot be read
    assert repo.cache.has(digest)


def test_a_damaged_note_only_costs_time(repo: Repo) -> None:
    repo.cache.put_bytes(b"nobody names me")
    collect(repo)
    (repo.folder / "unnamed-artifacts.json").write_text('{"x": [1')
    assert collect(repo, 15).deleted == 0
    assert collect(repo, 30).deleted == 1


def test_only_one_cleans_up(repo: Repo) -> None:
    with only_one(repo.folder / "gc.lock"), pytest.raises(LockedError) as caught:
        collect(repo)
    assert caught.value.kind == "gc-running"


def test_the_grace_is_two_weeks() -> None:
    assert GRACE_S == 14 * DAY_S


# The cache, with others putting at the same time


def test_discarding_asks_when_it_was_last_put(repo: Repo) -> None:
    digest, size = repo.cache.put_bytes(b"bytes")
    assert discard(repo.cache.root, digest, put_before_s=time.time() - 10) == 0
    assert discard(repo.cache.root, digest, put_before_s=time.time() + 10) == size
    assert discard(repo.cache.root, digest, put_before_s=time.time() + 10) == 0
    assert list(entries(repo.cache.root)) == []


def test_what_a_kill_left_aside_gets_its_name_back(repo: Repo) -> None:
    digest, _ = repo.cache.put_bytes(b"bytes")
    path = repo.cache.path_of(digest)
    path.rename(path.with_name(f"discarded-{path.name}-01234567"))
    assert not repo.cache.has(digest)
    put_back_all(repo.cache.root)
    with repo.cache.open(digest) as file:
        assert file.read() == b"bytes"
    assert [entry.digest for entry in entries(repo.cache.root)] == [digest]


_PUTTER = """
import contextlib, os, sys, time
from pathlib import Path
from gitruns.artifacts import ArtifactCache
cache = ArtifactCache(Path(sys.argv[1]))
digest, _ = cache.put_bytes(b"the same bytes again and again")
for _ in range(int(sys.argv[2])):
    with contextlib.suppress(FileNotFoundError):
        os.utime(cache.path_of(digest), (0, 0))
    cache.put_bytes(b"the same bytes again and again")
    deadline = time.monotonic() + 10
    while not cache.has(digest):  # it is just being put back
        if time.monotonic() > deadline:
            sys.exit("lost")
"""


@pytest.mark.parametrize("rounds", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_what_is_put_while_it_is_discarded_is_there_afterwards(repo: Repo, rounds: int) -> None:
    digest, _ = repo.cache.put_bytes(b"the same bytes again and again")
    taken = 0
    with subprocess.Popen([sys.executable, "-c", _PUTTER, str(repo.cache.root), str(rounds)]) as child:
        while child.poll() is None:
            taken += discard(repo.cache.root, digest, put_before_s=time.time() - 1000) > 0
    assert child.returncode == 0
    assert taken > 0 or rounds < 1000
    repo.cache.verify(digest)


def test_gc_while_runs_are_logged_takes_nothing(repo: Repo, git_repo: Path) -> None:
    code = (
        "import sys, gitruns\n"
        "for n in range(15):\n"
        "    with gitruns.start_run():\n"
        "        gitruns.log_text(f'{n}' * 30_000, 'big.txt')\n"
        "        gitruns.log_text('shared' * 30_000, 'shared.txt')\n"
    )
    (git_repo / "log.py").write_text(code)
    with subprocess.Popen([sys.executable, "log.py"], cwd=git_repo) as child:
        while child.poll() is None:
            collect_garbage(Repo.open(git_repo), dry_run=False, grace_s=0)
    assert child.returncode == 0
    fresh = Repo.open(git_repo)
    fresh.recover()
    assert len(fresh.list_runs()) == 15
    assert list(fresh.verify()) == []
