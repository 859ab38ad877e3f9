"""A restore writes into its folder and nowhere else, whatever a tree from outside says."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.trees import fingerprint, read_tree
from conftest import Git
from gitruns.capture import capture_source, diff_source, restore_source
from gitruns.capture.message import format_message, parse_message
from gitruns.entities.ids import ObjectId
from gitruns.entities.source import LeftOut, Source
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]


@pytest.fixture
def source(git_repo: Path, open_at: OpenAt) -> Source:
    (git_repo / "train.py").write_text("changed\n")
    (git_repo / "sub").mkdir()
    (git_repo / "sub/new.py").write_text("new\n")
    return capture_source(open_at(git_repo))


def test_into_a_new_folder(git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source) -> None:
    restored = restore_source(open_at(git_repo), source, tmp_path / "a/b/c")
    assert read_tree(tmp_path / "a/b/c") == read_tree(git_repo)
    assert (restored.files, restored.target, restored.commit) == (3, tmp_path / "a/b/c", source.commit)
    assert not (tmp_path / "a/b/c/.git").exists()


def test_into_an_empty_folder_and_through_a_link(
    git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    restore_source(open_at(git_repo), source, tmp_path / "link")
    assert read_tree(tmp_path / "empty") == read_tree(git_repo)


def test_relative_to_where_we_are(
    git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    restore_source(open_at(git_repo), source, Path("here"))
    assert read_tree(tmp_path / "here") == read_tree(git_repo)


def test_a_folder_that_holds_something_is_refused(
    git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source
) -> None:
    target = tmp_path / "full"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    (target / "train.py").write_text("mine too")
    before = fingerprint(target)
    with pytest.raises(InvalidInputError, match=r"cannot restore into '.*full': the folder is not empty") as error:
        restore_source(open_at(git_repo), source, target)
    assert error.value.kind == "target-not-empty"
    assert fingerprint(target) == before
    restore_source(open_at(git_repo), source, target, overwrite=True)
    assert (target / "train.py").read_text() == "changed\n"
    assert (target / "mine.txt").read_text() == "mine"


def test_a_file_is_no_folder(git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(InvalidInputError, match="it is not a folder"):
            restore_source(open_at(git_repo), source, target)


def test_the_repository_itself_is_refused(
    git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source
) -> None:
    before = fingerprint(git_repo)
    (tmp_path / "link").symlink_to(git_repo)
    for target in (git_repo, git_repo / ".git", git_repo / ".git/refs/x", git_repo.parent, tmp_path / "link"):
        with pytest.raises(InvalidInputError, match="it is, or holds, the repository itself"):
            restore_source(open_at(git_repo), source, target, overwrite=True)
    assert fingerprint(git_repo) == before


def test_what_is_in_the_way_is_replaced_and_never_followed(
    git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source
) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    (outside / "new.py").write_text("precious")
    (outside / "victim").write_text("precious")
    target.mkdir()
    (target / "sub").symlink_to(outside)
    (target / "train.py").symlink_to(outside / "victim")
    (target / "README.md").mkdir()
    before = fingerprint(outside)
    restore_source(open_at(git_repo), source, target, overwrite=True)
    assert fingerprint(outside) == before
    assert read_tree(target) == read_tree(git_repo)


def test_no_source(git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    store = open_at(git_repo)
    with pytest.raises(NotFoundError, match="this run has no source") as error:
        restore_source(store, Source(), tmp_path / "x")
    assert error.value.kind == "no-source"
    commit = ObjectId("ab" * 20)
    with pytest.raises(NotFoundError, match="is not in this repository") as error:
        restore_source(store, Source(commit=commit), tmp_path / "x")
    assert error.value.hint == f"git fetch origin {commit}"
    assert not (tmp_path / "x").exists()


def test_it_tells_what_the_source_never_held(git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    (git_repo / "data.bin").write_bytes(b"\0")
    store = open_at(git_repo)
    restored = restore_source(store, capture_source(store), tmp_path / "x")
    assert restored.left_out == (LeftOut(path="data.bin", reason="binary", size=1),)


# Trees from outside


def hostile_commit(folder: Path, entries: list[tuple[str, str, bytes]], message: str = "source of a run\n") -> ObjectId:
    """A commit whose tree names what it should not, built byte for byte: git's own commands refuse to."""

    def write(kind: str, data: bytes) -> str:
        command = ["git", "hash-object", "-w", "-t", kind, "--literally", "--stdin"]
        return subprocess.run(command, cwd=folder, input=data, capture_output=True, check=True).stdout.decode().strip()

    tree = b""
    for mode, name, content in entries:
        oid = write("tree" if mode == "40000" else "blob", content)
        tree += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid)
    root = write("tree", tree)
    author = "x <x@x> 0 +0000"
    return ObjectId(write("commit", f"tree {root}\nauthor {author}\ncommitter {author}\n\n{message}".encode()))


