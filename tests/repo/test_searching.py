"""Searches of a real repository: the index says what git and the journals say, whatever happened to either."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import gitruns
from gitruns.entities.ids import RunId
from gitruns.entities.run import Lifecycle, Run
from gitruns.errors import InvalidInputError
from gitruns.repo import Repo, bulk_pool, indexing
from gitruns.repo.indexing import REFS_PLACE, RepoSource
from gitruns.tracking import fluent


@pytest.fixture(autouse=True)
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Works in the repository, as one script."""
    monkeypatch.chdir(git_repo)
    yield
    fluent._close_sessions()
    fluent._sessions.clear()


@pytest.fixture
def repo(git_repo: Path) -> Iterator[Repo]:
    """The repository, opened as another program would open it."""
    opened = Repo.open(git_repo)
    yield opened
    opened.index.close()


def make_run(name: str = "run", **metrics: float) -> RunId:
    """Logs one run."""
    with gitruns.start_run(run_name=name) as run:
        gitruns.log_param("model", "cnn")
        for key, value in metrics.items():
            gitruns.log_metric(key, value, step=1)
    return RunId(run.info.run_id)


def said(run: Run) -> tuple[object, ...]:
    """What a list says of a run, as text: NaN is not equal to itself."""
    values = (dict(run.params), dict(run.tags), {key: repr(one) for key, one in run.metrics.items()})
    return (repr(run.info), *(repr(sorted(value.items())) for value in values), run.live, run.commit)


def assert_as_scanned(repo: Repo) -> None:
    """The index holds what reading every run finds."""
    for lifecycle in (Lifecycle.ACTIVE, None):
        found = repo.search_runs(lifecycle=lifecycle).runs
        assert [said(run) for run in found] == [said(run) for run in repo.list_runs(lifecycle=lifecycle)]


def names(repo: Repo, query: str, **how: object) -> list[str]:
    return [run.info.name for run in repo.search_runs(query, **how).runs]


def test_every_change_is_seen_at_once(repo: Repo, git_repo: Path, git) -> None:
    assert_as_scanned(repo)
    first = make_run("first", acc=0.5)
    assert_as_scanned(repo)
    second = make_run("second", acc=0.9)
    with repo.edit(first) as edit:
        edit.set_tag("best", "yes")
        edit.rename("renamed")
    assert_as_scanned(repo)
    assert names(repo, "tags.best = 'yes'") == ["renamed"]
    with repo.edit(second) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)
    assert_as_scanned(repo)
    git(git_repo, "pack-refs", "--all")
    assert_as_scanned(repo)
    git(git_repo, "gc", "--quiet", "--prune=now")
    assert_as_scanned(repo)
    git(git_repo, "update-ref", "-d", f"refs/runs/{first}")
    assert_as_scanned(repo)
    assert names(repo, "") == []


def test_refs_packed_while_the_index_looks_are_missed_by_nobody(repo: Repo, git_repo: Path, git) -> None:
    first, second = make_run("first", acc=0.5), make_run("second", acc=0.9)
    git(git_repo, "pack-refs", "--all")
    with repo.edit(second) as edit:
        edit.rename("renamed")
    assert sorted(names(repo, "")) == ["first", "renamed"]
    os.utime(git_repo / ".git" / "packed-refs", (0, 0))  # else it is too young to be believed, and looked at anyway
    source = RepoSource(repo, os.environ)
    source.places()
    git(git_repo, "pack-refs", "--all")  # now no ref has a file of its own
    assert source.states(REFS_PLACE).keys() == {first, second}
    assert sorted(names(repo, "")) == ["first", "renamed"]


def test_a_live_run_shows_the_values_it_has_now(repo: Repo) -> None:
    with gitruns.start_run(run_name="live"):
        gitruns.log_metric("acc", 0.1)
        assert names(repo, "acc < 0.2 and live = true") == ["live"]
        assert_as_scanned(repo)
        gitruns.log_metric("acc", 0.8, step=2)
        assert names(repo, "acc < 0.2") == []
        assert names(repo, "acc > 0.7") == ["live"]
        gitruns.set_tag("phase", "two")
        assert_as_scanned(repo)
    assert names(repo, "live = true") == []
    assert_as_scanned(repo)


def test_a_run_that_cannot_be_read_is_named_and_hides_no_other(repo: Repo, git_repo: Path, git) -> None:
    good = make_run("good", acc=1.0)
    tree = git(git_repo, "mktree", stdin="")
    bad = git(git_repo, "commit-tree", tree, "-m", "not a run")
    git(git_repo, "update-ref", f"refs/runs/{'b' * 32}", bad)
    git(git_repo, "update-ref", f"refs/runs/{'c' * 32}", git(git_repo, "rev-parse", f"refs/runs/{good}"))
    assert names(repo, "") == ["good"]
    reasons = {one.run_id[0]: one.reason for one in repo.index.unreadable() if one.run_id != good}
    assert "format" in reasons["b"]
    assert good in reasons["c"]


