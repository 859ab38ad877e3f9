"""A clean tree costs no process of git, an unchanged dirty one two; a change is never missed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Git
from gitruns.capture import SnapshotRules, capture_source, restore_source
from gitruns.entities.source import Source
from gitruns.gitstore import GitStore, open_store

OpenAt = Callable[[Path], GitStore]
CountGit = Callable[[], list[str]]
Settle = Callable[[], None]


@pytest.fixture
def git_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountGit:
    """Lets every git that is started from now on leave its first words; gives those since the last question."""
    real = shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    log = folder / "log"
    log.touch()
    # One line a process; `$*` shows which command it was.
    (folder / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def since() -> list[str]:
        lines = log.read_text().splitlines()
        log.write_text("")
        return lines

    return since


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Waits until every file is old enough for its stat data to vouch for it; 2 s are more than this machine needs."""
    monkeypatch.setattr("gitruns.capture.reuse._RACY_NS", 50_000_000)
    return lambda: time.sleep(0.06)


def test_a_clean_tree_starts_no_git(git_calls: CountGit, git_repo: Path, open_at: OpenAt) -> None:
    store = open_at(git_repo)
    store.config("core.autocrlf")  # the store reads git's configuration once, by git
    git_calls()
    source = capture_source(store)
    assert git_calls() == []
    assert not source.dirty
    assert not (git_repo / ".git/gitruns").exists()


