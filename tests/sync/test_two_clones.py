"""Two people and a bare remote: what one logs the other has, whatever they do at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.run import Lifecycle
from gitruns.errors import NotFoundError, RemoteError
from gitruns.sync import select
from sync.conftest import Clone, MakeClone


def remote_refs(remote: Path) -> dict[str, str]:
    lines = run_git(remote, "for-each-ref", "--format=%(refname) %(objectname)", "refs/runs/").splitlines()
    return dict(line.split(" ") for line in lines)


def test_a_run_travels(ada: Clone, bob: Clone) -> None:
    run_id = ada.log("first", experiment="digits")
    pushed = ada.push()
    assert (pushed.runs, pushed.experiments, pushed.held) == ((run_id,), 1, ())
    fetched = bob.fetch()
    assert (fetched.new, fetched.experiments) == ((run_id,), 1)
    assert bob.shown() == ada.shown()
    assert bob.refs() == ada.refs()
    assert [one.name for one in bob.repo.list_experiments()] == ["digits", "Default"]


def test_twice_is_once_and_needs_no_network(ada: Clone, bob: Clone, remote: Path) -> None:
    ada.log()
    ada.push()
    bob.fetch()
    before = remote_refs(remote)
    remote.rename(remote.with_name("gone.git"))
    again = ada.push()
    assert again.is_up_to_date and again.held == ()
    remote.with_name("gone.git").rename(remote)
    assert bob.fetch().is_up_to_date
    assert remote_refs(remote) == before


def test_edits_on_both_sides_become_one(ada: Clone, bob: Clone) -> None:
    run_id = ada.log()
    ada.push()
    bob.fetch()
    ada.tag(run_id, "by", "ada")
    bob.tag(run_id, "and", "bob")
    bob.push()
    pushed = ada.push()
    assert pushed.rejections == 1
    assert pushed.fetched is not None and pushed.fetched.changed == (run_id,)
    assert bob.fetch().changed == (run_id,)
    assert bob.repo.get_run(run_id).tags == {"by": "ada", "and": "bob"}
    assert bob.shown() == ada.shown() and bob.refs() == ada.refs()


def test_a_deletion_that_can_be_undone_travels(ada: Clone, bob: Clone) -> None:
    run_id = ada.log()
    ada.push()
    bob.fetch()
    with bob.repo.edit(run_id) as edit:
        edit.set_lifecycle(Lifecycle.DELETED)
    bob.push()
    ada.fetch()
    assert ada.repo.list_runs() == []
    assert ada.repo.get_run(run_id).info.lifecycle is Lifecycle.DELETED


def test_only_what_was_chosen_goes(ada: Clone, bob: Clone) -> None:
    one, other = ada.log("one", experiment="digits"), ada.log("other", experiment="speech")
    pushed = ada.push(selection=select([one]))
    assert (pushed.runs, pushed.experiments) == ((one,), 1)
    assert bob.fetch().new == (one,)
    assert ada.push().runs == (other,)
    third = ada.log("third")
    ada.push()
    assert bob.fetch(selection=select([third])).new == (third,)
    assert bob.fetch().new == (other,)


def test_the_user_owns_what_is_his(ada: Clone, bob: Clone) -> None:
    """HEAD, index, branches, tags, configuration and reflogs are as before; git's own fetch is too."""
    ada.log()

    def state(clone: Clone) -> list[object]:
        git_dir = clone.folder / ".git"
        return [
            {one: clone.refs(one) for one in ("refs/heads/", "refs/tags/", "refs/remotes/")},
            [(git_dir / name).read_bytes() for name in ("HEAD", "config", "index")],
            sorted(str(path) for path in (git_dir / "logs").rglob("*")),
            clone.git("status", "--porcelain"),
            (git_dir / "FETCH_HEAD").exists(),
        ]

    before = [state(ada), state(bob)]
    ada.push()
    bob.fetch()
    assert [state(ada), state(bob)] == before


