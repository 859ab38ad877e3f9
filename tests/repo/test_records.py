"""Records of one repository: put, got, selected, sealed; alone, in many threads and processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import run_git
from gitruns.entities.ids import Digest, ObjectId
from gitruns.entities.record import DELETED, Change
from gitruns.entities.stamp import Stamp
from gitruns.errors import GitRunsError, InvalidInputError, LockedError, NotFoundError
from gitruns.gitstore import lockfile
from gitruns.repo import Repo
from gitruns.repo.garbage import collect_garbage
from gitruns.repo.records import Record, Records


@pytest.fixture
def repo(git_repo: Path) -> Repo:
    return Repo.open(git_repo)


def reopened(repo: Repo) -> Records:
    """The records as another process sees them."""
    assert repo.store.paths.work_tree is not None
    return Repo.open(repo.store.paths.work_tree).records


def ids(records: Records, kind: str = "trace", **how: Any) -> list[str]:
    return [one.id for one in records.select(kind, **how)]


def records_ref(repo: Repo) -> str:
    return f"refs/runs/records/{repo.writer}"


def pieces(repo: Repo) -> list[str]:
    assert repo.store.paths.work_tree is not None
    listed = run_git(repo.store.paths.work_tree, "ls-tree", "-r", "--name-only", records_ref(repo)).splitlines()
    return [path for path in listed if path != "format"]


def journals(repo: Repo) -> list[Path]:
    return sorted((repo.folder / "records" / "open").glob("*.log"))


def test_put_and_get(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"state": "OK", "tags/a": "x", "time_ms": 5})
    repo.records.put("trace", "tr-1", {"state": "ERROR", "tags/a": None})
    assert repo.records.get("trace", "tr-1") == Record("trace", "tr-1", {"state": "ERROR", "time_ms": 5})
    assert repo.records.get("trace", "tr-2") is None
    assert repo.records.get("assessment", "tr-1") is None


def test_another_process_sees_it_at_once(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"state": "OK"})
    other = reopened(repo)
    assert other.get("trace", "tr-1") is not None
    repo.records.put("trace", "tr-1", {"state": "ERROR"})
    found = other.get("trace", "tr-1")
    assert found is not None and found.fields["state"] == "ERROR"


def test_deleted_ones_are_hidden_and_come_back(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"state": "OK"})
    repo.records.put("trace", "tr-1", {DELETED: True})
    assert repo.records.get("trace", "tr-1") is None and ids(repo.records) == []
    assert repo.records.get("trace", "tr-1", deleted=True) is not None and ids(repo.records, deleted=True) == ["tr-1"]
    repo.records.put("trace", "tr-1", {DELETED: None})
    assert ids(repo.records) == ["tr-1"]


def test_select_is_newest_first_then_by_id(repo: Repo) -> None:
    for name, time_ms in (("b", 2), ("a", 2), ("c", 9), ("d", 1), ("e", None)):
        repo.records.put("trace", name, {"time_ms": time_ms, "x": 1})
    assert ids(repo.records) == ["c", "a", "b", "d", "e"]
    assert ids(repo.records, since_ms=2) == ["c", "a", "b"]
    assert ids(repo.records, since_ms=2, until_ms=9) == ["a", "b"]
    assert ids(repo.records, limit=2) == ["c", "a"]


def test_select_by_fields_indexed_and_not(repo: Repo) -> None:
    for number in range(300):
        fields = {"experiment_id": str(number % 3), "time_ms": number, "state": "OK" if number % 2 else "ERROR", "n": 1}
        repo.records.put("trace", f"tr-{number:03}", fields)
    expected = [f"tr-{number:03}" for number in reversed(range(300)) if number % 3 == 1]
    assert ids(repo.records, where={"experiment_id": "1"}) == expected
    both = [f"tr-{number:03}" for number in reversed(range(300)) if number % 3 == 1 and number % 2]
    assert ids(repo.records, where={"experiment_id": "1", "state": "OK"}) == both
    assert repo.records.count("trace", {"experiment_id": "1", "state": "OK"}) == len(both)
    assert repo.records.count("trace") == 300 and repo.records.kinds() == {"trace": 300}
    assert ids(repo.records, where={"n": True}) == [] and len(ids(repo.records, where={"n": 1})) == 300
    long = "x" * 1000
    repo.records.put("trace", "long", {"experiment_id": long, "name": "n"})
    assert ids(repo.records, where={"experiment_id": long}) == ["long"]
    repo.records.put("trace", "long", {"experiment_id": "1", "time_ms": 1000})
    assert ids(repo.records, where={"experiment_id": "1"})[0] == "long"
    assert ids(repo.records, where={"experiment_id": long}) == []


def test_the_callers_mistakes_are_named_and_nothing_is_stored(repo: Repo) -> None:
    for wrong in ({"a": float("nan")}, {"purged": True}, {"": 1}, {"a": "x" * 70_000}, {"a": object()}):
        with pytest.raises(InvalidInputError):
            repo.records.put_many([("trace", "tr-1", {"a": 1}), ("trace", "tr-2", wrong)])
    with pytest.raises(InvalidInputError):
        repo.records.put("Trace!", "tr-1", {})
    assert ids(repo.records) == [] and reopened(repo).kinds() == {}


def test_sealing_makes_one_ref_that_only_grows(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"state": "OK"})
    assert repo.records.seal() == 0, "one is not worth a commit"
    assert repo.records.seal(force=True) == 1
    first = run_git(git_repo, "rev-parse", records_ref(repo))
    assert repo.records.seal(force=True) == 0
    repo.records.put("trace", "tr-2", {"state": "OK"})
    repo.records.put("trace", "tr-1", {"state": "ERROR"})
    assert repo.records.seal(force=True) == 2
    run_git(git_repo, "merge-base", "--is-ancestor", first, records_ref(repo))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert pieces(repo) == [f"{day}/1.jsonl", f"{day}/2.jsonl"]
    run_git(git_repo, "fsck", "--strict")
    refs = run_git(git_repo, "for-each-ref", "--format=%(refname)", "refs/runs/").splitlines()
    assert refs == [records_ref(repo)]
    for seen in (repo.records, reopened(repo)):
        found = seen.get("trace", "tr-1")
        assert found is not None and found.fields == {"state": "ERROR"}


def test_git_show_reads_it(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"state": "OK", "name": "ünï"})
    repo.records.seal(force=True)
    (path,) = pieces(repo)
    line = json.loads(run_git(git_repo, "show", f"{records_ref(repo)}:{path}"))
    assert line["kind"] == "trace" and line["id"] == "tr-1" and line["set"] == {"state": "OK", "name": "ünï"}
    assert line["at"][2] == repo.writer
    assert run_git(git_repo, "show", f"{records_ref(repo)}:format") == "gitruns 1"


def test_the_index_can_be_deleted(repo: Repo) -> None:
    for number in range(50):
        repo.records.put("trace", f"tr-{number}", {"n": number})
    repo.records.seal(force=True)
    repo.records.put("trace", "tr-0", {"n": -1})
    before = list(repo.records.select("trace"))
    repo.records.close()
    for path in repo.folder.glob("records.db*"):
        path.unlink()
    assert list(reopened(repo).select("trace")) == before and len(before) == 50


def test_a_damaged_index_is_replaced(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.get("trace", "tr-1")
    repo.records.close()
    (repo.folder / "records.db").write_bytes(b"no database at all" * 1000)
    assert ids(reopened(repo)) == ["tr-1"]


def test_a_ref_that_was_taken_away_takes_its_records(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    assert ids(repo.records) == ["tr-1"]
    other = Repo.open(git_repo)
    run_git(git_repo, "update-ref", "-d", records_ref(repo))
    for path in journals(repo):
        path.unlink()
    assert ids(other.records) == []


def test_journals_go_once_their_writer_is_done_and_all_is_sealed(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    assert len(journals(repo)) == 1, "it is still open"
    repo.records._journal.rotate()
    repo.records.put("trace", "tr-2", {"n": 1})
    repo.records.seal(force=True)
    assert len(journals(repo)) == 1
    repo.records._journal.rotate()
    repo.records.recover()
    assert journals(repo) == []
    assert sorted(ids(repo.records)) == ["tr-1", "tr-2"]


def test_much_is_sealed_by_itself(repo: Repo) -> None:
    for number in range(120):
        repo.records.put("trace", f"tr-{number}", {"text": "x" * 20_000})
    assert len(pieces(repo)) >= 2
    assert all(path.stat().st_size < 2_000_000 for path in journals(repo))
    assert len(ids(repo.records)) == len(ids(reopened(repo))) == 120


def test_many_short_processes_make_few_pieces(repo: Repo) -> None:
    for number in range(40):
        repo.records.put("trace", f"tr-{number}", {"n": number})
        repo.records._journal.rotate()
        repo.records.recover()
    assert len(pieces(repo)) == 1 and len(journals(repo)) <= 32
    assert len(ids(reopened(repo))) == 40


def test_no_change_waits_for_longer_than_an_hour(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = time.time_ns() - 2 * 3600 * 1_000_000_000
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: earlier)
        repo.records.put("trace", "tr-1", {"n": 1})
        repo.records.recover()
        assert repo.store.records.tips() == {}
    repo.records.put("trace", "tr-2", {"n": 1})
    repo.records.recover()
    assert len(pieces(repo)) >= 1 and repo.records.unsealed() == 0


def test_a_lost_commit_is_sealed_again(repo: Repo, git_repo: Path) -> None:
    """As after a loss of power that took the ref, before the journals went."""
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    first = run_git(git_repo, "rev-parse", records_ref(repo))
    repo.records.put("trace", "tr-2", {"n": 1})
    repo.records.seal(force=True)
    run_git(git_repo, "update-ref", records_ref(repo), first)
    assert repo.records.seal(force=True) == 1, "what the commit before has is not sealed once more"
    run_git(git_repo, "update-ref", "-d", records_ref(repo))
    repo.records.seal(force=True)
    assert sorted(ids(reopened(repo))) == ["tr-1", "tr-2"]


def test_the_same_changes_make_the_same_commit(repo: Repo, git_repo: Path) -> None:
    repo.records.put_many([("trace", f"tr-{number}", {"n": number}) for number in range(10)])
    repo.records.seal(force=True)
    first = run_git(git_repo, "rev-parse", records_ref(repo))
    run_git(git_repo, "update-ref", "-d", records_ref(repo))
    repo.records.seal(force=True)
    assert run_git(git_repo, "rev-parse", records_ref(repo)) == first


def test_a_copied_clone_writes_its_own_ref(repo: Repo, git_repo: Path, tmp_path: Path) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    shutil.copytree(git_repo, tmp_path / "copy")
    copy = Repo.open(tmp_path / "copy")
    copy.records.put("trace", "tr-2", {"n": 1})
    copy.records.seal(force=True)
    repo.records.seal(force=True)
    assert records_ref(copy) != records_ref(repo)
    assert copy.store.records.tips().keys() == {copy.writer}
    assert sorted(ids(copy.records)) == ["tr-1", "tr-2"] and ids(repo.records) == ["tr-1"]


def test_threads_put_and_read_and_seal_at_once(repo: Repo) -> None:
    failed: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(60):
                repo.records.put("trace", f"tr-{name}-{number}", {"n": number, "name": f"w{name}"})
                if number % 20 == 0:
                    assert repo.records.get("trace", f"tr-{name}-{number}") is not None
                if number % 30 == 7:
                    repo.records.seal(force=True)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert repo.records.count("trace") == reopened(repo).count("trace") == 240


CHILD = """
import sys
from gitruns.repo import Repo
repo = Repo.open()
name, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    repo.records.put("trace", f"tr-{name}-{number}", {"n": number, "name": name})
    if number % 25 == 24:
        repo.records.seal(force=True)