def test_a_clean_tree_with_line_end_rules_starts_none_from_the_second_time_on(
    git: Git, git_calls: CountGit, git_repo: Path, open_at: OpenAt
) -> None:
    (git_repo / ".gitattributes").write_text("* text=auto\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "attributes")
    first = capture_source(open_at(git_repo))
    store = open_at(git_repo)
    store.config("core.autocrlf")
    git_calls()
    assert capture_source(store) == first
    assert git_calls() == []
    assert first.commit == first.base
    # The same text with other line ends is unchanged to git, not to whoever wants the bytes back.
    (git_repo / "train.py").write_bytes((git_repo / "train.py").read_bytes().replace(b"\n", b"\r\n"))
    assert git(git_repo, "diff", "--stat") == ""
    changed = capture_source(open_at(git_repo))
    assert changed.commit != first.commit
    assert changed.code_tree == first.code_tree


def test_an_unchanged_dirty_tree_is_looked_at_and_no_more(
    git_calls: CountGit, git_repo: Path, open_at: OpenAt, settle: Settle
) -> None:
    (git_repo / "train.py").write_text("changed\n")
    (git_repo / "new.py").write_text("new\n")
    settle()
    first = capture_source(open_at(git_repo))
    git_calls()
    store = open_at(git_repo)
    store.config("core.autocrlf")
    git_calls()
    assert capture_source(store) == first
    calls = git_calls()
    assert len(calls) == 2
    assert any("status" in call for call in calls)
    assert any("ls-files" in call for call in calls)


def test_a_tree_that_only_a_filter_makes_clean_is_looked_at_and_no_more(
    git: Git, git_calls: CountGit, git_repo: Path, open_at: OpenAt, settle: Settle
) -> None:
    git(git_repo, "config", "filter.strip.clean", "sed /output/d")
    (git_repo / ".gitattributes").write_text("*.ipynb filter=strip\n")
    (git_repo / "lab.ipynb").write_text("code\noutput\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "notebook")
    settle()
    first = capture_source(open_at(git_repo))
    assert [left.reason for left in first.left_out] == ["filtered"]
    store = open_at(git_repo)
    store.config("core.autocrlf")
    git_calls()
    assert capture_source(store) == first
    assert not any("checkout-index" in call or "write-tree" in call for call in git_calls())
    (git_repo / "lab.ipynb").write_text("code\n")
    assert capture_source(open_at(git_repo)).left_out == ()


def test_across_processes(git_repo: Path) -> None:
    (git_repo / "train.py").write_text("changed\n")
    script = (
        "import os, pathlib; from gitruns.gitstore import open_store; from gitruns.capture import capture_source\n"
        "print(capture_source(open_store(pathlib.Path('.'), environ=os.environ)))"
    )
    command = [sys.executable, "-c", script]
    said = {subprocess.run(command, cwd=git_repo, capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1


def test_many_at_once(git_repo: Path) -> None:
    (git_repo / "train.py").write_text("changed\n")
    for number in range(20):
        (git_repo / f"new{number}.py").write_text("new\n")

    def capture(_: int) -> Source:
        return capture_source(open_store(git_repo, environ=dict(os.environ)))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(capture, range(8)))) == 1
    left = [path.name for path in (git_repo / ".git/gitruns/snapshots").glob("*/*") if path.name.startswith("tmp-")]
    assert left == []


def test_every_change_is_seen(git: Git, git_repo: Path, open_at: OpenAt, settle: Settle) -> None:
    (git_repo / "train.py").write_text("changed\n")
    (git_repo / "new.py").write_text("new 1\n")
    settle()
    store = open_at(git_repo)
    seen = [capture_source(store)]

    def look() -> None:
        source = capture_source(store)
        assert source not in seen
        seen.append(source)

    (git_repo / "train.py").write_text("CHANGED\n")  # the same size
    look()
    facts = (git_repo / "new.py").stat()
    (git_repo / "new.py").write_text("new 2\n")
    os.utime(git_repo / "new.py", ns=(facts.st_atime_ns, facts.st_mtime_ns))  # the same size and the same time
    look()
    (git_repo / "new.py").chmod(0o755)
    look()
    (git_repo / "README.md").write_text("clean until now\n")
    look()
    (git_repo / ".git/info/exclude").write_text("new.py\n")
    look()
    git(git_repo, "commit", "--quiet", "-am", "all")
    look()
    assert seen[-1].commit == git(git_repo, "rev-parse", "HEAD")


def test_a_change_within_the_clocks_tick_is_seen(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    """Two writes between which no clock moved leave the same stat data, so fresh files vouch for nothing."""
    store = open_at(git_repo)
    for number in range(8):
        text = f"{number:04}\n"
        (git_repo / "train.py").write_text(text)
        source = capture_source(store)
        assert git(git_repo, "show", f"{source.commit}:train.py") == text.strip()


def test_other_rules_are_another_snapshot(git_repo: Path, open_at: OpenAt, settle: Settle) -> None:
    (git_repo / "train.py").write_text("changed\n")
    (git_repo / "new.py").write_text("new\n")
    settle()
    store = open_at(git_repo)
    everything = capture_source(store)
    tracked = capture_source(store, SnapshotRules(mode="tracked"))
    assert everything.commit != tracked.commit
    assert everything.code_tree == tracked.snapshot_tree
    assert capture_source(store) == everything


def test_a_snapshot_that_gc_took_is_made_again(git: Git, git_repo: Path, open_at: OpenAt, settle: Settle) -> None:
    (git_repo / "train.py").write_text("changed\n")
    settle()
    source = capture_source(open_at(git_repo))
    git(git_repo, "gc", "--quiet", "--prune=now")
    assert subprocess.run(["git", "cat-file", "-e", str(source.commit)], cwd=git_repo, check=False).returncode
    assert capture_source(open_at(git_repo)) == source
    assert git(git_repo, "cat-file", "-p", f"{source.commit}:train.py") == "changed"


def test_what_is_kept_may_be_garbage(git_repo: Path, open_at: OpenAt, settle: Settle) -> None:
    (git_repo / ".gitattributes").write_text("* text=auto\n")
    (git_repo / "train.py").write_text("changed\n")
    settle()
    source = capture_source(open_at(git_repo))
    kept = [path for path in (git_repo / ".git/gitruns/snapshots").glob("*/*") if path.is_file()]
    assert kept
    for path in kept:
        for garbage in (b"", b"\0\xff garbage", b"[]", b'{"key": 1}'):
            path.write_bytes(garbage)
            assert capture_source(open_at(git_repo)) == source


def test_what_a_killed_process_left_is_swept(git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text("changed\n")
    capture_source(open_at(git_repo))
    (folder,) = (git_repo / ".git/gitruns/snapshots").iterdir()
    for name, age_s in (("tmp-old", 2 * 86400), ("tmp-new", 60)):
        (folder / name).mkdir()
        (folder / name / "index").touch()
        os.utime(folder / name, (time.time() - age_s,) * 2)
    capture_source(open_at(git_repo))
    assert [path.name for path in folder.glob("tmp-*")] == ["tmp-new"]


def test_it_survives_gc_once_a_ref_holds_it(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    git(git_repo, "checkout", "--quiet", "-b", "topic")
    (git_repo / "train.py").write_text("to be amended\n")
    git(git_repo, "commit", "--quiet", "-am", "topic")
    (git_repo / "train.py").write_text("changed\n")
    (git_repo / "new.py").write_text("new\n")
    source = capture_source(open_at(git_repo))
    git(git_repo, "update-ref", "refs/runs-local/" + "0" * 32, str(source.commit))
    git(git_repo, "commit", "--quiet", "-a", "--amend", "-m", "amended")
    git(git_repo, "checkout", "--quiet", "main")
    git(git_repo, "branch", "-D", "topic")
    git(git_repo, "reflog", "expire", "--expire=now", "--all")
    git(git_repo, "gc", "--quiet", "--aggressive", "--prune=now")
    restore_source(open_at(git_repo), source, tmp_path / "restored")
    assert (tmp_path / "restored/train.py").read_text() == "changed\n"
    assert (tmp_path / "restored/new.py").read_text() == "new\n"


def test_a_copied_tree_is_read_once(
    git: Git, git_calls: CountGit, git_repo: Path, tmp_path: Path, open_at: OpenAt
) -> None:
    """Its index knows no file's times; what git found out is kept beside it, so the next look reads nothing."""
    shutil.copytree(git_repo, tmp_path / "copy")
    (tmp_path / "copy/train.py").write_text("changed\n")
    for path in (tmp_path / "copy").glob("*.*"):
        os.utime(path, (10**9, 10**9))
    index = (tmp_path / "copy/.git/index").read_bytes()
    first = capture_source(open_at(tmp_path / "copy"))
    assert list((tmp_path / "copy/.git/gitruns/snapshots").glob("*/index-*"))
    assert (tmp_path / "copy/.git/index").read_bytes() == index
    assert capture_source(open_at(tmp_path / "copy")) == first
    git(tmp_path / "copy", "add", ".")  # writes the user's index: what was kept is of another
    assert capture_source(open_at(tmp_path / "copy")) == first


def test_the_cost_of_a_clean_tree(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    """The budget is 3 ms for 1,000 files; the test leaves room for a busy machine, the benchmark does not."""
    for number in range(1000):
        (git_repo / f"d{number % 40}").mkdir(exist_ok=True)
        (git_repo / f"d{number % 40}/f{number}.py").write_text(f"{number}\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "many")
    store = open_at(git_repo)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        source = capture_source(store)
        times.append(time.perf_counter() - started)
    assert not source.dirty
    assert min(times) < 0.010