def test_hooks_of_the_repository_stay_asleep(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    for name in ("pre-push", "reference-transaction", "post-merge"):
        hook = ada.folder / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/woken\nexit 1\n")
        hook.chmod(0o755)
    ada.log()
    ada.push()
    ada.fetch()
    assert not (tmp_path / "woken").exists()


@pytest.mark.parametrize(
    "setting",
    [
        ("fetch.prune", "true"),
        ("remote.origin.mirror", "true"),
        ("push.followTags", "true"),
        ("fetch.writeCommitGraph", "true"),
        ("push.recurseSubmodules", "check"),
        ("remote.origin.push", "refs/heads/*:refs/heads/*"),
        ("transfer.fsckObjects", "true"),
        ("core.logAllRefUpdates", "always"),
        ("remote.origin.tagOpt", "--tags"),
    ],
)
def test_settings_of_git_change_nothing(ada: Clone, bob: Clone, remote: Path, setting: tuple[str, str]) -> None:
    for one in (ada, bob):
        one.git("config", *setting)
    ada, bob = ada.reopened(), bob.reopened()
    ada.git("tag", "v1")
    run_id = ada.log()
    ada.push()
    assert bob.fetch().new == (run_id,)
    assert remote_refs(remote).keys() == {f"refs/runs/{run_id}"}
    assert run_git(remote, "tag") == "" and bob.git("tag") == ""


def test_a_plain_fetch_into_the_mirror_is_taken_in_later(ada: Clone, bob: Clone) -> None:
    """What `git runs init` sets: `git fetch` fills the mirror, and nothing counts before it was looked at."""
    run_id = ada.log()
    ada.push()
    bob.git("config", "--add", "remote.origin.fetch", "+refs/runs/*:refs/runs-remotes/origin/*")
    bob = bob.reopened()
    bob.git("fetch", "--quiet")
    assert bob.repo.list_runs() == []
    assert bob.fetch().new == (run_id,)


def test_no_remote_is_said(git_repo: Path) -> None:
    alone = Clone(git_repo)
    with pytest.raises(NotFoundError, match="no remote to share runs through") as caught:
        alone.push()
    assert caught.value.hint is not None and "git remote add origin" in caught.value.hint
    alone.git("remote", "add", "a", "/x")
    alone.git("remote", "add", "b", "/y")
    with pytest.raises(NotFoundError, match="cannot choose among the remotes a, b") as caught:
        alone.reopened().push()
    assert caught.value.hint is not None and "git config runs.remote a" in caught.value.hint


def test_a_remote_that_is_not_there_is_said(ada: Clone, remote: Path) -> None:
    ada.log()
    remote.rename(remote.with_name("gone.git"))
    with pytest.raises(RemoteError, match="does not appear to be a git repository") as caught:
        ada.push()
    assert caught.value.kind == "remote-not-found" and not caught.value.retryable


def test_a_host_that_takes_no_runs_is_said_with_the_way_out(ada: Clone, remote: Path, tmp_path: Path) -> None:
    run_git(remote, "config", "receive.hideRefs", "refs/runs")
    run_ids = [ada.log(str(number)) for number in range(3)]
    with pytest.raises(RemoteError, match="does not take refs of runs") as caught:
        ada.push()
    assert caught.value.kind == "runs-refused"
    assert caught.value.hint is not None and "git config runs.remote" in caught.value.hint
    other = tmp_path / "only-runs.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(other))
    ada.git("config", "runs.remote", str(other))
    assert set(ada.reopened().push().runs) == set(run_ids)


def test_one_ref_that_is_refused_stops_no_other(ada: Clone, remote: Path) -> None:
    first = ada.log("first")
    ada.push()
    bad, good = ada.log("bad"), ada.log("good")
    hook = remote / "hooks" / "update"
    hook.write_text(f'#!/bin/sh\ncase "$1" in */{bad}) echo no such run here >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    pushed = ada.push()
    assert pushed.refused == {f"refs/runs/{bad}": "hook declined"}
    assert pushed.runs == (good,)
    hook.unlink()
    assert ada.push().runs == (bad,)
    assert set(remote_refs(remote)) == {f"refs/runs/{one}" for one in (first, bad, good)}


def test_credentials_are_never_said(ada: Clone) -> None:
    ada.git("remote", "set-url", "origin", "http://ada:s3cret@127.0.0.1:1/team.git")
    ada.log()
    with pytest.raises(RemoteError) as caught:
        ada.reopened().push(interactive=False)
    assert caught.value.retryable and caught.value.kind == "remote-unreachable"
    assert "s3cret" not in str(caught.value) + str(caught.value.hint) + str(caught.value.facts)


def test_a_remote_with_another_address_begins_anew(ada: Clone, tmp_path: Path) -> None:
    run_id = ada.log()
    ada.push()
    moved = tmp_path / "moved.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(moved))
    ada.git("remote", "set-url", "origin", str(moved))
    assert ada.reopened().push(with_source=True).runs == (run_id,)


def test_three_clones_of_three_settings_agree(clone: MakeClone) -> None:
    """Reftable is git's next default; here a bare-bones clone, one with packed refs, one with a linked work tree."""
    one, two, three = (clone(name) for name in ("one", "two", "three"))
    ids = {each.log(name) for each, name in ((one, "a"), (two, "b"), (three, "c"))}
    two.git("pack-refs", "--all")
    three.git("worktree", "add", "--quiet", "../linked")
    linked = Clone(three.folder.parent / "linked")
    for each in (one, two, linked, one, two, linked):
        each.sync()
    assert {run.info.id for run in one.repo.list_runs()} == ids
    assert one.shown() == two.shown() == three.reopened().shown()
    assert one.refs() == two.refs() == three.refs()
