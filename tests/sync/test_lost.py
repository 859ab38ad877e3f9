"""A remote that loses or rewrites refs: nothing here is deleted, it is said, and a command each keeps or takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.errors import GitRunsWarning
from gitruns.repo.archiving import archive_runs
from gitruns.sync import select
from sync.conftest import Clone


def remote_refs(remote: Path) -> set[str]:
    return set(run_git(remote, "for-each-ref", "--format=%(refname)", "refs/runs/").split())


def test_a_lost_run_stays_here_and_is_said_until_somebody_decides(ada: Clone, bob: Clone, remote: Path) -> None:
    run_id, other = ada.log(), ada.log("other")
    ada.push()
    bob.fetch()
    run_git(remote, "update-ref", "-d", f"refs/runs/{run_id}")
    for _ in range(2):
        fetched = bob.fetch()
        assert fetched.lost == (run_id,) and fetched.new == ()
        assert {run.info.id for run in bob.repo.list_runs()} == {run_id, other}
        pushed = bob.push()
        assert pushed.runs == () and [one.reason for one in pushed.held] == ["lost"]
    assert remote_refs(remote) == {f"refs/runs/{other}"}
    assert bob.push(restore=True).runs == (run_id,)
    assert bob.fetch().lost == () and bob.push().held == ()
    assert ada.fetch().lost == ()


def test_a_loss_can_be_taken(ada: Clone, bob: Clone, remote: Path) -> None:
    run_id, other = ada.log(), ada.log("other")
    ada.push()
    bob.fetch()
    tip = bob.repo.store.run_tip(run_id)
    run_git(remote, "update-ref", "-d", f"refs/runs/{run_id}")
    assert bob.fetch(take=True).taken == ((run_id, tip),)
    assert [run.info.id for run in bob.repo.list_runs()] == [other]
    assert bob.fetch().lost == () and bob.push().is_up_to_date


@pytest.mark.parametrize("prune", [False, True])
def test_a_loss_is_noticed_whatever_plain_git_did_to_the_mirror(
    ada: Clone, bob: Clone, remote: Path, prune: bool
) -> None:
    run_id = ada.log()
    ada.push()
    bob.git("config", "--add", "remote.origin.fetch", "+refs/runs/*:refs/runs-remotes/origin/*")
    bob = bob.reopened()
    bob.fetch()
    run_git(remote, "update-ref", "-d", f"refs/runs/{run_id}")
    bob.git("fetch", "--quiet", *(["--prune"] if prune else []))
    assert bob.fetch().lost == (run_id,)
    assert bob.push().held[0].reason == "lost"


def test_an_emptied_remote_is_filled_again(ada: Clone, bob: Clone, remote: Path) -> None:
    runs = {ada.log(str(number), experiment="digits") for number in range(4)}
    ada.push()
    bob.fetch()
    archive_runs(bob.repo)
    shutil.rmtree(remote)
    run_git(remote.parent, "init", "--quiet", "--bare", "-b", "main", str(remote))
    assert set(ada.fetch().lost) == runs and ada.push().runs == ()
    ada.git("push", "--quiet", "origin", "main")
    assert set(ada.push(restore=True).runs) == runs
    assert bob.fetch().lost == ()
    assert bob.shown() == ada.shown()


def test_a_lost_segment_is_noticed(ada: Clone, bob: Clone, remote: Path) -> None:
    runs = {ada.log(str(number)) for number in range(3)}
    archive_runs(ada.repo)
    ada.push()
    bob.fetch()
    (ref,) = remote_refs(remote)
    run_git(remote, "update-ref", "-d", ref)
    assert set(bob.fetch().lost) == runs
    assert bob.push().runs == ()
    assert set(bob.push(restore=True).runs) == runs
    assert remote_refs(remote) == {ref}


def test_runs_that_were_archived_there_are_not_lost(ada: Clone, bob: Clone, remote: Path) -> None:
    runs = {ada.log(str(number)) for number in range(3)}
    ada.push()
    bob.fetch()
    archive_runs(ada.repo)
    pushed = ada.push()
    assert (pushed.segments, pushed.folded, pushed.runs) == (1, 3, ())
    assert len(remote_refs(remote)) == 1
    fetched = bob.fetch()
    assert fetched.lost == () and fetched.segments == 1
    assert bob.push().is_up_to_date and len(remote_refs(remote)) == 1
    assert {run.info.id for run in bob.repo.list_runs()} == runs
    assert bob.shown() == ada.shown()


def test_an_edit_of_an_archived_run_travels_and_is_folded_again(ada: Clone, bob: Clone, remote: Path) -> None:
    run_id, other = ada.log(), ada.log("other")
    archive_runs(ada.repo)
    ada.push()
    bob.fetch()
    bob.tag(run_id, "best", "yes")
    assert bob.push().runs == (run_id,)
    assert ada.fetch().changed == (run_id,)
    assert ada.repo.get_run(run_id).tags["best"] == "yes"
    archive_runs(ada.repo)
    ada.push()
    assert bob.fetch().lost == ()
    assert bob.shown() == ada.shown()
    assert all("/archive/" in ref for ref in remote_refs(remote))
    assert other in {run.info.id for run in bob.repo.list_runs()}


def test_a_rewritten_run_waits(ada: Clone, bob: Clone, remote: Path) -> None:
    """Somebody forced another state onto the ref, perhaps to take something away: a person decides."""
    run_id = ada.log()
    ada.push()
    ada.tag(run_id, "email", "ada@example.org")
    before = ada.repo.store.chain(ada.repo.store.run_tip(run_id))[1].commit
    ada.push()
    bob.fetch()
    run_git(remote, "update-ref", f"refs/runs/{run_id}", before)
    tip = bob.repo.store.run_tip(run_id)
    for _ in range(2):
        fetched = bob.fetch()
        assert fetched.rewritten == (run_id,) and bob.repo.store.run_tip(run_id) == tip
        assert [one.reason for one in bob.push().held] == ["rewritten"]
    assert run_git(remote, "rev-parse", f"refs/runs/{run_id}") == before
    assert bob.fetch(take=True, selection=select([run_id])).taken == ((run_id, tip),)
    assert bob.repo.store.run_tip(run_id) == before
    assert bob.fetch().rewritten == () and bob.push().is_up_to_date
    assert ada.fetch().rewritten == (run_id,)
    assert ada.push(restore=True).runs == (run_id,)
    assert bob.fetch().changed == (run_id,)


def test_without_its_memory_a_clone_loses_nothing(ada: Clone, bob: Clone, remote: Path) -> None:
    run_id = ada.log()
    ada.push()
    bob.fetch()
    for one in (ada, bob):
        shutil.rmtree(one.folder / ".git" / "gitruns" / "sync")
    assert ada.push().runs == () and bob.fetch().is_up_to_date
    (bob.folder / ".git" / "gitruns" / "sync" / "origin.json").write_text("{nonsense")
    assert bob.fetch().is_up_to_date and bob.push().is_up_to_date
    assert [run.info.id for run in bob.repo.list_runs()] == [run_id]


def test_archived_runs_come_back_after_all_history_was_rewritten(ada: Clone, bob: Clone) -> None:
    """As `git filter-repo` does it: each ref at a new commit, those of segments too, which their names do not fit."""
    run_id = ada.log("one")
    ada.repo.archive()
    ada.push()
    before = ada.shown()
    (ref,) = ada.refs("refs/runs/archive/")
    tree = ada.git("rev-parse", f"{ref}^{{tree}}")
    rewritten = ada.git("commit-tree", tree, "-p", f"{ref}^1", "-m", "rewritten")
    ada.git("update-ref", ref, rewritten)
    with pytest.warns(GitRunsWarning, match="git runs fetch brings it back"):
        assert ada.reopened().repo.list_runs() == []
    with pytest.warns(GitRunsWarning):
        problems = list(ada.reopened().repo.verify())
    assert ["at another commit" in problem.message for problem in problems] == [True]
    ada = ada.reopened()
    with pytest.warns(GitRunsWarning):
        assert ada.fetch().new == (run_id,)
    assert ada.reopened().shown() == before
    assert list(ada.reopened().repo.verify()) == []
    bob.fetch()
    assert bob.shown() == before
