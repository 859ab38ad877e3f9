"""Whatever people do to a work tree with git and without: it comes back, and capturing touched nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.trees import Tree, fingerprint, read_tree
from gitruns.capture import capture_source, diff_source, restore_source
from gitruns.gitstore import open_store

NAMES = ["a.py", "b.txt", "d/a.py", "d/e/c.txt", "d", "d/e", "é.txt", ".gitattributes", "x y.bat"]
CONTENTS = [
    b"",
    b"one\n",
    b"two\n",
    b"one\r\ntwo\r\n",
    b"one\r\ntwo\n",
    b"no end",
    b"\r\r\n\n",
    b"$Id$\n",
    b"$Id: x $\r\n",
    bytes(range(256)),
    b"line\n" * 5000,
]
ATTRIBUTES = [
    b"* text=auto\n",
    b"*.txt text eol=crlf\n*.bat text\n",
    b"*.txt text eol=lf\n*.py ident\n",
    b"* -text\n",
    b"*.bat filter=strip\n* text=auto eol=crlf\n",
    b"*.txt crlf=input\n",
]
LINE_ENDS = ["core.autocrlf=true", "core.autocrlf=input", "core.autocrlf=false", "core.eol=crlf", "core.eol=lf"]

names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("write"), names, st.sampled_from(CONTENTS)),
    st.tuples(st.just("attributes"), st.sampled_from(ATTRIBUTES)),
    st.tuples(st.just("setting"), st.sampled_from(LINE_ENDS)),
    st.tuples(st.sampled_from(["delete", "executable", "link", "touch"]), names),
    st.tuples(st.just("capture")),
    st.tuples(
        st.just("git"),
        st.sampled_from(
            [
                ("add", "--all"),
                ("commit", "--quiet", "--allow-empty", "-m", "all", "-a"),
                ("commit", "--quiet", "--allow-empty", "-m", "staged"),
                ("reset", "--quiet", "--soft", "HEAD^"),
                ("reset", "--quiet"),
                ("checkout", "--quiet", "--detach"),
                ("stash", "--quiet"),
                ("stash", "pop", "--quiet"),
                ("rm", "--quiet", "-r", "--cached", "."),
                ("update-index", "--split-index"),
                ("update-index", "--index-version", "4"),
            ]
        ),
    ),
    st.tuples(
        st.just("git-path"),
        st.sampled_from(
            [
                ("add", "--"),
                ("add", "--intent-to-add", "--"),
                ("rm", "--quiet", "--cached", "-r", "--"),
                ("update-index", "--assume-unchanged", "--"),
                ("update-index", "--skip-worktree", "--"),
                ("checkout", "--quiet", "HEAD", "--"),
            ]
        ),
        names,
    ),
)


@pytest.fixture(scope="module", autouse=True)
def quick_to_settle() -> Iterator[None]:
    """Lets looks be kept of files a moment old, so that they are kept at all here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gitruns.capture.reuse._RACY_NS", 20_000_000)
        yield


def run(folder: Path, *args: str) -> None:
    """Runs git; people's commands fail now and then, and what they leave behind is a state as well."""
    subprocess.run(["git", *args], cwd=folder, capture_output=True, check=False)


def play(folder: Path, step: tuple[object, ...]) -> None:
    kind, *rest = step
    if kind == "git":
        run(folder, *rest[0])  # type: ignore[misc]
    elif kind == "git-path":
        run(folder, *rest[0], str(rest[1]))  # type: ignore[misc]
    elif kind == "capture":  # what is kept of this look must not hide what is done after it
        time.sleep(0.03)
        capture_source(open_store(folder, environ=dict(os.environ)))
    elif kind == "setting":
        run(folder, "config", *str(rest[0]).split("="))
    elif kind == "attributes":
        (folder / ".gitattributes").unlink(missing_ok=True)
        (folder / ".gitattributes").write_bytes(rest[0])  # type: ignore[arg-type]
    else:
        with contextlib.suppress(OSError):
            change(folder / str(rest[0]), str(kind), rest[-1])


def change(path: Path, kind: str, content: object) -> None:
    if kind == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)  # type: ignore[arg-type]
    elif kind == "delete" and path.is_dir() and not path.is_symlink():
        path.rename(path.with_name("moved"))
    elif kind == "delete":
        path.unlink()
    elif kind == "executable":
        path.chmod(0o755)
    elif kind == "link":
        path.unlink(missing_ok=True)
        path.symlink_to("b.txt")
    elif kind == "touch":
        os.utime(path, (10**9, 10**9))


def without(tree: Tree, paths: set[str]) -> Tree:
    return {path: content for path, content in tree.items() if path not in paths}


def check(played: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "project")
        folder.mkdir()
        run(folder, "init", "--quiet")
        run(folder, "config", "filter.strip.clean", "sed s/one/ONE/")
        run(folder, "config", "filter.strip.smudge", "sed s/ONE/one/")
        for name in ("a.py", "b.txt", "d/a.py"):
            change(folder / name, "write", b"one\n")
        run(folder, "add", ".")
        run(folder, "commit", "--quiet", "-m", "first")
        for step in played:
            play(folder, step)
        before, expected = fingerprint(folder), read_tree(folder)
        store = open_store(folder, environ=dict(os.environ))
        source = capture_source(store)
        assert fingerprint(folder) == before
        assert {item.reason for item in source.left_out} <= {"binary", "filtered"}
        told = {item.path for item in source.left_out}
        if source.commit is not None:
            restore_source(store, source, Path(place, "restored"))
            assert without(read_tree(Path(place, "restored")), told) == without(expected, told)
            assert capture_source(store).commit == source.commit
            assert diff_source(store, source) == b""
            assert fingerprint(folder) == before


@settings(max_examples=6)
@given(st.lists(steps, max_size=12))
def test_any_tree(played: list[tuple[object, ...]]) -> None:
    check(played)


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.lists(steps, max_size=30))
def test_any_tree_at_length(played: list[tuple[object, ...]]) -> None:
    check(played)
