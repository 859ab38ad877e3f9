"""git's index as we read it, held against `git ls-files` on real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Git
from gitruns.capture.index_file import GITLINK_MODE, IndexEntry, IndexReader
from gitruns.errors import CorruptDataError


def read(folder: Path, oid_bytes: int = 20) -> tuple[IndexEntry, ...]:
    return tuple(IndexReader((folder / ".git/index").read_bytes(), oid_bytes=oid_bytes))


def listed(git: Git, folder: Path) -> list[tuple[int, str, int, bytes]]:
    rows = []
    for line in git(folder, "-c", "core.quotePath=false", "ls-files", "--stage", "-z").split("\0"):
        if line:
            facts, path = line.split("\t", 1)
            mode, oid, stage = facts.split()
            rows.append((int(mode, 8), oid, int(stage), path.encode()))
    return rows


def fill(folder: Path) -> None:
    for name in ("a", "data/long/" + "n" * 200 + "/" + "m" * 200 + "/" + "k" * 200 + "/" + "j" * 200, "é ü", "sub/x"):
        for number in range(9):
            path = folder / f"{name}{'y' * number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {number}\n")
    # A name of 4,096 bytes or more does not fit the length field of an entry.
    deep = folder
    for _ in range(20):
        deep = deep / ("d" * 100)
    deep.mkdir(parents=True)
    (deep / "leaf").write_text("deep\n")
    (folder / "link").symlink_to("a")
    (folder / "a").chmod(0o755)


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_reads_what_git_lists(git: Git, tmp_path: Path, version: str, object_format: str) -> None:
    git(tmp_path, "init", "--quiet", f"--object-format={object_format}")
    fill(tmp_path)
    git(tmp_path, "config", "index.version", version)
    git(tmp_path, "add", ".")
    (tmp_path / "later").write_text("x")
    git(tmp_path, "add", "--intent-to-add", "later")  # version 3 is only written when an entry needs it
    git(tmp_path, "update-index", "--index-version", version)
    entries = read(tmp_path, 20 if object_format == "sha1" else 32)
    assert [(entry.mode, entry.oid.hex(), entry.stage, entry.path) for entry in entries] == listed(git, tmp_path)
    for entry in entries:
        found = (tmp_path / entry.path.decode()).lstat()
        if not entry.intent_to_add:
            assert (entry.size, entry.mtime_ns) == (found.st_size, found.st_mtime_ns)
    assert [entry.path for entry in entries if entry.intent_to_add] == [b"later"]


def test_reads_a_name_beyond_the_length_field(git: Git, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    oid = git(tmp_path, "hash-object", "-w", "--stdin", stdin="x")
    long = "/".join(["p" * 200] * 30)
    git(tmp_path, "update-index", "-z", "--index-info", stdin=f"100644 {oid}\t{long}\x00100644 {oid}\tz\x00")
    assert [entry.path for entry in read(tmp_path)] == [long.encode(), b"z"]


def test_reads_flags_stages_and_submodules(git: Git, git_repo: Path) -> None:
    (git_repo / "hidden").write_text("h")
    (git_repo / "sparse").write_text("s")
    git(git_repo, "add", ".")
    git(git_repo, "update-index", "--assume-unchanged", "hidden")
    git(git_repo, "update-index", "--skip-worktree", "sparse")
    head = git(git_repo, "rev-parse", "HEAD")
    git(git_repo, "update-index", "--add", "--cacheinfo", f"160000,{head},library")
    oid = git(git_repo, "rev-parse", "HEAD:train.py")
    git(git_repo, "update-index", "--index-info", stdin=f"100644 {oid} 1\tboth\n100644 {oid} 2\tboth\n")
    by_path = {entry.path: entry for entry in read(git_repo)}
    assert by_path[b"hidden"].assume_unchanged
    assert by_path[b"sparse"].skip_worktree
    assert not by_path[b"train.py"].assume_unchanged
    assert by_path[b"library"].mode == GITLINK_MODE
    assert [entry.stage for entry in read(git_repo) if entry.path == b"both"] == [1, 2]


def test_says_when_entries_stand_elsewhere(git: Git, git_repo: Path) -> None:
    for split, option in ((False, "--no-split-index"), (True, "--split-index")):
        git(git_repo, "update-index", option)
        index = IndexReader((git_repo / ".git/index").read_bytes())
        list(index)
        assert index.split is split


@pytest.mark.parametrize("data", [b"D", b"DIRC", b"DIRC\0\0\0\x09\0\0\0\0", b"DIRC\0\0\0\x02\0\0\0\x05" + b"\0" * 80])
def test_refuses_what_is_not_an_index(data: bytes) -> None:
    with pytest.raises(CorruptDataError):
        list(IndexReader(data))