def folder_of(folder: Path, name: str, content: bytes) -> bytes:
    command = ["git", "hash-object", "-w", "--stdin"]
    oid = subprocess.run(command, cwd=folder, input=content, capture_output=True, check=True).stdout.decode().strip()
    return f"100644 {name}".encode() + b"\0" + bytes.fromhex(oid)


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "../x", "/etc/x", ".", "a/../../x", "git~1"])
def test_names_that_lead_out(git_repo: Path, tmp_path: Path, open_at: OpenAt, name: str) -> None:
    (tmp_path / "around").mkdir()
    target = tmp_path / "around/target"
    entries = [("100644", name, b"evil\n")]
    if name in ("..", ".git", ".GIT", ".", "git~1"):
        entries.append(("40000", name, folder_of(git_repo, "config", b"evil\n")))
    for entry in entries:
        commit = hostile_commit(git_repo, [entry])
        with pytest.raises(GitRunsError):
            restore_source(open_at(git_repo), Source(commit=commit), target)
        assert read_tree(tmp_path / "around") == {}


def test_a_link_and_a_folder_of_one_name(git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    """The link would lead the folder's files outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = folder_of(git_repo, "evil", b"evil\n")
    for entries in (
        [("120000", "a", os.fsencode(outside)), ("40000", "a", inside)],
        [("40000", "a", inside), ("120000", "a", os.fsencode(outside))],
    ):
        commit = hostile_commit(git_repo, entries)
        target = tmp_path / "target"
        with contextlib.suppress(GitRunsError):
            restore_source(open_at(git_repo), Source(commit=commit), target, overwrite=True)
        assert read_tree(outside) == {}


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "link/evil", ".git/config", "missing", "link", "sub"])
def test_a_message_that_names_other_files_as_raw(git_repo: Path, tmp_path: Path, open_at: OpenAt, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    entries = [
        ("120000", "link", os.fsencode(outside)),
        ("40000", "sub", folder_of(git_repo, "x", b"x\n")),
    ]
    commit = hostile_commit(git_repo, entries, format_message([path.encode()]))
    with pytest.raises(GitRunsError, match="the snapshot has no such file"):
        restore_source(open_at(git_repo), Source(commit=commit), tmp_path / "target")
    assert read_tree(outside) == {}


def test_hooks_do_not_run(git_repo: Path, tmp_path: Path, open_at: OpenAt, source: Source) -> None:
    for name in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        hook = git_repo / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    store = open_at(git_repo)
    capture_source(store)
    restore_source(store, source, tmp_path / "restored")
    diff_source(store, source)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "paths", [[], [b"a"], [b"b", b"a"], [b'\xff\n\t"\\ \xc3\xa9', bytes(range(1, 256)).replace(b"/", b"")]]
)
def test_the_message_keeps_any_path(paths: list[bytes]) -> None:
    message = format_message(paths)
    assert message.isascii()
    assert parse_message(message.encode()) == sorted(paths)


def test_no_other_message_names_paths() -> None:
    assert parse_message(b'Fix it\n\nRaw: "x"\n') == []


# Diff


def test_a_diff_is_gits_own(git: Git, git_repo: Path, open_at: OpenAt, source: Source) -> None:
    store = open_at(git_repo)
    assert diff_source(store, source) == b""
    (git_repo / "train.py").write_text("changed again\n")
    (git_repo / "sub/new.py").unlink()
    (git_repo / "newer.py").write_text("newer\n")
    before = fingerprint(git_repo)
    objects = git(git_repo, "count-objects")
    text = diff_source(store, source).decode()
    assert "-changed\n+changed again\n" in text
    assert "deleted file mode 100644" in text
    assert "+newer" in text
    assert diff_source(store, source, options=["--name-status"]).decode().splitlines() == [
        "A\tnewer.py",
        "D\tsub/new.py",
        "M\ttrain.py",
    ]
    assert diff_source(store, source, options=["--name-only"], paths=["sub"]) == b"sub/new.py\n"
    assert fingerprint(git_repo) == before
    assert git(git_repo, "count-objects") == objects


def test_a_diff_after_head_moved(git: Git, git_repo: Path, open_at: OpenAt, source: Source) -> None:
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "what was captured")
    assert diff_source(open_at(git_repo), source) == b""
    git(git_repo, "checkout", "--quiet", "HEAD^")
    assert diff_source(open_at(git_repo), source, options=["--name-only"]) == b"sub/new.py\ntrain.py\n"
