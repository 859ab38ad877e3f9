"""Checkpoints: others see a running run, training does not feel it, and nothing of it is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.cli.app import App
from gitruns.cli.main import load_command, main
from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.errors import GitRunsWarning, InvalidInputError
from gitruns.repo import RunLog
from gitruns.repo.elsewhere import FRESH_S
from gitruns.repo.repo import Repo
from gitruns.sync import fetch
from gitruns.sync.checkpoints import Checkpointer, interval_of, tidy
from gitruns.sync.watching import fetch_checkpoints
from gitruns.tracking.session import Session
from hooks.conftest import PROGRAM, Clone


def _live_refs(remote: Path) -> list[str]:
    return run_git(remote, "for-each-ref", "--format=%(refname)", "refs/runs/live/").splitlines()


def _until(found: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def log(clone: Clone) -> Iterator[RunLog]:
    """A run that goes on, in the clone."""
    begun = Session.open(clone.folder).start(run_name="far")
    begun.log_metric("loss", 0.5, 1)
    yield begun
    begun.end(RunStatus.FINISHED)


@pytest.fixture
def other(clone: Clone, tmp_path: Path) -> Path:
    """Somebody else's clone."""
    run_git(tmp_path, "clone", "--quiet", f"file://{clone.remote}", "other")
    return tmp_path / "other"


def _push(clone: Clone, run_id: RunId) -> Checkpointer:
    repo = Repo.open(clone.folder)
    checkpointer = Checkpointer(repo, run_id, os.environ)
    live = repo.live(run_id)
    assert live is not None
    checkpointer.push(live.run)
    return checkpointer


def test_others_see_how_it_stands(clone: Clone, log: RunLog, other: Path) -> None:
    checkpointer = _push(clone, log.run_id)
    repo = Repo.open(other)
    assert repo.list_runs() == []
    fetch_checkpoints(repo)
    (seen,) = repo.list_runs()
    assert (seen.info.id, seen.live, seen.metrics["loss"].last) == (log.run_id, True, 0.5)
    assert repo.resolve_run("far") == repo.resolve_run(log.run_id[:6]) == log.run_id
    log.log_metric("loss", 0.25, 2)
    live = Repo.open(clone.folder).live(log.run_id)
    assert live is not None
    checkpointer.push(live.run)
    fetch_checkpoints(repo)
    assert repo.get_run(log.run_id).metrics["loss"].last == 0.25
    checkpointer.delete()
    assert _live_refs(clone.remote) == []
    fetch_checkpoints(repo)
    assert repo.list_runs() == []
    assert run_git(other, "for-each-ref", "refs/runs-remotes/") == ""


def test_a_fetch_of_runs_brings_them_and_takes_them_away(clone: Clone, log: RunLog, other: Path) -> None:
    checkpointer = _push(clone, log.run_id)
    repo = Repo.open(other)
    assert fetch(repo).is_up_to_date  # nothing that stays
    assert [run.info.id for run in repo.list_runs()] == [log.run_id]
    checkpointer.delete()
    fetch(repo)
    assert repo.list_runs() == []


def test_it_is_one_commit_without_parent(clone: Clone, log: RunLog) -> None:
    _push(clone, log.run_id).push(Repo.open(clone.folder).get_run(log.run_id))
    assert run_git(clone.remote, "rev-list", "--count", f"refs/runs/live/{log.run_id}") == "1"
    assert '"status": "RUNNING"' in run_git(clone.remote, "show", f"refs/runs/live/{log.run_id}:run.yaml")


def test_nothing_comes_into_the_clone_itself(clone: Clone, log: RunLog) -> None:
    clone.git("config", "--add", "remote.origin.fetch", "+refs/runs/*:refs/runs-remotes/origin/*")
    before = (clone.git("for-each-ref"), clone.git("count-objects", "-v"), (clone.folder / ".git/config").read_bytes())
    checkpointer = _push(clone, log.run_id)
    for value in range(5):
        log.log_metric("loss", value, value)
        live = Repo.open(clone.folder).live(log.run_id)
        assert live is not None
        checkpointer.push(live.run)
    after = (clone.git("for-each-ref"), clone.git("count-objects", "-v"), (clone.folder / ".git/config").read_bytes())
    assert before == after
    assert clone.git("fsck", "--strict") == ""
    checkpointer.delete()
    assert not (clone.folder / ".git" / "gitruns" / "checkpoints" / log.run_id).exists()


def test_a_relative_address_and_a_linked_work_tree(clone: Clone, tmp_path: Path) -> None:
    clone.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    clone.git("remote", "set-url", "origin", "../remote.git")
    log = Session.open(tmp_path / "linked").start()
    _push(Clone(tmp_path / "linked", clone.remote), log.run_id)
    assert len(_live_refs(clone.remote)) == 1
    log.end(RunStatus.FINISHED)


