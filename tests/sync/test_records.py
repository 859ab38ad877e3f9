"""Records travel: pushed, fetched, bundled, joined; hostile ones stay out, lost ones are kept and said."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import run_git
from gitruns.entities.ids import Digest
from gitruns.entities.record_checks import MAX_DEPTH
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.repo import Repo
from gitruns.repo.garbage import collect_garbage
from gitruns.sync.bundle import read_bundle, write_bundle
from gitruns.sync.pull import bring_artifacts
from gitruns.sync.waiting import what_waits
from sync.conftest import Clone, MakeClone

EVIL = "00000000000000ee"
EVIL_REF = f"refs/runs/records/{EVIL}"


def ref_of(clone: Clone) -> str:
    return f"refs/runs/records/{clone.repo.writer}"


def state(clone: Clone) -> dict[str, dict[str, object]]:
    return {one.id: dict(one.fields) for one in Repo.open(clone.folder).records.select("trace", deleted=True)}


def put(clone: Clone, name: str, **fields: object) -> None:
    clone.repo.records.put("trace", name, fields)


def test_records_go_and_come(ada: Clone, bob: Clone) -> None:
    put(ada, "t1", state="OK")
    report = ada.push()
    assert report.records == 1 and not report.is_up_to_date
    assert ada.push().is_up_to_date
    fetched = bob.fetch()
    assert fetched.records == 1 and not fetched.is_up_to_date and fetched.quarantined == ()
    assert state(bob) == {"t1": {"state": "OK"}}
    assert bob.fetch().is_up_to_date
    assert bob.push().is_up_to_date, "what came is there already"


def test_both_edit_one_record_and_agree(ada: Clone, bob: Clone) -> None:
    put(ada, "t1", state="OK", a=1)
    ada.push()
    bob.fetch()
    put(bob, "t1", state="ERROR", b=2)
    put(ada, "t1", a=None, c=3)
    bob.push()
    ada.sync()
    bob.fetch()
    assert state(ada) == state(bob) == {"t1": {"state": "ERROR", "b": 2, "c": 3}}
    assert ada.refs("refs/runs/records/") == bob.refs("refs/runs/records/")
    assert len(ada.refs("refs/runs/records/")) == 2, "one a clone"
    run_git(ada.folder, "fsck", "--strict")


def test_many_records_are_few_objects_on_the_remote(ada: Clone, remote: Path) -> None:
    ada.repo.records.put_many([("trace", f"t{number}", {"n": number}) for number in range(2000)])
    ada.push()
    listed = run_git(remote, "rev-list", "--objects", ref_of(ada)).splitlines()
    assert len(listed) <= 6


def test_a_bundle_carries_them_with_their_blobs(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    digest = ada.repo.records.attach(b"spans" * 1000)
    put(ada, "t1", blobs={"spans": {"sha256": digest, "size": 5000}})
    report = write_bundle(ada.repo, tmp_path / "runs.tar", with_artifacts=True)
    assert report.artifacts == 1
    assert read_bundle(bob.repo, tmp_path / "runs.tar").fetched.records == 1
    assert state(bob).keys() == {"t1"} and bob.repo.records.read_blob(digest) == b"spans" * 1000


def test_a_push_uploads_blobs_and_others_read_them(ada: Clone, bob: Clone, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = (tmp_path / "store").as_uri()
    for one in (ada, bob):
        one.git("config", "runs.store", store)
    ada, bob = ada.reopened(), bob.reopened()
    digest = ada.repo.records.attach(b"spans" * 1000)
    put(ada, "t1", blobs={"spans": {"sha256": digest, "size": 5000}})
    report = ada.push()
    assert report.artifacts.uploaded == 1
    put(ada, "t2", n=1)
    assert ada.push().artifacts.uploaded == 0
    bob.fetch()
    assert bring_artifacts(bob.repo, (), records=True, dry_run=True).artifacts == 1
    assert not bob.repo.cache.has(Digest(digest))
    report = bring_artifacts(bob.repo, (), records=True)
    assert (report.artifacts, report.bytes, report.absent) == (1, 5000, ()) and bob.repo.cache.has(Digest(digest))
    bob.repo.cache.path_of(Digest(digest)).unlink()
    assert bob.reopened().repo.records.read_blob(digest) == b"spans" * 1000, "it is had when it is read, too"


def test_shallow_clones_take_part(clone: MakeClone, ada: Clone) -> None:
    ada.commit()
    ada.git("push", "--quiet", "origin", "main")
    put(ada, "t1", n=1)
    ada.push()
    ci = clone("ci", "--depth=1")
    ci.fetch()
    assert state(ci).keys() == {"t1"}
    put(ci, "t2", n=2)
    assert ci.push().records == 1
    put(ada, "t3", n=3)
    ada.sync()
    ci.fetch()
    assert state(ci) == state(ada) and state(ci).keys() == {"t1", "t2", "t3"}


def test_the_records_of_a_run_alone_stay_home(ada: Clone) -> None:
    from gitruns.sync.report import select

    run_id = ada.log()
    put(ada, "t1", n=1)
    report = ada.push(selection=select([run_id]), with_source=True, snapshots="all")
    assert report.records == 0 and report.runs == (run_id,)


def test_a_rewritten_ref_is_said_and_nothing_is_lost(ada: Clone, bob: Clone, remote: Path) -> None:
    put(ada, "t1", n=1)
    ada.push()
    first = run_git(remote, "rev-parse", ref_of(ada))
    put(ada, "t2", n=2)
    ada.push()
    bob.fetch()
    other = run_git(remote, "commit-tree", run_git(remote, "rev-parse", f"{first}^{{tree}}"), "-m", "rewritten")
    run_git(remote, "update-ref", ref_of(ada), other)
    report = bob.fetch()
    assert report.rewritten_records == (ref_of(ada),)
    assert state(bob).keys() == {"t1", "t2"}
    assert bob.fetch().rewritten_records == (ref_of(ada),), "it is said until somebody decides"
    assert bob.push().records == 0 and run_git(remote, "rev-parse", ref_of(ada)) == other
    assert bob.push(restore=True).records == 1
    assert bob.fetch().rewritten_records == ()
    ada.fetch()
    assert state(ada).keys() == {"t1", "t2"}


def test_a_rewritten_ref_can_be_taken(ada: Clone, bob: Clone, remote: Path) -> None:
    put(ada, "t1", n=1)
    ada.push()
    first = run_git(remote, "rev-parse", ref_of(ada))
    put(ada, "t2", n=2)
    ada.push()
    bob.fetch()
    run_git(remote, "update-ref", ref_of(ada), first)
    assert bob.fetch(take=True).rewritten_records == ()
    assert state(bob).keys() == {"t1"}


def test_two_clones_that_are_one_writer_come_together(ada: Clone, bob: Clone) -> None:
    """As when the image of a machine is started twice: nobody can tell the two apart."""
    put(ada, "t0", n=0)
    ada.push()
    bob.fetch()
    bob.repo.writer = ada.repo.writer
    put(ada, "t1", n=1)
    put(bob, "t2", n=2)
    ada.push()
    assert bob.push().records == 1
    ada.fetch()
    assert state(ada) == state(bob) and state(ada).keys() == {"t0", "t1", "t2"}
    assert ada.refs("refs/runs/records/") == bob.refs("refs/runs/records/")
    put(ada, "t3", n=3)
    ada.push()
    assert ada.refs("refs/runs/records/").keys() == {ref_of(ada)}


def test_records_can_be_kept_at_home(ada: Clone) -> None:
    ada.git("config", "runs.publishRecords", "never")
    ada = ada.reopened()
    put(ada, "t1", text="private")
    assert ada.push(dry_run=True).records == ada.push().records == 0
    waiting = what_waits(ada.repo)
    assert waiting is not None and not waiting.records
    ada.git("config", "runs.publishRecords", "sometimes")
    with pytest.raises(InvalidInputError, match=r"always, never"):
        ada.reopened().push()
    ada.git("config", "--unset", "runs.publishRecords")
    assert ada.reopened().push().records == 1


# Hostile remotes


def line(**changed: object) -> str:
    made: dict[str, object] = {"at": [0, 0, EVIL], "id": "t", "kind": "trace", "set": {"n": 1}}
    return json.dumps({**made, **changed}, separators=(",", ":"), sort_keys=True)


def commit(remote: Path, tree: str) -> str:
    return run_git(remote, "-c", "user.name=e", "-c", "user.email=e@e", "commit-tree", tree, "-m", "records")


def blob(remote: Path, text: str) -> str:
    return run_git(remote, "hash-object", "-w", "--stdin", stdin=text)


def tree_of(remote: Path, name: str, content: str, *, mode: str = "100644", day: str = "1970-01-01") -> str:
    inner = run_git(remote, "mktree", stdin=f"{mode} blob {blob(remote, content)}\t{name}\n")
    listed = f"100644 blob {blob(remote, 'gitruns 1' + chr(10))}\tformat\n040000 tree {inner}\t{day}\n"
    return run_git(remote, "mktree", stdin=listed)


HOSTILE: dict[str, Callable[[Path], str]] = {
    "no JSON": lambda remote: tree_of(remote, "1.jsonl", "{nonsense\n"),
    "no newline": lambda remote: tree_of(remote, "1.jsonl", line()),
    "empty": lambda remote: tree_of(remote, "1.jsonl", ""),
    "empty line": lambda remote: tree_of(remote, "1.jsonl", line() + "\n\n"),
    "huge line": lambda remote: tree_of(remote, "1.jsonl", line(set={"n": "x" * 200_000}) + "\n"),
    "huge piece": lambda remote: tree_of(remote, "1.jsonl", (line() + "\n") * 80_000),
    "deep": lambda remote: tree_of(
        remote,
        "1.jsonl",
        line(set={"n": 0}).replace(":0}", ":" + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}") + "\n",
    ),
    "very deep": lambda remote: tree_of(remote, "1.jsonl", "[" * 60_000 + "]" * 60_000 + "\n"),
    "duplicate keys": lambda remote: tree_of(remote, "1.jsonl", line().replace('"n":1', '"n":1,"n":2') + "\n"),
    "spaces": lambda remote: tree_of(remote, "1.jsonl", json.dumps(json.loads(line())) + "\n"),
    "NaN": lambda remote: tree_of(remote, "1.jsonl", line().replace('"n":1', '"n":NaN') + "\n"),
    "bad kind": lambda remote: tree_of(remote, "1.jsonl", line(kind="../etc") + "\n"),
    "bad writer": lambda remote: tree_of(remote, "1.jsonl", line(at=[0, 0, "../../.."]) + "\n"),
    "another day": lambda remote: tree_of(remote, "1.jsonl", line() + "\n", day="1970-01-02"),
    "beyond the calendar": lambda remote: tree_of(remote, "1.jsonl", line(at=[2**62, 0, EVIL]) + "\n"),
    "a program": lambda remote: tree_of(remote, "1.jsonl", line() + "\n", mode="100755"),
    "a link": lambda remote: tree_of(remote, "1.jsonl", "/etc/passwd", mode="120000"),
    "no format": lambda remote: run_git(remote, "mktree", stdin=""),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_records_stay_out_and_are_said(ada: Clone, bob: Clone, remote: Path, how: str) -> None:
    put(bob, "good", n=1)
    bob.push()
    run_git(remote, "update-ref", EVIL_REF, commit(remote, HOSTILE[how](remote)))
    report = ada.fetch()
    assert [bad.ref for bad in report.quarantined] == [EVIL_REF], how
    assert report.quarantined[0].reason
    assert state(ada).keys() == {"good"} and EVIL_REF not in ada.refs()
    run_git(remote, "update-ref", EVIL_REF, commit(remote, tree_of(remote, "1.jsonl", line() + "\n")))
    assert ada.fetch().quarantined == () and state(ada).keys() == {"good", "t"}


def test_stamps_from_the_future_wait(ada: Clone, remote: Path) -> None:
    ahead = int(time.time() * 1000) + 3_600_000
    day = time.strftime("%Y-%m-%d", time.gmtime(ahead / 1000))
    text = line(at=[ahead, 0, EVIL]) + "\n"
    run_git(remote, "update-ref", EVIL_REF, commit(remote, tree_of(remote, "1.jsonl", text, day=day)))
    report = ada.fetch()
    assert [one.ref for one in report.waiting] == [EVIL_REF] and report.waiting[0].kind == "ahead-of-time"
    assert state(ada) == {}


def test_files_that_nobody_knows_are_left_alone(ada: Clone, remote: Path) -> None:
    run_git(remote, "update-ref", EVIL_REF, commit(remote, tree_of(remote, "readme.txt", "hello\n")))
    assert ada.fetch().quarantined == () and state(ada) == {}


@pytest.mark.parametrize("name", ["00000000000000EE", "ee", "x/y", "00000000000000ee0"])
def test_refs_that_are_no_writers_are_not_taken(ada: Clone, remote: Path, name: str) -> None:
    made = commit(remote, tree_of(remote, "1.jsonl", line() + "\n"))
    run_git(remote, "update-ref", f"refs/runs/records/{name}", made)
    assert ada.fetch().is_up_to_date and state(ada) == {}


def test_a_newer_format_waits(ada: Clone, remote: Path) -> None:
    newer = run_git(remote, "mktree", stdin=f"100644 blob {blob(remote, 'gitruns 2' + chr(10))}\tformat\n")
    run_git(remote, "update-ref", EVIL_REF, commit(remote, newer))
    report = ada.fetch()
    assert [one.kind for one in report.waiting] == ["format-too-new"]


# Purges


def everything_in(folder: Path, *refs: str) -> str:
    """All bytes of all objects that refs reach, as text."""
    listed = run_git(folder, "rev-list", "--objects", "--no-object-names", *(refs or ("--all",))).splitlines()
    given = ("\n".join(listed) + "\n").encode()
    out = subprocess.run(["git", "cat-file", "--batch"], cwd=folder, input=given, capture_output=True, check=True)
    return out.stdout.decode(errors="replace")


def test_a_purge_takes_the_bytes_from_all_clones(ada: Clone, bob: Clone, remote: Path) -> None:
    put(ada, "t1", text="very secret")
    put(ada, "t2", text="harmless")
    ada.push()
    bob.fetch()
    put(bob, "t1", note="secret too")
    bob.push()
    ada.fetch()
    ada.repo.records.purge("trace", "t1")
    assert state(ada) == {"t2": {"text": "harmless"}}
    assert "very secret" not in everything_in(ada.folder, ref_of(ada))
    assert ada.push().records == 1
    assert "very secret" not in everything_in(remote)
    report = bob.fetch()
    assert report.rewritten_records == () and report.records == 2
    assert state(bob) == {"t2": {"text": "harmless"}}, "hidden at once"
    assert "very secret" not in everything_in(bob.folder) and "secret too" in everything_in(bob.folder)
    collect_garbage(bob.repo, dry_run=False)
    assert bob.push().records == 1
    assert "secret" not in everything_in(remote)
    ada.fetch()
    assert "secret" not in everything_in(ada.folder)
    assert state(ada) == state(bob) == {"t2": {"text": "harmless"}}
    assert ada.refs("refs/runs/records/") == bob.refs("refs/runs/records/")
    assert ada.push().is_up_to_date and bob.push().is_up_to_date and bob.fetch().is_up_to_date


def test_a_purge_beats_what_others_did_meanwhile(ada: Clone, bob: Clone) -> None:
    put(ada, "t1", text="x")
    ada.push()
    bob.fetch()
    ada.repo.records.purge("trace", "t1")
    put(bob, "t1", text="later", deleted=None)
    ada.push()
    bob.sync()
    ada.fetch()
    assert state(ada) == state(bob) == {}
    assert ada.repo.records.is_purged("trace", "t1") and bob.repo.records.is_purged("trace", "t1")
    put(ada, "t1", text="again")
    assert state(ada) == {}, "its id is not given twice"
    with pytest.raises(NotFoundError):
        ada.repo.records.purge("trace", "t9")


def test_a_ref_that_lost_more_than_was_purged_is_not_taken_for_a_purge(ada: Clone, bob: Clone, remote: Path) -> None:
    put(ada, "t1", text="x")
    put(ada, "t2", text="y")
    ada.push()
    bob.fetch()
    ada.repo.records.purge("trace", "t1")
    ada.push()
    day = run_git(remote, "ls-tree", "--name-only", ref_of(ada)).splitlines()[0]
    lines = [
        found
        for path in run_git(remote, "ls-tree", "-r", "--name-only", ref_of(ada)).splitlines()
        if path.endswith(".jsonl")
        for found in run_git(remote, "show", f"{ref_of(ada)}:{path}").splitlines()
    ]
    only_the_purge = "".join(f"{one}\n" for one in lines if '"purged":true' in one)
    run_git(remote, "update-ref", ref_of(ada), commit(remote, tree_of(remote, "1.jsonl", only_the_purge, day=day)))
    report = bob.fetch()
    assert report.rewritten_records == (ref_of(ada),)
    assert state(bob) == {"t2": {"text": "y"}}
