"""Clones that are not whole: shallow, partial, with one branch. Runs come and go, and nothing grows that was cut."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conftest import run_git
from gitruns.capture import restore_source
from gitruns.repo.archiving import archive_runs
from sync.conftest import Clone, MakeClone


def make_history(clone: Clone, commits: int = 5) -> None:
    """Gives the code some history with large files, so that bringing it would show."""
    for number in range(commits):
        (clone.folder / "data.bin").write_bytes(bytes([number]) * 200_000)
        clone.commit(f"print({number})\n")
    clone.git("push", "--quiet", "origin", "main")


def cut(clone: Clone) -> tuple[str, set[str]]:
    """What a shallow clone has of the code's history, and where it ends; runs are not the code's."""
    count = clone.git("rev-list", "--count", "HEAD", "--remotes")
    commits = set((clone.folder / ".git" / "shallow").read_text().split())
    return count, commits & set(clone.git("rev-list", "HEAD", "--remotes").split())


def test_a_dirty_run_of_a_depth_1_clone_is_restored_by_a_colleague(
    ada: Clone, clone: MakeClone, tmp_path: Path
) -> None:
    make_history(ada)
    ci = clone("ci", "--depth=1")
    before = cut(ci)
    changed = b"print('tuned')\r\nx = '\xc3\xa4'\n"
    (ci.folder / "train.py").write_bytes(changed)
    (ci.folder / "extra.txt").write_bytes(b"untracked\n")
    run_id = ci.log("ci")
    assert ci.push(snapshots="all", interactive=False).runs == (run_id,)
    assert cut(ci) == before
    assert ada.fetch().new == (run_id,)
    restore_source(ada.repo.store, ada.repo.get_run(run_id).info.source, tmp_path / "restored")
    assert (tmp_path / "restored" / "train.py").read_bytes() == changed
    assert (tmp_path / "restored" / "extra.txt").read_bytes() == b"untracked\n"
    assert (tmp_path / "restored" / "data.bin").read_bytes() == (ada.folder / "data.bin").read_bytes()


def test_runs_come_into_a_shallow_clone_without_their_source(ada: Clone, clone: MakeClone) -> None:
    make_history(ada)
    loose = ada.log("loose")
    ada.push()
    ci = clone("ci", "--depth=1")
    before, size = cut(ci), objects(ci)
    assert ci.fetch().new == (loose,)
    assert cut(ci) == before
    assert objects(ci) - size < 20
    archived = [ada.log(f"archived {number}") for number in range(4)]
    archive_runs(ada.repo)
    ada.push()
    size = objects(ci)
    assert set(ci.fetch().new) == set(archived)
    assert cut(ci) == before
    assert objects(ci) - size < 60
    assert ci.fetch().is_up_to_date
    assert ci.shown() == ada.shown()
    assert run_git(ci.folder, "rev-parse", "--is-shallow-repository") == "true"


def objects(clone: Clone) -> int:
    facts = dict(line.split(": ") for line in clone.git("count-objects", "-v").splitlines())
    return int(facts["count"]) + int(facts["in-pack"])


def test_a_whole_clone_stays_whole(ada: Clone, bob: Clone, clone: MakeClone) -> None:
    ci = clone("ci", "--depth=1")
    run_id = ci.log()
    ci.push(interactive=False)
    bob.fetch()
    bob.tag(run_id, "a", "1")
    bob.push()
    assert not (bob.folder / ".git" / "shallow").exists()
    assert bob.git("rev-parse", "--is-shallow-repository") == "false"


def test_edits_on_both_sides_of_a_cut_are_merged(ada: Clone, clone: MakeClone) -> None:
    """Several commits have come on top of what the shallow clone has: those between are brought, the code is not."""
    make_history(ada)
    run_id = ada.log()
    ada.push()
    ci = clone("ci", "--depth=1")
    ci.fetch()
    before = cut(ci)
    for number in range(4):
        ada.tag(run_id, f"ada-{number}", "1")
    ada.push()
    ci.tag(run_id, "ci", "1")
    pushed = ci.push(interactive=False)
    assert (pushed.runs, pushed.rejections, pushed.refused) == ((run_id,), 1, {})
    assert cut(ci) == before
    ada.fetch()
    assert ada.repo.get_run(run_id).tags == {**{f"ada-{number}": "1" for number in range(4)}, "ci": "1"}
    assert ada.shown() == ci.reopened().shown()


def test_own_runs_are_not_cut_by_a_fetch(ada: Clone, clone: MakeClone) -> None:
    ci = clone("ci", "--depth=1")
    run_id = ci.log()
    ci.push(interactive=False)
    chain = len(ci.repo.store.chain(ci.repo.store.run_tip(run_id)))
    ci.fetch()
    assert ci.git("rev-list", "--count", f"refs/runs/{run_id}") == str(chain + 1)


def test_a_partial_clone_gets_whole_runs(ada: Clone, clone: MakeClone, remote: Path) -> None:
    run_git(remote, "config", "uploadpack.allowFilter", "true")
    run_git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    make_history(ada)
    run_id = ada.log()
    ada.push()
    partial = clone("partial", "--filter=blob:none")
    assert partial.fetch().new == (run_id,)
    assert partial.repo.get_run(run_id).params == ada.repo.get_run(run_id).params
    missing = partial.git("rev-list", "--objects", "--missing=print", "HEAD").count("?")
    assert missing >= 4, "the files of old commits stay away"


def test_what_a_plain_fetch_left_out_of_a_partial_clone_is_brought(ada: Clone, clone: MakeClone, remote: Path) -> None:
    run_git(remote, "config", "uploadpack.allowFilter", "true")
    run_git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    partial = clone("partial", "--filter=blob:none")
    loose = ada.log()
    archived = ada.log("archived")
    archive_runs(ada.repo, [archived])
    ada.push()
    partial.git("fetch", "--quiet", "origin", "+refs/runs/*:refs/runs-remotes/origin/*")
    assert set(partial.reopened().fetch().new) == {loose, archived}
    assert partial.shown() == ada.shown()


def test_a_clone_of_one_branch(ada: Clone, clone: MakeClone) -> None:
    ada.git("checkout", "--quiet", "-b", "topic")
    ada.commit()
    run_id = ada.log()
    ada.git("push", "--quiet", "origin", "topic")
    ada.push()
    single = clone("single", "--single-branch", "--branch=main")
    assert single.fetch().new == (run_id,)
    assert single.git("branch", "--remotes").split() == ["origin/HEAD", "->", "origin/main", "origin/main"]
    other = single.log("other")
    assert single.push().runs == (other,)


def test_the_remote_is_content(ada: Clone, clone: MakeClone, remote: Path) -> None:
    make_history(ada)
    ci = clone("ci", "--depth=1")
    for number in range(3):
        run_id = ci.log(str(number))
    ci.push(interactive=False)
    ada.fetch()
    ada.tag(run_id, "a", "1")
    archive_runs(ada.repo)
    ada.push()
    checked = subprocess.run(["git", "fsck", "--strict", "--no-dangling"], cwd=remote, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    for one in (ada, ci):
        one.fetch()
        one.git("fsck", "--strict", "--no-dangling", "--connectivity-only")


def test_a_partial_clone_gets_whole_records(ada: Clone, clone: MakeClone, remote: Path) -> None:
    run_git(remote, "config", "uploadpack.allowFilter", "true")
    run_git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    partial = clone("partial", "--filter=blob:none")
    for number in range(3):
        ada.repo.records.put("trace", f"t{number}", {"n": number})
        ada.repo.records.seal(force=True)
    ada.push()
    partial.git("fetch", "--quiet", "origin", "+refs/runs/*:refs/runs-remotes/origin/*")
    assert partial.fetch().records == 3
    assert partial.repo.records.count("trace") == 3
    partial.repo.records.put("trace", "t0", {"n": -1})
    assert partial.push().records == 1