repo.close()
"""


def test_processes_put_and_seal_at_once(repo: Repo, git_repo: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(name), "60"], cwd=git_repo, stderr=subprocess.PIPE)
        for name in range(3)
    ]
    said = [child.communicate()[1].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], said
    repo.records.seal(force=True)
    assert journals(repo) == [], "all writers are done"
    assert repo.records.count("trace") == 180
    lines = [
        line for path in pieces(repo) for line in run_git(git_repo, "show", f"{records_ref(repo)}:{path}").splitlines()
    ]
    assert len(lines) == len(set(lines)) == 180, "nothing is sealed twice"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_journal_of_its_own(repo: Repo) -> None:
    repo.records.put("trace", "parent", {"n": 1})
    child = os.fork()
    if child == 0:
        try:
            repo.records.put("trace", "child", {"n": 2})
            found = repo.records.get("trace", "parent")
            os._exit(0 if found is not None else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    repo.records.put("trace", "parent", {"n": 3})
    assert sorted(ids(repo.records)) == ["child", "parent"] and len(journals(repo)) == 2


def test_blobs_are_kept_by_digest(repo: Repo) -> None:
    digest = repo.records.attach(b"x" * 100_000)
    repo.records.put("trace", "tr-1", {"blobs": {"spans": {"sha256": digest, "size": 100_000}}})
    assert repo.records.read_blob(digest) == b"x" * 100_000
    assert repo.records.needed_digests() == {digest: 100_000}
    repo.records.put("trace", "tr-1", {"blobs": None})
    assert repo.records.needed_digests() == {}
    for wrong in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(NotFoundError):
            repo.records.read_blob(wrong)


def test_a_clock_that_was_far_ahead_spoils_nothing_else(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = time.time_ns() + 3600 * 1_000_000_000
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: ahead)
        repo.records.put("trace", "old", {"state": "then", "n": 1})
        repo.records.put("trace", "other", {"n": 1})
    records = reopened(repo)
    assert records.get("trace", "old") is not None
    records.put("trace", "old", {"state": "now"})
    records.put("trace", "new", {"n": 1})
    found = records.get("trace", "old")
    assert found is not None and found.fields == {"state": "now", "n": 1}
    state = records.index.get("trace", "new")
    assert state is not None and state.stamps["n"].time_ms < ahead // 1_000_000 - 60_000


def test_a_change_follows_what_was_read_whatever_the_clock(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.records.put("trace", "tr-1", {"state": "first"})
    other = reopened(repo)
    assert other.get("trace", "tr-1") is not None
    behind = time.time_ns() - 60 * 1_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: behind)
    other.put("trace", "tr-1", {"state": "second"})
    found = repo.records.get("trace", "tr-1")
    assert found is not None and found.fields["state"] == "second"


def test_a_folder_that_cannot_be_written_is_said(repo: Repo) -> None:
    (repo.folder / "records").mkdir(parents=True, exist_ok=True)
    (repo.folder / "records" / "open").write_text("in the way")
    with pytest.raises(GitRunsError) as caught:
        repo.records.put("trace", "tr-1", {"n": 1})
    assert caught.value.kind == "not-journalled" and caught.value.hint
    (repo.folder / "records" / "open").unlink()
    repo.records.put("trace", "tr-2", {"n": 1})
    assert sorted(ids(repo.records)) == ["tr-1", "tr-2"], "what was said first was kept"


def test_a_torn_line_is_passed_over(repo: Repo) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    (path,) = journals(repo)
    with path.open("ab") as file:
        file.write(b'00000000 ["changes",{"broken"\n12345678 ["chan')
    assert ids(repo.records) == ["tr-1"]
    assert repo.records.seal(force=True) == 1


def test_a_newer_format_is_not_built_upon(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    blob = run_git(git_repo, "hash-object", "-w", "--stdin", stdin="gitruns 2\n")
    listed = run_git(git_repo, "ls-tree", records_ref(repo)).splitlines()
    lines = [f"100644 blob {blob}\tformat" if line.endswith("\tformat") else line for line in listed]
    tree = run_git(git_repo, "mktree", stdin="\n".join(lines) + "\n")
    commit = run_git(git_repo, "commit-tree", tree, "-m", "newer")
    run_git(git_repo, "update-ref", records_ref(repo), commit)
    repo.records.put("trace", "tr-2", {"n": 1})
    with pytest.raises(InvalidInputError) as caught:
        repo.records.seal(force=True)
    assert caught.value.kind == "format-too-new"
    assert sorted(ids(reopened(repo))) == ["tr-1", "tr-2"]


def test_a_file_that_we_do_not_know_is_carried_over(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    blob = run_git(git_repo, "hash-object", "-w", "--stdin", stdin="hm\n")
    listed = run_git(git_repo, "ls-tree", records_ref(repo))
    tree = run_git(git_repo, "mktree", stdin=f"{listed}\n100644 blob {blob}\tnew.txt\n")
    commit = run_git(git_repo, "commit-tree", tree, "-p", records_ref(repo), "-m", "more")
    run_git(git_repo, "update-ref", records_ref(repo), commit)
    repo.records.put("trace", "tr-2", {"n": 1})
    repo.records.seal(force=True)
    assert run_git(git_repo, "show", f"{records_ref(repo)}:new.txt") == "hm"
    assert sorted(ids(reopened(repo))) == ["tr-1", "tr-2"]


def test_verify_names_what_is_damaged(repo: Repo, git_repo: Path) -> None:
    digest = repo.records.attach(b"spans")
    repo.records.put("trace", "tr-1", {"blobs": {"spans": {"sha256": digest, "size": 5}}})
    repo.records.seal(force=True)
    assert list(repo.verify()) == []
    path = repo.cache.path_of(digest)  # type: ignore[arg-type]
    path.chmod(0o644)
    path.write_bytes(b"other")
    assert [problem.place for problem in Repo.open(git_repo).verify()] == [f"records: {digest[:12]}"]
    path.unlink(missing_ok=True)
    assert "not on this machine" in next(Repo.open(git_repo).verify()).message


def test_verify_names_the_line_that_is_not_ours(repo: Repo, git_repo: Path) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    (path,) = pieces(repo)
    day, name = path.split("/")
    blob = run_git(git_repo, "hash-object", "-w", "--stdin", stdin='{"at": "never"}\n')
    inner = run_git(git_repo, "mktree", stdin=f"100644 blob {blob}\t{name}\n")
    ours = run_git(git_repo, "rev-parse", f"{records_ref(repo)}:format")
    tree = run_git(git_repo, "mktree", stdin=f"100644 blob {ours}\tformat\n040000 tree {inner}\t{day}\n")
    run_git(git_repo, "update-ref", records_ref(repo), run_git(git_repo, "commit-tree", tree, "-m", "bad"))
    (problem,) = Repo.open(git_repo).verify()
    assert problem.place == f"records/{repo.writer}/{path}" and f"{path}:1" in problem.message
    other = reopened(repo)
    assert other.kinds() == {"trace": 1}, "the journal is still there, and no reader trips over the piece"
    assert list(other.index.unreadable()) == [blob]


def test_gc_keeps_what_records_name(repo: Repo, git_repo: Path) -> None:
    kept, dropped = repo.records.attach(b"kept"), repo.records.attach(b"dropped")
    repo.records.put("trace", "tr-1", {"blobs": {"spans": {"sha256": kept, "size": 4}}, "deleted": True})
    later = time.time() + 30 * 24 * 3600
    for moment in (later, later + 30 * 24 * 3600):
        report = collect_garbage(repo, dry_run=False, now_s=moment)
        assert report.problems == []
    assert repo.cache.has(Digest(kept)) and not repo.cache.has(Digest(dropped))


def test_status_counts(repo: Repo, git_repo: Path) -> None:
    repo.records.put_many([("trace", f"tr-{number}", {"n": 1}) for number in range(3)])
    found = repo.status()
    assert (found.records, found.unsealed_records) == (3, 3)
    repo.records.seal(force=True)
    assert repo.status().unsealed_records == 0


def test_a_journal_that_goes_while_it_is_looked_at_is_seen_in_git(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records._journal.rotate()
    other = reopened(repo)
    source = other.index._source
    real = source.journal_changes

    def late(name: str, start: int) -> Iterator[tuple[list[Change], int]]:
        repo.records.seal(force=True)
        assert journals(repo) == []
        return real(name, start)

    monkeypatch.setattr(source, "journal_changes", late)
    assert ids(other) == ["tr-1"]


def test_a_sha256_repository_and_a_bare_one(tmp_path: Path) -> None:
    for name, options in (("long", ["--object-format=sha256"]), ("bare", ["--bare"])):
        folder = tmp_path / name
        run_git(tmp_path, "init", "--quiet", *options, str(folder))
        repo = Repo.open(folder)
        repo.records.put("trace", "tr-1", {"n": 1})
        repo.records.seal(force=True)
        repo.records.put("trace", "tr-1", {"n": 2})
        repo.records.seal(force=True)
        repo.records.purge("trace", "tr-1")
        repo.records.put("trace", "tr-2", {"n": 3})
        assert ids(Repo.open(folder).records) == ["tr-2"]
        assert list(repo.verify()) == []
        run_git(folder, "fsck", "--strict")


def test_states_of_one_ref_join_alike_in_any_order(repo: Repo) -> None:
    trees = repo.store.records
    author = repo.identity()

    def sealed(number: int, parent: ObjectId | None = None) -> ObjectId:
        stamp = Stamp(1_795_276_433_913 + number, 0, repo.writer)
        return trees.seal(
            repo.writer, [Change("trace", f"t{number}", stamp, {"n": number})], parent=parent, identity=author
        )

    base = sealed(0)
    one, two, three = sealed(1, base), sealed(2, base), sealed(3, base)
    merged = trees.merge(repo.writer, [one, two, three])
    assert merged == trees.merge(repo.writer, [three, one, two]) == trees.merge(repo.writer, [merged, one])
    pairwise = trees.merge(repo.writer, [trees.merge(repo.writer, [one, two]), three])
    assert trees.pieces(pairwise) == trees.pieces(merged)
    other = trees.merge(repo.writer, [one, trees.merge(repo.writer, [two, three])])
    assert trees.pieces(other) == trees.pieces(merged)
    assert sorted(trees.pieces(merged)) == sorted(
        [
            "2026-11-21/1.jsonl",
            *(f"2026-11-21/2-{trees.pieces(tip)['2026-11-21/2.jsonl'][:16]}.jsonl" for tip in (one, two, three)),
        ]
    )
    assert trees.merge(repo.writer, [base, one]) == one, "one that has all is the merge"
    found = sealed(9, merged)
    assert "2026-11-21/3.jsonl" in trees.pieces(found), "numbers go on"


def test_a_lock_that_a_killed_process_left_is_taken_away_in_time(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "PATIENCE_S", 0.05)
    repo.records.put("trace", "tr-1", {"n": 1})
    repo.records.seal(force=True)
    lock = repo.store.paths.common_dir / f"{records_ref(repo)}.lock"
    lock.touch()
    repo.records.put("trace", "tr-2", {"n": 1})
    with pytest.raises(LockedError):
        repo.records.seal(force=True)
    repo.records.recover(force=True)
    assert sorted(ids(reopened(repo))) == ["tr-1", "tr-2"], "nothing is lost meanwhile"
    os.utime(lock, (time.time() - 150, time.time() - 150))
    assert repo.records.seal(force=True) == 1 and not lock.exists()
    assert sorted(ids(reopened(repo))) == ["tr-1", "tr-2"]
