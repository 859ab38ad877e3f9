"""What changed since somebody looked: every run that did, no other, wherever its state has moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import gitruns
from conftest import Git
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from gitruns.repo.changes import Changes, ChangeWatch
from gitruns.tracking import fluent


@pytest.fixture
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(git_repo)
    yield git_repo
    fluent._close_sessions()
    fluent._sessions.clear()


def logged(name: str = "run") -> str:
    with gitruns.start_run(run_name=name) as run:
        gitruns.log_metric("loss", 1.0)
    return run.info.run_id


def of_runs(*run_ids: str) -> Changes:
    return Changes(runs=frozenset(map(RunId, run_ids)))


def test_a_run_is_news_when_it_begins_logs_and_ends(in_repo: Path) -> None:
    watch = ChangeWatch(Repo.open(in_repo))
    assert watch.look() == Changes()
    with gitruns.start_run() as run:
        assert watch.look() == of_runs(run.info.run_id)
        gitruns.log_metric("loss", 1.0)
        assert watch.look() == of_runs(run.info.run_id)
        assert watch.look() == Changes()
    fluent._close_sessions()
    assert watch.look() == of_runs(run.info.run_id)
    assert watch.look() == Changes()


def test_only_what_was_edited_is_news(in_repo: Path) -> None:
    first, second = logged("first"), logged("second")
    repo = Repo.open(in_repo)
    watch = ChangeWatch(repo)
    with repo.edit(RunId(second)) as edit:
        edit.set_tag("a", "b")
    assert watch.look() == of_runs(second)
    with repo.edit(RunId(first)) as edit:
        edit.rename("renamed")
    with repo.edit(RunId(second)) as edit:
        edit.set_tag("a", "c")
    assert watch.look() == of_runs(first, second)


def test_moving_house_is_no_news(in_repo: Path, git: Git) -> None:
    for number in range(3):
        logged(str(number))
    repo = Repo.open(in_repo)
    repo.recover()
    watch = ChangeWatch(repo)
    git(in_repo, "pack-refs", "--all")
    assert watch.look() == Changes()
    assert repo.archive().folded
    assert watch.look() == Changes()


def test_what_is_gone_is_told(in_repo: Path, git: Git) -> None:
    stays, goes = logged("stays"), logged("goes")
    fluent._close_sessions()
    watch = ChangeWatch(Repo.open(in_repo))
    git(in_repo, "update-ref", "-d", f"refs/runs/{goes}")
    assert watch.look() == Changes(gone=frozenset({RunId(goes)}))
    assert stays in Repo.open(in_repo).index.runs([RunId(stays)])[0].run.info.id


def test_experiments_and_models(in_repo: Path) -> None:
    with gitruns.start_run() as run:
        gitruns.log_text("model", "model/a.txt")
    fluent._close_sessions()
    repo = Repo.open(in_repo)
    watch = ChangeWatch(repo)
    repo.create_experiment("new")
    assert watch.look() == Changes(experiments=True)
    gitruns.register_model(f"runs:/{run.info.run_id}/model", "digits")
    assert watch.look().models
    assert watch.look() == Changes()
