"""Records that are no runs, artifacts that are taken away, and an end that another process gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.ids import RunId, new_run_id
from gitruns.entities.run import MODEL_KIND, MODEL_TAGS, RunInfo, RunStatus
from gitruns.entities.status import Lifecycle
from gitruns.errors import InvalidInputError
from gitruns.registry import Registry
from gitruns.repo import Repo, RunLog, now_ms
from gitruns.tracking.client import Client


def start(repo: Repo, name: str, *, kind: str | None = None, parent: RunId | None = None) -> RunLog:
    """Begins a record of a kind."""
    info = RunInfo(
        id=new_run_id(), name=name, writer=repo.writer, start_time_ms=now_ms(), kind=kind, parent_run_id=parent
    )
    return repo.start_run(
        info, environment=None, identity=repo.identity(), tags={}, experiment_name="Default"
    )  # fmt: skip


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    """A repository."""
    return Repo.open(git_repo)


@pytest.fixture
def both(repo: Repo) -> tuple[RunId, RunId]:
    """A run and the model that it logged, both in git."""
    run = start(repo, "trained")
    model = start(repo, "weights", kind=MODEL_KIND, parent=run.run_id)
    model.add_bytes(b"weights", "w.bin")
    model.end(RunStatus.FINISHED)
    run.write_tags({MODEL_TAGS + "output.m-" + model.run_id: "0", "kept": "yes"})
    run.end(RunStatus.FINISHED)
    return run.run_id, model.run_id


def test_a_model_is_found_by_kind_and_in_no_list_of_runs(repo: Repo, both: tuple[RunId, RunId]) -> None:
    run, model = both
    for lifecycle in (Lifecycle.ACTIVE, None):
        assert [one.info.id for one in repo.list_runs(lifecycle=lifecycle)] == [run]
        assert repo.search_run_ids("", lifecycle=lifecycle)[0] == [run]
        assert repo.search_run_ids("", lifecycle=lifecycle, kind=MODEL_KIND)[0] == [model]
    assert [one.info.id for one in repo.list_runs(kind=MODEL_KIND)] == [model]
    found = repo.search_runs("", kind=MODEL_KIND).runs[0]
    assert found.info == repo.get_run(model).info and found.info.kind == MODEL_KIND
    assert repo.resolve_run(model[:10]) == model and repo.resolve_run("latest") == run
    assert not list(repo.verify())


def test_a_deleted_model_is_out_of_sight_and_a_deleted_experiment_does_not_take_it(
    repo: Repo, both: tuple[RunId, RunId]
) -> None:
    run, model = both
    with repo.edit(model) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)
    assert repo.search_run_ids("", kind=MODEL_KIND)[0] == []
    assert repo.search_run_ids("", kind=MODEL_KIND, lifecycle=Lifecycle.DELETED)[0] == [model]
    assert repo.search_run_ids("", lifecycle=Lifecycle.DELETED)[0] == []
    with repo.edit(model) as edit:
        edit.set_lifecycle(Lifecycle.ACTIVE)
    repo.set_experiment_lifecycle(repo.get_run(run).info.experiment_id, Lifecycle.DELETED)
    assert repo.search_run_ids("")[0] == []
    assert repo.search_run_ids("", lifecycle=Lifecycle.DELETED)[0] == [run]
    assert repo.search_run_ids("", kind=MODEL_KIND)[0] == [model]


def test_a_model_is_archived_like_a_run(repo: Repo, both: tuple[RunId, RunId]) -> None:
    repo.close()
    report = repo.archive()
    assert set(report.folded) == set(both)
    assert repo.search_run_ids("", kind=MODEL_KIND)[0] == [both[1]]


def test_reserved_tags_are_stored_and_not_shown(repo: Repo, both: tuple[RunId, RunId], git_repo: Path) -> None:
    stored = repo.get_run(both[0])
    assert len(stored.tags) == 2 and dict(stored.shown_tags) == {"kept": "yes"}
    assert dict(Client(git_repo).get_run(both[0]).data.tags) == {"kept": "yes"}
    assert [key.name for key in repo.known_keys()] == ["kept"]


def test_a_version_of_a_logged_model_is_of_the_run_that_logged_it(repo: Repo, both: tuple[RunId, RunId]) -> None:
    registry = Registry(repo)
    registry.create_model("digits")
    made = registry.create_version("digits", f"models:/m-{both[1]}").version
    assert (made.run_id, made.path) == (both[1], "") and registry.made_by(made) == both[0]
    absent = registry.create_version("digits", f"runs:/{both[0]}/nothing", must_exist=False).version
    assert absent.run_id is None and absent.source == f"runs:/{both[0]}/nothing"


def test_artifacts_are_taken_away_from_an_ended_run_only(repo: Repo, git_repo: Path) -> None:
    log = start(repo, "with files")
    for name in ("a.txt", "b.txt"):
        log.add_bytes(name.encode(), name)
    with pytest.raises(InvalidInputError) as caught, repo.edit(log.run_id) as edit:
        edit.remove_artifacts(["a.txt"])
    assert caught.value.kind == "run-is-live"
    log.end(RunStatus.FINISHED)
    with repo.edit(log.run_id) as edit:
        edit.remove_artifacts(["a.txt"])
    run = repo.get_run(log.run_id)
    assert [one.path for one in run.artifacts] == ["b.txt"] and "artifacts/a.txt" in run.stamps
    assert "a.txt" not in run_git(git_repo, "show", f"runs/{log.run_id}:artifacts.yaml")


def test_who_joined_a_run_says_in_its_journal_that_it_is_over(repo: Repo, git_repo: Path) -> None:
    owner = start(repo, "long")
    other = Repo.open(git_repo).open_log(owner.run_id)
    assert not other.owned_here
    other.set_fields({"status": "FAILED", "end_time_ms": 5000})
    other.detach()
    assert repo.get_run(owner.run_id).info.status is RunStatus.FAILED
    owner.detach()
    sealed = Repo.open(git_repo).get_run(owner.run_id)
    assert sealed.commit is not None and not sealed.live
    assert (sealed.info.status, sealed.info.end_time_ms) == (RunStatus.FAILED, 5000)
