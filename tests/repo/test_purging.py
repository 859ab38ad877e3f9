"""Purged runs are gone for everybody who hears of it, and what keeps their bytes is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Git

from gitruns.entities.ids import RunId
from gitruns.entities.run import Lifecycle
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.registry import Registry
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
from gitruns.repo.keeping import held_runs, keep_run, kept_runs, resolve_to_keep, unkeep_run
from gitruns.repo.purging import plan_purge, purge_runs
from gitruns.tracking.client import Client

Log = Callable[..., RunId]


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    return Repo.open(git_repo)


@pytest.fixture
def log(git_repo: Path) -> Log:
    """Logs one finished run and returns its id."""
    client = Client(git_repo)

    def make(name: str = "one", text: str = "", *, end: bool = True) -> RunId:
        run_id = RunId(client.create_run("0", run_name=name).info.run_id)
        client.log_param(run_id, "dataset", name)
        if text:
            client.log_text(run_id, text, "big.txt")
        if end:
            client.set_terminated(run_id)
            Repo.open(git_repo).recover()
        return run_id

    return make


def objects(git: Git, folder: Path) -> set[str]:
    """Returns all objects that any ref reaches."""
    return {line.split()[0] for line in git(folder, "rev-list", "--objects", "--all").splitlines()}


@pytest.mark.parametrize("archived", [False, True])
def test_a_purged_run_is_hidden_at_once(repo: Repo, log: Log, git: Git, git_repo: Path, archived: bool) -> None:
    gone, stays = log("gone"), log("stays")
    if archived:
        archive_runs(repo)
    tip = repo.store.run_tip(gone)
    assert repo.count_runs("") == 2
    assert purge_runs(repo, [gone], reason="customer data") == [gone]
    for one in (repo, Repo.open(git_repo)):
        assert [run.info.id for run in one.list_runs(lifecycle=None)] == [stays]
        assert one.find_run(gone) is None
        assert one.count_runs("", lifecycle=None) == 1
        assert one.index.unreadable() == []
        assert list(one.verify()) == []
        assert one.status().runs == 1
        assert one.is_purged(gone)
        with pytest.raises(NotFoundError, match="purged by Ada Lovelace: customer data") as caught:
            one.get_run(gone)
        assert caught.value.kind == "run-purged"
        with pytest.raises(NotFoundError):
            one.resolve_run("gone")
    tombstone = git(git_repo, "rev-parse", f"refs/runs/{gone}")
    assert git(git_repo, "rev-list", "--count", tombstone) == "1"
    assert git(git_repo, "ls-tree", "--name-only", "-r", tombstone).split() == ["format", "purged.yaml"]
    assert '"reason": "customer data"' in git(git_repo, "show", f"{tombstone}:purged.yaml")
    for segment in repo.store.segments():
        assert gone not in repo.store.read_segment(segment)
    repo.store.holding.release([gone])
    assert tip not in objects(git, git_repo)
    git(git_repo, "gc", "--quiet", "--prune=now")
    git(git_repo, "fsck", "--strict")
    assert Repo.open(git_repo).get_run(stays).params["dataset"] == "stays"


def test_the_index_does_not_ask_again_for_a_purged_run(repo: Repo, log: Log) -> None:
    gone = log("gone")
    log("stays")
    assert repo.count_runs("") == 2
    purge_runs(repo, [gone])
    first, second = repo.index.refresh(), repo.index.refresh()
    assert (first.removed, first.written) == (1, 0)
    assert (second.removed, second.written) == (0, 0)
    assert repo.index.verify() == []


def test_a_plan_changes_nothing_and_says_what_it_takes(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    one = log("one", "x" * 50_000)
    (git_repo / "train.py").write_text("print('changed')\n")
    two, three = log("two"), log("three")
    archive_runs(repo)
    git(git_repo, "branch", "try", str(repo.store.run_tip(one)))
    git(git_repo, "update-ref", f"refs/runs-remotes/origin/{two}", str(repo.store.run_tip(two)))
    before = git(git_repo, "for-each-ref")
    plan = plan_purge(repo, [one, two])
    assert git(git_repo, "for-each-ref") == before
    assert plan.run_ids == [one, two]
    assert (plan.artifacts, plan.artifact_bytes, plan.segments) == (1, 50_000, 1)
    assert plan.shared_sources == {two: [three]}
    assert plan.reachable_from == {"refs/heads/try": [one]}
    assert plan.remotes == {"origin": 1}


def test_mirrors_reflogs_and_checkpoints_go(repo: Repo, log: Log, git: Git, git_repo: Path) -> None:
    gone, stays = log("gone"), log("stays")
    archive_runs(repo)
    (segment,) = repo.store.segments()
    tip = str(repo.store.run_tip(gone))
    git(git_repo, "config", "core.logAllRefUpdates", "always")
    git(git_repo, "update-ref", f"refs/runs/{gone}", tip)
    git(git_repo, "update-ref", f"refs/runs-remotes/origin/archive/{segment}", segment)
    git(git_repo, "update-ref", f"refs/runs-remotes/lab/{gone}", tip)
    git(git_repo, "update-ref", f"refs/runs-remotes/lab/{stays}", str(repo.store.run_tip(stays)))
    git(git_repo, "update-ref", f"refs/runs/live/{gone}", tip)
    assert (git_repo / ".git" / "logs" / "refs" / "runs" / gone).exists()
    purge_runs(repo, [gone])
    left = git(git_repo, "for-each-ref", "--format=%(refname)", "refs/runs-remotes", "refs/runs/live").split()
    assert left == [f"refs/runs-remotes/lab/{stays}"]
    repo.store.holding.release([gone])
    git(git_repo, "gc", "--quiet", "--prune=now")
    with pytest.raises(AssertionError):
        git(git_repo, "cat-file", "-e", tip)


def test_what_is_refused(repo: Repo, log: Log, git_repo: Path) -> None:
    live, kept = log("live", end=False), log("kept")
    with pytest.raises(InvalidInputError) as caught:
        purge_runs(repo, [live])
    assert caught.value.kind == "run-is-live"
    keep_run(repo, kept)
    with pytest.raises(InvalidInputError) as caught:
        purge_runs(repo, [kept])
    assert caught.value.kind == "run-is-kept"
    with pytest.raises(NotFoundError):
        plan_purge(repo, [RunId("f" * 32)])
    assert len(repo.list_runs()) == 2


def test_a_version_of_a_model_stands_in_the_way(repo: Repo, log: Log, git_repo: Path) -> None:
    run_id = log("one", "x" * 50_000)
    registry = Registry(repo)
    registry.create_model("digits")
    registry.create_version("digits", source=f"runs:/{run_id}/big.txt", run_id=run_id)
    with pytest.raises(InvalidInputError, match="digits v1") as caught:
        purge_runs(Repo.open(git_repo), [run_id])
    assert caught.value.kind == "run-has-versions"
    assert caught.value.facts["versions"] == ["digits v1"]
    assert repo.find_run(run_id) is not None


# Bringing back and keeping


def test_a_purged_run_can_be_brought_back_while_it_is_held(repo: Repo, log: Log, git_repo: Path) -> None:
    run_id = log("one")
    purge_runs(repo, [run_id])
    assert [run.info.id for run, _ in held_runs(repo)] == [run_id]
    assert resolve_to_keep(repo, "one") == resolve_to_keep(repo, run_id[:6]) == run_id
    keep_run(repo, run_id)
    for one in (repo, Repo.open(git_repo)):
        assert [run.info.name for run in one.list_runs()] == ["one"]
        assert one.count_runs("") == 1
        assert one.resolve_run("one") == run_id
    assert repo.store.is_tombstone(repo.store.loose_run_tips()[run_id])  # others still learn that it was purged
    with pytest.raises(NotFoundError) as caught, repo.edit(run_id) as edit:
        edit.set_tag("a", "b")
    assert caught.value.kind == "run-purged"
    assert kept_runs(repo) == [run_id]
    assert unkeep_run(repo, run_id)
    assert not unkeep_run(repo, run_id)
    assert repo.list_runs() == []
    assert Repo.open(git_repo).count_runs("") == 0


def test_without_a_hold_it_cannot_be_brought_back(repo: Repo, log: Log) -> None:
    run_id = log("one")
    purge_runs(repo, [run_id], hold=False)
    assert list(held_runs(repo)) == []
    with pytest.raises(NotFoundError) as caught:
        keep_run(repo, run_id)
    assert caught.value.kind == "run-purged"


def test_a_keep_stands_against_the_purge_of_somebody_else(
    repo: Repo, log: Log, git: Git, git_repo: Path, tmp_path: Path
) -> None:
    run_id = log("one")
    git(tmp_path, "clone", "--quiet", str(git_repo), "other")
    other_path = tmp_path / "other"
    git(other_path, "fetch", "--quiet", "origin", "refs/runs/*:refs/runs/*")
    keep_run(repo, run_id)
    other = Repo.open(other_path)
    purge_runs(other, [run_id])
    git(git_repo, "fetch", "--quiet", str(other_path), f"refs/runs/{run_id}:refs/runs-remotes/other/{run_id}")
    tombstone = repo.store.backend.read_ref(f"refs/runs-remotes/other/{run_id}")
    repo.store.set_run_tip(run_id, tombstone, repo.store.run_tip(run_id))
    assert [run.info.name for run in Repo.open(git_repo).list_runs()] == ["one"]
    git(git_repo, "gc", "--quiet", "--prune=now")
    assert Repo.open(git_repo).get_run(run_id).params["dataset"] == "one"


def test_a_tombstone_beats_a_segment_that_still_has_the_run(repo: Repo, log: Log) -> None:
    gone, stays = log("gone"), log("stays")
    tips = repo.store.run_tips()
    archive_runs(repo)
    purge_runs(repo, [gone])
    (old,) = repo.store.write_segments([tips])
    repo.store.add_segments([old])  # as it comes from a clone that has not heard of it
    assert [run.info.id for run in repo.list_runs()] == [stays]
    assert repo.count_runs("") == 1
    report = archive_runs(repo)
    assert old in report.replaced
    assert all(gone not in repo.store.read_segment(one) for one in repo.store.segments())
    assert [run.info.id for run in repo.list_runs()] == [stays]


def test_deleted_runs_can_be_purged(repo: Repo, log: Log) -> None:
    run_id = log("one")
    with repo.edit(run_id) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)
    purge_runs(repo, [run_id])
    assert repo.list_runs(lifecycle=None) == []
