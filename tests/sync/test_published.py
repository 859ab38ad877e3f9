"""What travels and what stays home: nothing becomes public that was not meant to."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import run_git
from gitruns.errors import InvalidInputError
from gitruns.sync import PushReport
from sync.conftest import Clone, MakeClone


def reasons(report: PushReport) -> dict[str, str]:
    return {one.run_id: one.reason for one in report.held}


def on_remote(remote: Path, oid: object) -> bool:
    return run_git(remote, "rev-list", "--all").split().count(str(oid)) > 0


def test_a_run_waits_for_its_commit_and_goes_with_it(ada: Clone, remote: Path) -> None:
    ada.git("checkout", "--quiet", "-b", "secret-idea")
    commit = ada.commit()
    run_id = ada.log()
    held = ada.push()
    assert held.runs == () and reasons(held) == {run_id: "unpublished-commit"}
    assert held.held[0].commit == commit
    assert not on_remote(remote, commit)
    ada.git("push", "--quiet", "origin", "secret-idea")
    assert ada.push().runs == (run_id,)


def test_commits_that_a_push_is_about_to_publish_count(ada: Clone) -> None:
    older = ada.commit("one\n")
    run_id = ada.log()
    newer = ada.commit("two\n")
    assert ada.push().runs == ()
    assert ada.push(publishing=[newer]).runs == (run_id,)
    assert older != newer


def test_with_source_overrides(ada: Clone, remote: Path) -> None:
    commit = ada.commit()
    run_id = ada.log()
    assert ada.push(with_source=True).runs == (run_id,)
    assert on_remote(remote, commit)


def test_a_commit_that_came_with_runs_is_published(ada: Clone) -> None:
    ada.commit()
    ada.log("one")
    ada.push(with_source=True)
    other = ada.log("other")
    assert ada.push().runs == (other,)


def test_after_a_squash_the_runs_of_the_branch_can_go(ada: Clone, bob: Clone) -> None:
    """The branch was on the remote once and is deleted there; what was seen last still counts."""
    ada.git("checkout", "--quiet", "-b", "topic")
    ada.commit()
    run_id = ada.log()
    ada.git("push", "--quiet", "origin", "topic")
    bob.git("push", "--quiet", "origin", ":topic")
    assert ada.push().runs == (run_id,)
    assert bob.fetch().new == (run_id,)


def test_a_snapshot_waits_until_somebody_decides(ada: Clone, remote: Path) -> None:
    (ada.folder / "train.py").write_text("print('changed')\n")
    run_id = ada.log()
    source = ada.repo.get_run(run_id).info.source.commit
    assert reasons(ada.push()) == {run_id: "snapshot-undecided"}
    assert reasons(ada.push(snapshots="never")) == {run_id: "snapshot-never"}
    assert not on_remote(remote, source)
    assert ada.push(snapshots="tracked").runs == (run_id,)
    assert on_remote(remote, source)


def test_untracked_files_go_only_when_all_may(ada: Clone) -> None:
    (ada.folder / "plan.txt").write_text("buy low\n")
    run_id = ada.log()
    assert reasons(ada.push(snapshots="tracked")) == {run_id: "snapshot-untracked"}
    ada.git("config", "runs.publishSnapshots", "all")
    assert ada.reopened().push().runs == (run_id,)


def test_what_is_added_to_the_index_is_tracked(ada: Clone) -> None:
    (ada.folder / "model.py").write_text("layers = 3\n")
    ada.git("add", "model.py")
    run_id = ada.log()
    assert ada.push(snapshots="tracked").runs == (run_id,)


def test_a_snapshot_on_an_unpublished_commit_waits_for_that(ada: Clone) -> None:
    commit = ada.commit()
    (ada.folder / "train.py").write_text("print('changed')\n")
    run_id = ada.log()
    held = ada.push(snapshots="all")
    assert reasons(held) == {run_id: "unpublished-commit"} and held.held[0].commit == commit
    ada.git("push", "--quiet", "origin", "main")
    assert ada.push(snapshots="all").runs == (run_id,)


def test_a_dry_run_lists_each_file_and_changes_nothing(ada: Clone, remote: Path) -> None:
    (ada.folder / "train.py").write_text("print('changed')\n")
    (ada.folder / "plän.txt").write_text("secret\n")
    (ada.folder / "old.txt").write_text("x\n")
    ada.git("add", "old.txt")
    run_id = ada.log()
    before = (run_git(remote, "for-each-ref"), run_git(remote, "count-objects", "-v"), ada.refs())
    report = ada.push(dry_run=True, snapshots="tracked")
    assert report.dry_run and report.runs == () and reasons(report) == {run_id: "snapshot-untracked"}
    assert {(one.path, one.change, one.size_bytes, one.untracked, one.allowed) for one in report.files} == {
        ("train.py", "modified", 17, False, False),
        ("plän.txt", "added", 7, True, False),
        ("old.txt", "added", 2, False, False),
    }
    report = ada.push(dry_run=True, snapshots="all")
    assert report.runs == (run_id,) and all(one.allowed for one in report.files)
    assert before == (run_git(remote, "for-each-ref"), run_git(remote, "count-objects", "-v"), ada.refs())


def test_a_policy_that_is_none_is_refused(ada: Clone) -> None:
    ada.git("config", "runs.publishSnapshots", "sometimes")
    with pytest.raises(InvalidInputError, match="not one of tracked, all, never"):
        ada.reopened().push()


def test_a_repository_only_for_runs_gets_published_code_only(ada: Clone, remote: Path, tmp_path: Path) -> None:
    """Its owner chose it for runs; what is on no remote stays home there too."""
    only_runs = tmp_path / "runs.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(only_runs))
    ada.git("config", "runs.remote", str(only_runs))
    ada = ada.reopened()
    run_id = ada.log()
    ada.commit()
    home = ada.log()
    report = ada.push()
    assert report.runs == (run_id,) and reasons(report) == {home: "unpublished-commit"}
    assert run_git(remote, "for-each-ref", "refs/runs/") == ""
    bob = Clone(tmp_path / "ada")
    assert bob.fetch().is_up_to_date


def test_runs_that_stay_home_do_not_go_with_an_archive(ada: Clone, bob: Clone, remote: Path) -> None:
    from gitruns.repo.archiving import archive_runs

    public = [ada.log(f"public {number}") for number in range(3)]
    commit = ada.commit()
    private = ada.log("private")
    archive_runs(ada.repo)
    assert len(ada.repo.store.segments()) == 1
    report = ada.push()
    assert set(report.runs) == set(public) and reasons(report) == {private: "unpublished-commit"}
    assert not on_remote(remote, commit)
    assert set(bob.fetch().new) == set(public)
    ada.git("push", "--quiet", "origin", "main")
    assert ada.push().runs == (private,)
    assert bob.fetch().new == (private,)
    assert set(run_git(remote, "for-each-ref", "--format=%(refname)", "refs/runs/").split()) == {
        f"refs/runs/archive/{segment}" for segment in ada.repo.store.segments()
    }
    assert bob.shown() == ada.shown()


def test_ci_that_is_at_a_merge_of_a_pull_request(clone: MakeClone, remote: Path) -> None:
    """There HEAD is a commit that no branch of the remote has, under a ref that CI has made itself."""
    ada = clone("dev")
    commit = ada.commit()
    ada.git("push", "--quiet", "origin", "HEAD:refs/pull/5/merge")
    ci = clone("ci")
    ci.git("fetch", "--quiet", "--depth=1", "origin", "+refs/pull/5/merge:refs/remotes/pull/5/merge")
    ci.git("checkout", "--quiet", "--detach", "refs/remotes/pull/5/merge")
    ci = ci.reopened()
    run_id = ci.log()
    assert ci.repo.get_run(run_id).info.source.commit == commit
    assert ci.push(interactive=False).runs == (run_id,)
