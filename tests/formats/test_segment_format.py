"""Segments and tombstones as docs/format.md has them: known bytes, and a reader that knows nothing but that page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import Git
from tests.formats.independent_reader import FormatError, Repository, read_runs, read_segment
from tests.gitstore import samples

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Identity
from gitruns.entities.tombstone import Tombstone
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore.codec.tombstone import decode_tombstone, encode_tombstone
from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
from gitruns.repo.purging import purge_runs

AUTHOR = Identity(name="Ada Lovelace", email="ada@example.org", utc_offset_minutes=60)


@pytest.fixture
def store(git_repo: Path) -> GitStore:
    """The store of a repository with one commit."""
    return open_store(git_repo, environ=os.environ)


def add_run(store: GitStore, number: int) -> tuple[RunId, ObjectId]:
    """Writes a run without a source, so that its commits are the same everywhere."""
    run_id = RunId(f"{number:032x}")
    start = samples.started(run_id, f"run-{number}", 1_700_000_000_000 + number)
    tip = store.seal_run(start, samples.finished(start), parent=None, identity=AUTHOR, files=samples.FILES)
    store.set_run_tip(run_id, tip, None)
    return run_id, tip


def test_a_segment_has_known_bytes(store: GitStore, git: Git, git_repo: Path) -> None:
    tips = dict(add_run(store, number) for number in (2, 1))
    (segment_id,) = store.write_segments([tips])
    one, two = (tips[RunId(f"{number:032x}")] for number in (1, 2))
    assert git(git_repo, "cat-file", "blob", f"{segment_id}:runs") == f"{1:032x} {one}\n{2:032x} {two}"
    assert git(git_repo, "cat-file", "blob", f"{segment_id}:format") == "gitruns 1"
    tree = git(git_repo, "rev-parse", f"{segment_id}^{{tree}}")
    assert git(git_repo, "ls-tree", "--format=%(objectmode) %(path)", tree) == "100644 format\n100644 runs"
    by = "gitruns <gitruns@localhost> 1700000060 +0000"
    text = f"tree {tree}\nparent {one}\nparent {two}\nauthor {by}\ncommitter {by}\n\narchive of 2 runs"
    assert git(git_repo, "cat-file", "commit", segment_id) == text
    (alone,) = store.write_segments([{RunId(f"{1:032x}"): one}])
    assert git(git_repo, "log", "-1", "--format=%B", alone).strip() == "archive of 1 run"


def test_a_tombstone_has_known_bytes() -> None:
    tombstone = Tombstone(run_id=samples.RUN, time_ms=1_700_000_000_000, user="Ada", reason='said "no"')
    files = encode_tombstone(tombstone)
    assert files == {
        "format": b"gitruns 1\n",
        "purged.yaml": b'"id": "0123456789abcdef0123456789abcdef"\n"reason": "said \\"no\\""\n'
        b'"time": 1700000000000\n"user": "Ada"\n',
    }
    assert decode_tombstone(files) == tombstone
    short = Tombstone(run_id=samples.RUN, time_ms=0)
    assert decode_tombstone(encode_tombstone(short)) == short


def test_an_independent_reader_finds_archived_edited_and_purged_runs(store: GitStore, git: Git, git_repo: Path) -> None:
    ids = [add_run(store, number)[0] for number in range(5)]
    before = read_runs(git_repo)
    assert set(before) == set(ids)
    repo = Repo.open(git_repo)
    archive_runs(repo)
    (segment_id,) = repo.store.segments()
    assert dict(read_segment(Repository(git_repo), segment_id)) == repo.store.run_tips()
    assert read_runs(git_repo) == before
    with repo.edit(ids[1]) as edit:
        edit.set_tag("team", "speech")
    assert read_runs(git_repo)[ids[1]].tags["team"] == "speech"
    purge_runs(repo, [ids[2]])
    found = read_runs(git_repo)
    assert set(found) == {run.info.id for run in repo.list_runs()} == set(ids) - {ids[2]}
    archive_runs(repo)
    assert read_runs(git_repo) == found


@pytest.mark.parametrize("what", ["order", "parents", "twice"])
def test_the_independent_reader_refuses_what_gitruns_refuses(
    store: GitStore, git: Git, git_repo: Path, what: str
) -> None:
    (one, tip), (two, other) = add_run(store, 1), add_run(store, 2)
    lines = {
        "order": [f"{two} {other}", f"{one} {tip}"],
        "parents": [f"{one} {other}", f"{two} {tip}"],
        "twice": [f"{one} {tip}", f"{two} {tip}"],
    }[what]
    blobs = [
        git(git_repo, "hash-object", "-w", "--stdin", stdin=text)
        for text in ("gitruns 1\n", "".join(f"{line}\n" for line in lines))
    ]
    tree = git(git_repo, "mktree", stdin=f"100644 blob {blobs[0]}\tformat\n100644 blob {blobs[1]}\truns\n")
    segment = git(git_repo, "commit-tree", tree, "-p", tip, "-p", other, "-m", "odd")
    with pytest.raises(FormatError):
        read_segment(Repository(git_repo), segment)
    git(git_repo, "update-ref", f"refs/runs/archive/{segment}", segment)
    with pytest.warns(UserWarning, match="cannot read archive segment"):
        assert store.run_tips() == {one: tip, two: other}
