"""Trees that no gitruns wrote: refused by place, sizes before content, and quickly."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pytest

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.gitstore import GitStore
from gitruns.gitstore.codec import encode_run
from gitruns.gitstore.objects import hash_object
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES
from gitstore import samples

FILES = encode_run(samples.started())


def _commit(store: GitStore, tree: ObjectId, extra: str = "") -> ObjectId:
    who = "Eve <eve@example.org> 1700000000 +0000"
    return store.backend.write_object("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n{extra}\nx\n".encode())


def _tree(store: GitStore, *more: tuple[str, bytes, str]) -> ObjectId:
    """Writes the tree of a run that has begun, with more entries (mode, name, id); names in the order of git."""
    entries = {name.encode(): ("100644", store.backend.write_object("blob", data)) for name, data in FILES.items()}
    entries |= {name: (mode, ObjectId(oid)) for mode, name, oid in more}
    data = b"".join(
        b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(oid)) for name, (mode, oid) in sorted(entries.items())
    )
    return store.backend.write_object("tree", data)


def _refused(store: GitStore, commit: ObjectId) -> str:
    with pytest.raises(CorruptDataError) as caught:
        store.read_run(commit)
    assert f"(commit {commit[:12]})" in str(caught.value)
    assert caught.value.facts["commit"] == commit
    return str(caught.value)


@pytest.mark.parametrize("mode", ["120000", "100755", "160000", "100664", "100600", "40755"])
def test_only_files_and_folders(store: GitStore, mode: str) -> None:
    blob = store.backend.write_object("blob", b"/etc/passwd")
    said = _refused(store, _commit(store, _tree(store, (mode, b"params.yaml", blob))))
    assert "cannot read 'params.yaml': its mode is" in said


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"../run.yaml"])
def test_names_that_git_does_not_allow(store: GitStore, name: bytes) -> None:
    blob = store.backend.write_object("blob", b"x")
    assert "the tree has an entry named" in _refused(store, _commit(store, _tree(store, ("100644", name, blob))))


def test_names_that_are_no_text(store: GitStore) -> None:
    blob = store.backend.write_object("blob", b"x")
    said = _refused(store, _commit(store, _tree(store, ("100644", b"z\xff", blob))))
    assert r"cannot read 'z\xff': its name is not UTF-8" in said


def test_a_name_that_stands_twice(store: GitStore) -> None:
    kind, data = store.backend.read_object(_tree(store))
    tree = store.backend.write_object(kind, data + data)
    assert "twice or out of order" in _refused(store, _commit(store, tree))


def test_a_file_where_a_folder_should_be(store: GitStore) -> None:
    blob = store.backend.write_object("blob", b"x")
    assert "not a tree" in _refused(store, _commit(store, _tree(store, ("40000", b"metrics", blob))))
    folder = _tree(store)
    assert "not a blob" in _refused(store, _commit(store, _tree(store, ("100644", b"params.yaml", folder))))


def test_what_is_not_there(store: GitStore) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.read_run(_commit(store, _tree(store, ("100644", b"params.yaml", "1" * 40))))
    assert caught.value.kind == "object-missing"
    for commit in (_commit(store, ObjectId("1" * 40)), ObjectId("2" * 40)):
        with pytest.raises(NotFoundError):
            store.read_run(commit)


def test_what_is_no_commit(store: GitStore) -> None:
    tree = _tree(store)
    for oid in (tree, store.backend.write_object("blob", b"tree " + tree.encode() + b"\n")):
        with pytest.raises(CorruptDataError, match="not a commit"):
            store.read_run(oid)
    with pytest.raises(CorruptDataError, match="it names no tree"):
        store.read_run(store.backend.write_object("commit", b"tree ../../x\n\n"))
    huge = store.backend.write_object("commit", b"tree " + tree.encode() + b"\n" + b"x" * 2_000_000)
    with pytest.raises(CorruptDataError, match="a commit of 2000046 bytes"):
        store.read_run(huge)


def test_a_huge_file_is_refused_before_it_is_read(store: GitStore, git_repo: Path) -> None:
    """A file of a gigabyte of zeros is a megabyte as an object: its header is believed, its content not inflated."""
    size = 1024 * 1024 * 1024
    packer = zlib.compressobj(9)
    parts = [packer.compress(b"blob %d\0" % size)]
    parts += [packer.compress(bytes(1024 * 1024)) for _ in range(64)]  # the rest is never missed
    oid = "ab" + "c" * 38
    place = git_repo / ".git" / "objects" / oid[:2]
    place.mkdir(exist_ok=True)
    (place / oid[2:]).write_bytes(b"".join(parts))
    started = time.process_time()
    for name in (b"params.yaml", b"unknown.bin"):
        said = _refused(store, _commit(store, _tree(store, ("100644", name, oid))))
        assert f"it has {size} bytes, at most {MAX_FILE_BYTES} are allowed" in said
    assert time.process_time() - started < 1


def test_a_file_that_is_more_than_its_header_says(store: GitStore, git_repo: Path) -> None:
    data = b"x" * 100
    oid = hash_object("blob", data)
    place = git_repo / ".git" / "objects" / oid[:2]
    place.mkdir(exist_ok=True)
    (place / oid[2:]).write_bytes(zlib.compress(b"blob 10\0" + bytes(50_000_000)))
    with pytest.raises(CorruptDataError, match="its length is not what its header says"):
        store.backend.read_object(oid)


def test_many_large_files_are_refused_together(store: GitStore) -> None:
    blob = store.backend.write_object("blob", bytes(MAX_FILE_BYTES))
    more = [("100644", b"x%d" % number, blob) for number in range(6)]
    assert "bytes of metadata" in _refused(store, _commit(store, _tree(store, *more)))


def test_a_tree_that_holds_itself_many_times_over(store: GitStore) -> None:
    """Ten folders of ten folders of …: a few objects, ten thousand million files."""
    blob = store.backend.write_object("blob", b"")
    tree = store.backend.write_object("tree", b"100644 f\0" + bytes.fromhex(blob))
    for _ in range(10):
        tree = store.backend.write_object("tree", b"".join(b"40000 %d\0" % n + bytes.fromhex(tree) for n in range(10)))
    commit = _commit(store, _tree(store, ("40000", b"later", tree)))
    started = time.process_time()
    assert "too many entries" in _refused(store, commit)
    store.sync([(samples.RUN, commit)])  # each object once
    assert time.process_time() - started < 5


def test_a_tree_that_is_very_deep(store: GitStore) -> None:
    tree = store.backend.write_object("tree", b"")
    for _ in range(600):
        tree = store.backend.write_object("tree", b"40000 d\0" + bytes.fromhex(tree))
    commit = _commit(store, _tree(store, ("40000", b"later", tree)))
    assert "too deep" in _refused(store, commit)


def test_a_bad_file_is_named_with_its_line_and_commit(store: GitStore) -> None:
    blob = store.backend.write_object("blob", b'"a": 1\n"a": 2\n')
    commit = _commit(store, _tree(store, ("100644", b"params.yaml", blob)))
    assert _refused(store, commit) == (
        f"cannot read 'params.yaml:2': key 'a' stands there twice (commit {commit[:12]})"
    )


def test_history_is_bounded_and_survives_what_is_missing(store: GitStore) -> None:
    commit = _commit(store, _tree(store), extra=f"parent {'1' * 40}\n")
    assert [entry.commit for entry in store.chain(commit)] == [commit]
    with pytest.raises(GitRunsError):
        store.chain(store.backend.write_object("commit", b"tree " + _tree(store).encode() + b"\nauthor Eve\n\nx"))
