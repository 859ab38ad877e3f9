"""Which clone writes: one id a clone, a new one in a copy, a new one where the clock was set back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitruns.entities.environment import read_only
from gitruns.entities.ids import RunId
from gitruns.entities.run import Identity, Run, RunInfo, RunStatus
from gitruns.entities.stamp import FAR_AHEAD_MS, Stamp
from gitruns.repo import Repo, now_ms
from gitruns.repo.writer_id import clone_writer_id

ADA = Identity(name="Ada", email="ada@example.org")
RUN = RunId("5" * 32)


def test_a_clone_keeps_its_id(git_repo: Path) -> None:
    writer = Repo.open(git_repo).writer
    assert Repo.open(git_repo).writer == writer
    assert json.loads((git_repo / ".git/gitruns/writer").read_text())["id"] == writer


@pytest.mark.parametrize("command", [["cp", "-r"], ["cp", "-a"], ["cp", "-al"]])
def test_a_copied_clone_takes_a_new_id_and_the_old_stays(git_repo: Path, tmp_path: Path, command: list[str]) -> None:
    writer = Repo.open(git_repo).writer
    subprocess.run([*command, str(git_repo), str(tmp_path / "copy")], check=True)
    copied = Repo.open(tmp_path / "copy").writer
    assert copied != writer
    assert Repo.open(tmp_path / "copy").writer == copied
    assert Repo.open(git_repo).writer == writer


def test_a_copy_that_takes_the_place_of_the_original_takes_a_new_id(git_repo: Path, tmp_path: Path) -> None:
    writer = Repo.open(git_repo).writer
    shutil.copytree(git_repo, tmp_path / "copy")
    git_repo.rename(tmp_path / "moved")
    (tmp_path / "copy").rename(git_repo)
    assert Repo.open(git_repo).writer != writer


def test_a_linked_work_tree_is_the_same_clone(git_repo: Path, git) -> None:
    git(git_repo, "worktree", "add", "--quiet", "../second")
    assert Repo.open(git_repo.parent / "second").writer == Repo.open(git_repo).writer


def test_processes_that_come_first_together_agree(tmp_path: Path) -> None:
    script = "import sys,pathlib; from gitruns.repo.writer_id import clone_writer_id as w; print(w(pathlib.Path('.')))"
    children = [
        subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(6)
    ]
    assert len({child.communicate(timeout=60)[0] for child in children}) == 1


def test_a_file_that_is_no_id_is_replaced(tmp_path: Path) -> None:
    for content in ("", "[]", '{"id": 3}', "{"):
        (tmp_path / "writer").write_text(content)
        assert clone_writer_id(tmp_path) == clone_writer_id(tmp_path)


# Stamps


def seal(repo: Repo, stamps: dict[str, Stamp]) -> None:
    """Puts an ended run with these stamps into the repository."""
    info = RunInfo(
        id=RUN, name="calm-bee", writer=repo.writer, status=RunStatus.FINISHED, start_time_ms=5, end_time_ms=9
    )
    run = Run(info=info, tags=read_only({"old": "x"}), stamps=read_only(stamps))
    commit = repo.store.seal_run(Run(info=replace(info, status=RunStatus.RUNNING)), run, parent=None, identity=ADA)
    repo.store.set_run_tip(RUN, commit, None)


def test_an_edit_is_stamped_after_all_that_stands_there(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    seen = Stamp(now_ms() + 60_000, 7, repo.writer)
    seal(repo, {"tags/old": seen})
    with repo.edit(RUN) as edit:
        edit.set_tag("new", "y")
        edit.rename("bold-otter")
    run = repo.get_run(RUN)
    assert run.stamps["tags/new"] == run.stamps["run/name"] == Stamp(seen.time_ms, 8, repo.writer)
    assert run.stamps["tags/old"] == seen


def test_what_a_resume_says_is_later_than_what_stood_there(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    seen = Stamp(now_ms() + 60_000, 0, "f" * 16)  # type: ignore[arg-type]
    seal(repo, {"tags/old": seen, "run/status": seen})
    log = repo.open_log(RUN)
    log.set_tags({"old": "y"})
    log.end(RunStatus.FAILED, error="boom")
    run = repo.get_run(RUN)
    assert (run.tags["old"], run.info.status, run.info.error) == ("y", RunStatus.FAILED, "boom")
    assert run.stamps["tags/old"] == run.stamps["run/status"] == Stamp(seen.time_ms, 1, repo.writer)
    assert run.stamps["run/writer"] == run.stamps["run/status"]
    tip = repo.store.run_tip(RUN)
    repo.seal(RUN)
    repo.close()
    assert Repo.open(git_repo).store.run_tip(RUN) == tip


def test_an_edit_made_since_with_a_greater_stamp_stays(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    seal(repo, {})
    tip = repo.store.run_tip(RUN)
    assert tip is not None
    log = repo.open_log(RUN)
    log.set_tags({"old": "mine"})
    later = Stamp(now_ms() + 60_000, 0, "f" * 16)  # type: ignore[arg-type]
    edited = replace(repo.store.read_run(tip), tags=read_only({"old": "theirs"}), stamps=read_only({"tags/old": later}))
    commit = repo.store.write_run_commit(edited, parents=[tip], identity=ADA, time_ms=9, subject="run calm-bee: edit")
    repo.store.set_run_tip(RUN, commit, tip)
    log.end(RunStatus.FINISHED)
    run = repo.get_run(RUN)
    assert (run.tags["old"], run.stamps["tags/old"]) == ("theirs", later)
    assert run.info.status is RunStatus.FINISHED and "run/status" in run.stamps


def test_a_clone_whose_clock_was_set_back_begins_anew_with_a_new_id(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    old = repo.writer
    ahead = Stamp(now_ms() + FAR_AHEAD_MS + 3_600_000, 0, old)
    seal(repo, {"tags/old": ahead})
    before = now_ms()
    with repo.edit(RUN) as edit:
        edit.set_tag("new", "y")
    stamp = repo.get_run(RUN).stamps["tags/new"]
    assert before <= stamp.time_ms <= now_ms()
    assert stamp.writer == Repo.open(git_repo).writer != old
    with repo.edit(RUN) as edit:  # this process still holds the old id
        edit.set_tag("newer", "z")
    assert repo.get_run(RUN).stamps["tags/newer"].writer == stamp.writer
    with repo.edit(RUN) as edit:
        edit.delete_tag("old")
    assert repo.get_run(RUN).stamps["tags/old"] > ahead


def test_another_clones_clock_does_not_cost_us_our_id(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    seal(repo, {"tags/old": Stamp(now_ms() + 2 * FAR_AHEAD_MS, 0, "f" * 16)})  # type: ignore[arg-type]
    with repo.edit(RUN) as edit:
        edit.set_tag("new", "y")
    assert repo.get_run(RUN).stamps["tags/new"].writer == repo.writer == Repo.open(git_repo).writer


def test_experiments_are_stamped_the_same_way(git_repo: Path) -> None:
    repo = Repo.open(git_repo)
    experiment_id = repo.create_experiment("digits", {})
    repo.set_experiment_tag(experiment_id, "a", "1")
    first = repo.get_experiment(experiment_id).stamps["tags/a"]
    repo.rename_experiment(experiment_id, "digits-2")
    assert repo.get_experiment(experiment_id).stamps["experiment/name"] > first
    assert first.writer == repo.writer


def test_a_read_only_place_still_has_an_id(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can write everywhere")
    tmp_path.chmod(0o500)
    try:
        assert clone_writer_id(tmp_path)
    finally:
        tmp_path.chmod(0o700)