def test_git_terms_ask_git(repo: Repo, git_repo: Path, git) -> None:
    make_run("one", acc=1)
    git(git_repo, "branch", "before")
    (git_repo / "src").mkdir()
    (git_repo / "src" / "model.py").write_text("layers = 2\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "model", "--author", "Grace Hopper <grace@example.org>")
    make_run("two", acc=2)
    (git_repo / "train.py").write_text("print('changed')\n")
    make_run("three", acc=3)
    assert set(names(repo, "in before..main")) == {"two", "three"}  # the snapshot lies on main
    assert names(repo, "in ..main") == []
    assert set(names(repo, "ancestor of before")) == {"one"}
    assert set(names(repo, "commit = HEAD")) == {"two", "three"}
    assert set(names(repo, "touched src/model.py")) == {"two", "three"}
    assert set(names(repo, "touched train.py")) == {"one", "three"}
    assert names(repo, "touched nowhere.py") == []
    assert set(names(repo, "author like 'Grace%'")) == {"two", "three"}
    assert names(repo, "same code as two") == ["two"]
    assert names(repo, "dirty = true") == ["three"]
    assert set(names(repo, "branch = main")) == {"one", "two", "three"}
    git(git_repo, "checkout", "--quiet", "--", ".")
    git(git_repo, "reset", "--quiet", "--hard", "before")
    assert set(names(repo, "touched src/model.py")) == {"two", "three"}  # no branch has that commit any more


@pytest.mark.parametrize(
    "query", ["in nowhere..main", "commit = nothing", "ancestor of -x", "same code as nobody", "in --all", "as of nope"]
)
def test_what_git_does_not_know_is_pointed_at(repo: Repo, query: str) -> None:
    make_run("one", acc=1)
    with pytest.raises(InvalidInputError) as caught:
        repo.search_runs(query)
    assert caught.value.kind == "bad-query"
    assert query in str(caught.value)


def test_values_at_steps_are_read_from_the_parts(repo: Repo) -> None:
    for name, scale in (("slow", 1), ("fast", 2)):
        with gitruns.start_run(run_name=name):
            for step in range(5):
                gitruns.log_metric("acc", scale * step, step=step)
    assert names(repo, "acc@3 > 4") == ["fast"]
    assert names(repo, "", order_by=["acc@3 DESC"]) == ["fast", "slow"]
    with gitruns.start_run(run_name="live"):
        gitruns.log_metric("acc", 100, step=3)
        assert names(repo, "acc@3 > 50") == ["live"]


def test_a_page_token_survives_new_runs(repo: Repo) -> None:
    for number in range(6):
        make_run(f"run-{number}", acc=number)
    seen, token = [], ""
    while True:
        page = repo.search_runs("acc >= 0", order_by=["acc DESC"], max_results=2, page_token=token)
        seen += [run.info.name for run in page.runs]
        token = page.next_token
        make_run("late", acc=99)  # before all pages that are still to come
        if not token:
            break
    assert seen == [f"run-{number}" for number in reversed(range(6))]


def test_children_read_what_the_parent_would(repo: Repo, monkeypatch: pytest.MonkeyPatch, git_repo: Path, git) -> None:
    for number in range(70):
        make_run(f"run-{number}", acc=number, loss=float("nan"))
    git(git_repo, "update-ref", f"refs/runs/{'b' * 32}", git(git_repo, "rev-parse", "HEAD"))
    expected = [said(run) for run in repo.search_runs().runs]
    monkeypatch.setattr(indexing, "MANY", 1)
    monkeypatch.setattr(bulk_pool, "_CHUNK", 7)
    started = []
    monkeypatch.setattr(indexing, "BulkPool", lambda *args: started.append(bulk_pool.BulkPool(*args)) or started[-1])
    repo.index.rebuild()
    assert started
    assert [said(run) for run in repo.search_runs().runs] == expected
    assert len(expected) == 70
    assert "b" * 32 in {one.run_id for one in repo.index.unreadable()}


def test_the_parent_reads_what_children_fail_to(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(70):
        make_run(f"run-{number}", acc=number)
    expected = [said(run) for run in repo.search_runs().runs]
    monkeypatch.setattr(indexing, "MANY", 1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    repo.index.rebuild()
    assert [said(run) for run in repo.search_runs().runs] == expected
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    repo.index.rebuild()
    assert [said(run) for run in repo.search_runs().runs] == expected


def test_children_take_no_module_from_the_working_directory(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, git_repo: Path
) -> None:
    for number in range(66):
        make_run(f"run-{number}")
    for name in ("json", "marshal", "gitruns", "pygit2", "yaml", "sitecustomize"):
        (git_repo / f"{name}.py").write_text(f"open({str(git_repo / 'taken')!r}, 'w')\nraise SystemExit(1)\n")
    monkeypatch.setattr(indexing, "MANY", 1)
    repo.index.rebuild()
    assert len(repo.search_runs().runs) == 66
    assert not (git_repo / "taken").exists()


def test_a_repository_that_cannot_be_written_is_searched_in_memory(git_repo: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    make_run("one", acc=1)
    folder = git_repo / ".git" / "gitruns"
    (folder / "index.db").unlink(missing_ok=True)
    folder.chmod(0o500)
    try:
        reader = Repo.open(git_repo)
        assert names(reader, "acc = 1") == ["one"]
        assert reader.index.stats().path is None
    finally:
        folder.chmod(0o700)


KILLED = """
import sys
from gitruns.repo import Repo, indexing
indexing.MANY = 1
repo = Repo.open()
open(sys.argv[1], "w").close()
while True:
    repo.index.rebuild()
"""


def kill_storm(repo: Repo, folder: Path, kills: int) -> None:
    expected = [said(run) for run in repo.list_runs()]
    repo.index.close()
    dice = random.Random(7)
    for number in range(kills):
        ready = folder / f"ready-{number}"
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(ready)], start_new_session=True)
        while not ready.exists() and child.poll() is None:
            time.sleep(0.005)
        time.sleep(dice.random() * 0.5)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert [said(run) for run in Repo.open().search_runs().runs] == expected


def test_killed_while_it_is_rebuilt(repo: Repo, tmp_path: Path) -> None:
    for number in range(80):
        make_run(f"run-{number}", acc=number)
    kill_storm(repo, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_two_hundred_times(repo: Repo, tmp_path: Path) -> None:
    for number in range(300):
        make_run(f"run-{number}", acc=number)
    kill_storm(repo, tmp_path, 200)