def test_a_lost_answer_is_no_reason_to_stop(clone: Clone, log: RunLog) -> None:
    """The remote has another value than we think: what we pushed last, and were not told of."""
    checkpointer = _push(clone, log.run_id)
    run_git(clone.remote, "update-ref", f"refs/runs/live/{log.run_id}", clone.git("rev-parse", "HEAD"))
    log.log_metric("loss", 0.1, 2)
    live = Repo.open(clone.folder).live(log.run_id)
    assert live is not None
    checkpointer.push(live.run)
    assert '"name": "far"' in run_git(clone.remote, "show", f"refs/runs/live/{log.run_id}:run.yaml")


def test_commands_show_it_and_do_not_change_it(
    clone: Clone, log: RunLog, other: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(other)
    checkpointer = _push(clone, log.run_id)
    fetch_checkpoints(Repo.open(other))
    for words in (["list"], ["show", "far"], ["list", "loss < 1"]):
        assert main(words, App(os.environ)) == 0
        assert log.run_id in capsys.readouterr().out
    assert main(["tag", "far", "best=yes"], App(os.environ)) == 2
    assert "cannot change run 'far': it is running on " in capsys.readouterr().err
    assert main(["status"], App(os.environ)) == 0
    assert main(["verify"], App(os.environ)) == 0
    capsys.readouterr()
    checkpointer.delete()
    fetch_checkpoints(Repo.open(other))
    assert main(["list"], App(os.environ)) == 0
    assert capsys.readouterr().out == ""


# What comes from others


@pytest.mark.parametrize("fault", ["another run", "a parent", "ended", "a link", "old"])
def test_what_is_no_checkpoint_is_not_shown(clone: Clone, log: RunLog, other: Path, fault: str) -> None:
    _push(clone, log.run_id)
    repo = Repo.open(other)
    fetch_checkpoints(repo)
    good = run_git(other, "rev-parse", f"refs/runs-remotes/origin/live/{log.run_id}")
    tree = run_git(other, "rev-parse", good + "^{tree}")
    run_id: str = log.run_id
    commit = good
    environ = {}
    if fault == "another run":
        run_id = "ab" * 16
    elif fault == "a parent":
        commit = run_git(other, "commit-tree", tree, "-p", good, "-m", "x")
    elif fault == "ended":
        text = run_git(other, "show", good + ":run.yaml").replace("RUNNING", "FINISHED")
        blob = run_git(other, "hash-object", "-w", "--stdin", stdin=text + "\n")
        listed = run_git(other, "ls-tree", tree).splitlines()
        changed = [f"100644 blob {blob}\trun.yaml" if line.endswith("\trun.yaml") else line for line in listed]
        commit = run_git(other, "commit-tree", run_git(other, "mktree", stdin="\n".join(changed) + "\n"), "-m", "x")
    elif fault == "a link":
        listed = [line.replace("100644", "120000") for line in run_git(other, "ls-tree", tree).splitlines()]
        commit = run_git(other, "commit-tree", run_git(other, "mktree", stdin="\n".join(listed) + "\n"), "-m", "x")
    else:
        environ = {"GIT_COMMITTER_DATE": f"{int(time.time() - FRESH_S - 60)} +0000"}
        done = subprocess.run(
            ["git", "commit-tree", tree, "-m", "x"],
            cwd=other,
            env={**os.environ, **environ, "GIT_AUTHOR_DATE": environ["GIT_COMMITTER_DATE"]},
            capture_output=True,
            text=True,
            check=True,
        )
        commit = done.stdout.strip()
    run_git(other, "update-ref", "-d", f"refs/runs-remotes/origin/live/{log.run_id}")
    run_git(other, "update-ref", f"refs/runs-remotes/origin/live/{run_id}", commit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Repo.open(other).list_runs() == []


def test_a_run_that_came_whole_goes_before_its_checkpoint(clone: Clone, other: Path) -> None:
    log = Session.open(clone.folder).start(run_name="far")
    _push(clone, log.run_id)
    repo = Repo.open(other)
    fetch_checkpoints(repo)
    log.end(RunStatus.FINISHED)
    run_git(other, "fetch", "--quiet", str(clone.folder), f"refs/runs/{log.run_id}:refs/runs/{log.run_id}")
    (seen,) = repo.list_runs()
    assert (seen.info.status, seen.live) == (RunStatus.FINISHED, False)


# The process beside the run


def _train(
    clone: Clone, *options: str, steps: int = 30, environ: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    script = (
        "import gitruns, time, sys\n"
        "with gitruns.start_run():\n"
        f"    for step in range({steps}):\n"
        "        gitruns.log_metric('loss', 1 / (step + 1), step=step); time.sleep(0.1)\n"
    )
    words = (
        [str(PROGRAM), "exec", *options, "--", sys.executable, "-c", script]
        if options
        else [sys.executable, "-c", script]
    )
    return subprocess.Popen(
        words, cwd=clone.folder, env={**os.environ, **(environ or {})}, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("way", ["exec", pytest.param("environment", marks=pytest.mark.slow)])
def test_it_comes_with_the_run_and_goes_with_it(clone: Clone, way: str) -> None:
    options = ("--live=1",) if way == "exec" else ()
    environ = {} if way == "exec" else {"GITRUNS_LIVE": "1"}
    with _train(clone, *options, environ=environ) as training:
        _until(lambda: _live_refs(clone.remote))
        training.communicate()
    assert training.returncode == 0
    _until(lambda: not _live_refs(clone.remote))
    folder = clone.folder / ".git" / "gitruns" / "checkpoints"
    _until(lambda: not folder.exists() or list(folder.iterdir()) == [])
    (run,) = Repo.open(clone.folder).list_runs()
    assert (run.info.status, run.metrics["loss"].count) == (RunStatus.FINISHED, 30)


def test_a_run_that_goes_on_is_seen_again(clone: Clone) -> None:
    run = clone.run()
    session = Session.open(clone.folder)
    joined_by = session.resume(run, live=1)
    try:
        _until(lambda: _live_refs(clone.remote) == [f"refs/runs/live/{run}"])
        assert '"loss"' in run_git(clone.remote, "show", f"refs/runs/live/{run}:metrics.yaml")  # logged before
    finally:
        joined_by.end(RunStatus.FINISHED)
    _until(lambda: not _live_refs(clone.remote))


def test_a_killed_run_is_taken_off_too(clone: Clone) -> None:
    with _train(clone, environ={"GITRUNS_LIVE": "1"}, steps=1000) as training:
        _until(lambda: _live_refs(clone.remote))
        training.kill()
        training.communicate()
    _until(lambda: not _live_refs(clone.remote))
    (run,) = Repo.open(clone.folder).list_runs()
    assert run.info.status is RunStatus.KILLED


def test_what_goes_wrong_is_said_once_and_training_goes_on(clone: Clone) -> None:
    shutil.rmtree(clone.remote)
    with _train(clone, "--live=1", steps=35) as training:
        _, said = training.communicate()
    assert training.returncode == 0
    assert said.count("cannot push a checkpoint of this run") == 1
    assert "finished after" in said


def test_training_ends_without_waiting_for_a_remote_that_hangs(clone: Clone, tmp_path: Path) -> None:
    hangs = tmp_path / "ssh"
    hangs.write_text("#!/bin/sh\nexec sleep 8\n")
    hangs.chmod(0o755)
    clone.git("remote", "set-url", "origin", "ssh://example.invalid/x.git")
    started = time.monotonic()
    environ = {"GIT_SSH_COMMAND": str(hangs), "GIT_SSH_VARIANT": "simple"}
    with _train(clone, "--live=1", steps=5, environ=environ) as training:
        training.communicate()  # stderr is at its end: nobody holds it open
    assert time.monotonic() - started < 7


def test_what_a_killed_process_left_is_tidied_by_the_next(clone: Clone) -> None:
    log = Session.open(clone.folder).start()
    _push(clone, log.run_id)
    log.end(RunStatus.FINISHED)
    repo = Repo.open(clone.folder)
    going = Session.open(clone.folder).start()
    _push(clone, going.run_id)
    assert len(_live_refs(clone.remote)) == 2
    tidy(repo, os.environ)
    assert _live_refs(clone.remote) == [f"refs/runs/live/{going.run_id}"]
    assert [path.name for path in (repo.folder / "checkpoints").iterdir()] == [going.run_id]
    going.end(RunStatus.FINISHED)
    (repo.folder / "checkpoints" / going.run_id / "pushed.json").write_text("{")
    tidy(repo, os.environ)  # no record that makes sense: it stays, and is no trouble


def test_a_node_that_only_keeps_journals_says_so(tmp_path: Path) -> None:
    with pytest.warns(GitRunsWarning, match="only keeps journals"):
        session = Session.open(environ={**os.environ, "GITRUNS_JOURNAL": str(tmp_path / "j"), "GITRUNS_LIVE": "5"})
        session.start().end(RunStatus.FINISHED)


# Settings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("on", 30.0),
        ("True", 30.0),
        ("1", 1.0),
        ("2.5", 2.5),
        ("600", 600.0),
        ("off", None),
        ("0", None),
        ("False", None),
    ],
)
def test_intervals(text: str, seconds: float | None) -> None:
    assert interval_of(text) == seconds


@pytest.mark.parametrize("text", ["0.5", "601", "often", "nan", "-1", "1e9"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(InvalidInputError):
        interval_of(text)


@pytest.mark.parametrize(
    ("words", "live", "rest"),
    [
        (["--live", "python", "x.py"], "on", ("python", "x.py")),
        (["--live", "--", "python"], "on", ("python",)),
        (["--live=5", "python"], "5", ("python",)),
        (["-m", "--live", "python"], None, ("python",)),
        (["-q", "--live", "-m", "text", "python", "--live"], "on", ("python", "--live")),
        (["--", "--live"], None, ("--live",)),
    ],
)
def test_live_may_stand_alone(words: list[str], live: str | None, rest: tuple[str, ...]) -> None:
    command = load_command("exec")
    assert command is not None
    with command.make_context("exec", words, resilient_parsing=True) as context:
        assert (context.params["live"], context.params["words"]) == (live, rest)
