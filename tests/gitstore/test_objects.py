"""Our bytes are git's bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Identity
from gitruns.errors import CorruptDataError
from gitruns.gitstore.objects import (
    FILE_MODE,
    FOLDER_MODE,
    Author,
    Commit,
    Tag,
    TreeEntry,
    clean_name,
    decode_commit,
    decode_tag,
    decode_tree,
    encode_commit,
    encode_tag,
    encode_tree,
    hash_object,
)
from gitruns.testing.strategies import texts

OID = ObjectId("1" * 40)
plain_names = st.text(alphabet="abcé XYZ", min_size=1).map(clean_name).filter(bool)
authors = st.builds(
    Author,
    st.builds(Identity, name=plain_names, email=plain_names, utc_offset_minutes=st.integers(-14 * 60, 14 * 60)),
    st.integers(min_value=0, max_value=2**33).map(lambda seconds: seconds * 1000),
)
ids = st.binary(min_size=20, max_size=20).map(lambda data: ObjectId(data.hex()))


@given(
    st.builds(
        Commit,
        tree=ids,
        parents=st.lists(ids, max_size=3).map(tuple),
        author=authors,
        committer=authors,
        message=texts.filter(lambda text: "\0" not in text),
        extra=st.lists(
            st.tuples(st.sampled_from(["gpgsig", "encoding", "mergetag"]), st.text(alphabet="ab\n ", min_size=1)),
            max_size=2,
        ).map(tuple),
    )
)
def test_a_commit_comes_back(commit: Commit) -> None:
    assert decode_commit(encode_commit(commit), OID) == commit


@given(
    st.builds(
        Tag,
        target=ids,
        target_kind=st.sampled_from(["commit", "tree"]),
        name=st.sampled_from(["models/a/v1", "v2"]),
        tagger=authors,
        message=texts.filter(lambda text: "\0" not in text),
    )
)
def test_a_tag_comes_back(tag: Tag) -> None:
    assert decode_tag(encode_tag(tag), OID) == tag


entry_names = (
    st.text(alphabet="aB.-~ é/", min_size=1, max_size=6)
    .map(lambda name: name.replace("/", ""))
    .filter(lambda name: name not in ("", ".", ".."))
    .map(str.encode)
)


@given(
    st.lists(
        st.builds(TreeEntry, st.sampled_from([FILE_MODE, FOLDER_MODE]), entry_names, ids),
        unique_by=lambda entry: entry.name,
    )
)
def test_a_tree_comes_back_in_gits_order(entries: list[TreeEntry]) -> None:
    back = decode_tree(encode_tree(entries), OID)
    assert sorted(back, key=lambda entry: entry.name) == sorted(entries, key=lambda entry: entry.name)
    assert encode_tree(reversed(entries)) == encode_tree(back)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path], check=True)
    return tmp_path


def _git(folder: Path, *args: str, stdin: bytes = b"", **environ: str) -> bytes:
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, env={**os.environ, **environ}, capture_output=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "email"),
    [("Ada Lovelace", "ada@x.org"), (" .Ada, <x>\n;'", "<a@b>"), ("Żółć 🦦", "z@ż.pl"), ('"Ada"', "a b"), ("A", "")],
)
@pytest.mark.parametrize("offset", [0, 330, -210])
def test_git_makes_the_same_commit(bare: Path, name: str, email: str, offset: int) -> None:
    tree = _git(bare, "mktree").decode()
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}{abs(offset) % 60:02}"
    who = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": f"1700000000 {zone}",
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": f"1700000000 {zone}",
    }
    made = _git(bare, "commit-tree", tree, stdin="a ✓\n\nbody\n".encode(), **who).decode()
    author = Author(Identity(name=name, email=email, utc_offset_minutes=offset), 1_700_000_000_999)
    data = encode_commit(
        Commit(tree=ObjectId(tree), parents=(), author=author, committer=author, message="a ✓\n\nbody\n")
    )
    assert data.strip() == _git(bare, "cat-file", "commit", made)
    assert hash_object("commit", data) == made


def test_git_makes_the_same_tree(bare: Path) -> None:
    blob = ObjectId(_git(bare, "hash-object", "-w", "--stdin", stdin=b"x").decode())
    sub = ObjectId(_git(bare, "mktree").decode())
    listed = "".join(
        f"{kind}\t{name}\0"
        for name, kind in {"a": f"040000 tree {sub}", "a.b": f"100644 blob {blob}", "a0": f"100644 blob {blob}"}.items()
    )
    made = _git(bare, "mktree", "-z", stdin=listed.encode()).decode()
    entries = [TreeEntry(FOLDER_MODE, b"a", sub), TreeEntry(FILE_MODE, b"a.b", blob), TreeEntry(FILE_MODE, b"a0", blob)]
    assert hash_object("tree", encode_tree(entries)) == made


def test_git_takes_our_tag(bare: Path) -> None:
    tree = ObjectId(_git(bare, "mktree").decode())
    tag = Tag(
        target=tree,
        target_kind="tree",
        name="models/a/v1",
        tagger=Author(Identity(name="Ada", email="a@b"), 1_700_000_000_000),
        message="model a, version 1\n",
    )
    assert _git(bare, "mktag", stdin=encode_tag(tag)).decode() == hash_object("tag", encode_tag(tag))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tree " + b"1" * 40 + b"\n\nno author",
        b"author A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nno tree",
        b"tree " + b"1" * 40 + b"\nauthor A <a>\ncommitter A <a> 1 +0000\n\nno time",
        b"tree " + b"1" * 40 + b"\nauthor A <a> 99999999999999999999999 +0000\ncommitter A <a> 1 +0000\n\nlong time",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_commit(data: bytes) -> None:
    with pytest.raises(CorruptDataError, match=OID):
        decode_commit(data, OID)


def _entry(name: bytes, mode: bytes = b"100644") -> bytes:
    return mode + b" " + name + b"\0" + b"\x11" * 20


@pytest.mark.parametrize(
    "data",
    [
        _entry(b".."),
        _entry(b"."),
        _entry(b""),
        _entry(b".git"),
        _entry(b".GIT"),
        _entry(b"a/b"),
        _entry(b"a") + _entry(b"a"),
        _entry(b"b") + _entry(b"a"),
        _entry(b"a", b"40000") + _entry(b"a."),
        _entry(b"a", b"0100644"),
        _entry(b"a", b"x"),
        _entry(b"a", b""),
        _entry(b"a")[:-1],
        b"100644 a",
        b"garbage",
    ],
)
def test_what_is_no_tree(data: bytes) -> None:
    with pytest.raises(CorruptDataError, match=OID) as caught:
        decode_tree(data, OID)
    assert caught.value.kind == "corrupt-object"
