"""A tree of every kind comes back byte for byte, and nothing of the user's is touched while it is captured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from capture.trees import fingerprint, read_tree
from conftest import Git
from gitruns.capture import capture_source, diff_source, restore_source
from gitruns.entities.source import Source
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]
Arrange = Callable[[Path, Git], Generator[None, None, None]]
"""Prepares a folder that holds `train.py` and `README.md`; is committed at `yield`; then makes the folder dirty."""


def round_trip(open_at: OpenAt, folder: Path, target: Path) -> Source:
    """Captures a tree and restores it: all must be the same, and nothing touched."""
    expected, before = read_tree(folder), fingerprint(folder)
    store = open_at(folder)
    source = capture_source(store)
    restore_source(store, source, target)
    assert read_tree(target) == expected
    assert fingerprint(folder) == before
    return source


def arranged(folder: Path, git: Git, arrangements: Sequence[Arrange]) -> None:
    """Lets each arrangement play in a folder of its own, all in one commit."""
    started = []
    for arrange in arrangements:
        own = folder / arrange.__name__
        own.mkdir()
        (own / "train.py").write_text("print('training')\n")
        (own / "README.md").write_text("# project\n")
        steps = arrange(own, git)
        next(steps)
        started.append(steps)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "arranged")
    for steps in started:
        assert next(steps, None) is None


# What a folder can be


def modified(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "train.py").write_text("print('changed')\n")


def staged(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "train.py").write_text("print('staged')\n")
    git(folder, "add", "train.py")


def staged_then_changed_again(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "train.py").write_text("print('staged')\n")
    (folder / "README.md").write_text("staged, then as before\n")
    git(folder, "add", ".")
    (folder / "train.py").write_text("print('again')\n")
    (folder / "README.md").write_text("# project\n")


def untracked(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "new").mkdir()
    (folder / "new/module.py").write_text("x = 1\n")
    (folder / "new/empty").touch()


def deleted(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "train.py").unlink()
    git(folder, "rm", "--quiet", "README.md")


def removed_from_the_index_only(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    git(folder, "rm", "--quiet", "--cached", "train.py")


def renamed(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "src").mkdir()
    git(folder, "mv", "train.py", "src/train.py")
    (folder / "README.md").rename(folder / "LIESMICH.md")


def mode_changed(folder: Path, git: Git) -> Generator[None, None, None]:
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    yield
    (folder / "train.py").chmod(0o755)
    (folder / "run.sh").chmod(0o644)


def links(folder: Path, git: Git) -> Generator[None, None, None]:
    (folder / "link").symlink_to("train.py")
    yield
    (folder / "to-file").symlink_to("train.py")
    (folder / "to-nowhere").symlink_to("/nonexistent/place")
    (folder / "data").mkdir()
    (folder / "to-folder").symlink_to("data")
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to("README.md")
    (folder / "link").unlink()
    (folder / "link").write_text("no link any more\n")


def file_becomes_folder(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "train.py").unlink()
    (folder / "train.py").mkdir()
    (folder / "train.py/inside.py").write_text("1\n")


def folder_becomes_file(folder: Path, git: Git) -> Generator[None, None, None]:
    (folder / "pkg/deep").mkdir(parents=True)
    (folder / "pkg/deep/a.py").write_text("a\n")
    (folder / "pkg/b.py").write_text("b\n")
    yield
    shutil.rmtree(folder / "pkg")
    (folder / "pkg").write_text("a file now\n")


def folder_becomes_link(folder: Path, git: Git) -> Generator[None, None, None]:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "f.py").write_text(f"{name}\n")
    yield
    shutil.rmtree(folder / "one")
    (folder / "one").symlink_to("two")


def intent_to_add(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    (folder / "soon.py").write_text("soon\n")
    (folder / "gone.py").write_text("soon gone\n")
    git(folder, "add", "--intent-to-add", "soon.py", "gone.py")
    (folder / "gone.py").unlink()


ODD_NAMES = (
    b"new\nline.py",
    b"tab\there",
    b'quo"te\\',
    b"-dash.py",
    b" space ",
    b"caf\xe9",
    b"\xc3\xbc.py",
    b":(top)x",
)


def odd_names(folder: Path, git: Git) -> Generator[None, None, None]:
    top = os.fsencode(folder)
    os.mkdir(top + b"/sub")
    for name in ODD_NAMES:
        with open(top + b"/sub/" + name, "w") as stream:
            stream.write("odd\n")
    yield
    for name in ODD_NAMES:
        for place in (top + b"/" + name, top + b"/sub/" + name):
            with open(place, "a") as stream:
                stream.write("changed\n")


def line_ends(folder: Path, git: Git) -> Generator[None, None, None]:
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "mixed.txt").write_bytes(b"one\r\ntwo\nthree\r")
    (folder / "same-mixed.txt").write_bytes(b"one\r\ntwo\n")
    (folder / "same-crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "same-lf.txt").write_bytes(b"one\ntwo\n")
    (folder / "binary.dat").write_bytes(bytes(range(256)) * 4)
    yield
    (folder / "mixed.txt").write_bytes(b"one\ntwo\r\nthree\r\n\n")
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    (folder / "new.txt").write_bytes(b"a\r\nb\n")
    (folder / "new-lf.txt").write_bytes(b"one\ntwo\n")
    (folder / "binary.dat").write_bytes(bytes(range(255, -1, -1)) * 4)


def automatic_text(folder: Path, git: Git) -> Generator[None, None, None]:
    """Both the files that changed and those that git calls unchanged stand otherwise than git would write them."""
    (folder / ".gitattributes").write_text("* text=auto\n*.bat text eol=crlf\n*.sh text eol=lf\n*.bin -text\n")
    (folder / "run.bat").write_bytes(b"echo\r\necho\r\n")
    (folder / "mixed.bat").write_bytes(b"echo\r\necho\n")
    (folder / "lf.bat").write_bytes(b"echo\necho\n")
    (folder / "crlf.sh").write_bytes(b"echo\r\necho\r\n")
    (folder / "raw.bin").write_bytes(b"\r\n\n\0\r\n")
    yield from line_ends(folder, git)
    (folder / "new.bat").write_bytes(b"a\nb\r\n")
    (folder / "later.sh").write_bytes(b"a\r\n")
    (folder / "later.sh").chmod(0o755)


def ident_and_encoding(folder: Path, git: Git) -> Generator[None, None, None]:
    (folder / ".gitattributes").write_text("*.c ident\n*.u16 text working-tree-encoding=UTF-16\n")
    (folder / "a.c").write_text("/* $Id$ */\n")
    (folder / "b.c").write_text("/* $Id: expanded long ago $ */\n")
    (folder / "t.u16").write_bytes("text\nlines\n".encode("utf-16"))
    yield
    (folder / "c.c").write_text("/* $Id: 123 $ */\n")
    (folder / "t.u16").write_bytes("other text\r\nlines\n".encode("utf-16"))


def filters(folder: Path, git: Git) -> Generator[None, None, None]:
    """As LFS: what git stores is something else, and only the filter's way out gives the file back."""
    git(folder, "config", "filter.turn.clean", "tr a-zA-Z n-za-mN-ZA-M")
    git(folder, "config", "filter.turn.smudge", "tr a-zA-Z n-za-mN-ZA-M")
    git(folder, "config", "filter.turn.required", "true")
    (folder / ".gitattributes").write_text("*.turned filter=turn\n")
    (folder / "same.turned").write_text("Hello\n")
    (folder / "changed.turned").write_text("Hello\n")
    yield
    (folder / "changed.turned").write_text("Good bye\n")
    (folder / "new.turned").write_text("Soon\n")


def nested_repositories(folder: Path, git: Git) -> Generator[None, None, None]:
    yield
    for name in ("library", "sub/empty", "library/deeper"):
        nested = folder / name
        nested.mkdir(parents=True)
        git(nested, "init", "--quiet")
        (nested / "code.py").write_text(f"# {name}\n")
    git(folder / "library", "add", "code.py")
    git(folder / "library", "commit", "--quiet", "-m", "nested")
    (folder / "library/code.py").write_text("# changed\n")
    (folder / "library/new.py").write_text("# untracked there\n")


def hidden_changes(folder: Path, git: Git) -> Generator[None, None, None]:
    """Files that git was told not to look at run all the same."""
    (folder / "local.py").write_text("a\n")
    (folder / "skipped.py").write_text("a\n")
    (folder / "skipped and gone.py").write_text("a\n")
    yield
    git(folder, "update-index", "--assume-unchanged", "local.py")
    git(folder, "update-index", "--skip-worktree", "skipped.py")
    (folder / "local.py").write_text("changed, unseen\n")
    (folder / "skipped.py").write_text("changed, unseen as well\n")


FOLDERS: list[Arrange] = [
    modified,
    staged,
    staged_then_changed_again,
    untracked,
    deleted,
    removed_from_the_index_only,
    renamed,
    mode_changed,
    links,
    file_becomes_folder,
    folder_becomes_file,
    folder_becomes_link,
    intent_to_add,
    odd_names,
    line_ends,
    automatic_text,
    ident_and_encoding,
    filters,
    nested_repositories,
    hidden_changes,
]


def test_every_kind_of_change_comes_back(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    arranged(git_repo, git, FOLDERS)
    head = git(git_repo, "rev-parse", "HEAD")
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert source.dirty
    assert not source.left_out
    assert source.base == head
    assert git(git_repo, "rev-parse", f"{source.commit}^", f"{source.commit}^{{tree}}").split() == [
        head,
        source.snapshot_tree,
    ]
    # The same tree on the same parent is the same commit, also when nothing is remembered of it.
    shutil.rmtree(git_repo / ".git/gitruns")
    assert capture_source(open_at(git_repo)) == source
    assert capture_source(open_at(git_repo)) == source
    assert diff_source(open_at(git_repo), source) == b""
    git(git_repo, "fsck", "--strict")


@pytest.mark.slow
@pytest.mark.parametrize("arrange", FOLDERS, ids=lambda arrange: arrange.__name__)
def test_a_change_alone_comes_back(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, arrange: Arrange) -> None:
    arranged(git_repo, git, [arrange])
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert source.dirty
    assert not source.left_out
    assert diff_source(open_at(git_repo), source) == b""


# What a whole repository can be

Prepare = Callable[[Path, Git], None]


def nothing(folder: Path, git: Git) -> None:
    """Line ends as they are, under no rule."""


def automatic_crlf(folder: Path, git: Git) -> None:
    git(folder, "config", "core.autocrlf", "true")


def crlf_on_input(folder: Path, git: Git) -> None:
    git(folder, "config", "core.autocrlf", "input")


def crlf_by_setting(folder: Path, git: Git) -> None:
    git(folder, "config", "core.eol", "crlf")
    (folder / ".gitattributes").write_text("*.txt text\n")


def attributes_of_this_clone_only(folder: Path, git: Git) -> None:
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text("*.txt text eol=crlf\n")


@pytest.mark.parametrize(
    "prepare",
    [nothing, automatic_crlf, crlf_on_input, crlf_by_setting, attributes_of_this_clone_only],
    ids=lambda prepare: prepare.__name__,
)
def test_line_ends_under_each_rule(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, prepare: Prepare) -> None:
    prepare(git_repo, git)
    arranged(git_repo, git, [line_ends])
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert not source.left_out
    assert capture_source(open_at(git_repo)) == source


def split_index(folder: Path, git: Git) -> None:
    git(folder, "config", "core.splitIndex", "true")
    git(folder, "update-index", "--split-index")
    arranged(folder, git, [staged, hidden_changes])


def detached(folder: Path, git: Git) -> None:
    git(folder, "checkout", "--quiet", "--detach")
    (folder / "train.py").write_text("detached\n")


def rebasing(folder: Path, git: Git) -> None:
    git(folder, "checkout", "--quiet", "-b", "topic")
    (folder / "train.py").write_text("topic\n")
    git(folder, "commit", "--quiet", "-am", "topic")
    git(folder, "checkout", "--quiet", "main")
    (folder / "train.py").write_text("main\n")
    git(folder, "commit", "--quiet", "-am", "main")
    with pytest.raises(AssertionError, match="git rebase"):
        git(folder, "rebase", "main", "topic")
    assert (folder / ".git/rebase-merge").exists()


def stashed(folder: Path, git: Git) -> None:
    (folder / "train.py").write_text("stashed\n")
    git(folder, "stash", "--quiet")
    (folder / "other.py").write_text("x\n")


def conflicts(folder: Path, git: Git) -> None:
    for name in ("gone-there.py", "gone-here.py", "deleted-since.py"):
        (folder / name).write_text("base\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "base")
    for branch, gone in (("side", "gone-there.py"), ("main", "gone-here.py")):
        git(folder, "checkout", "--quiet", *(["-b"] if branch == "side" else []), branch)
        for name in ("train.py", "gone-there.py", "gone-here.py", "both-add.py", "deleted-since.py"):
            (folder / name).write_text(f"{branch}\n")
        (folder / gone).unlink()
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", branch)
    with pytest.raises(AssertionError, match="git merge"):
        git(folder, "merge", "side")
    (folder / "deleted-since.py").unlink()
    assert len(set(git(folder, "ls-files", "--unmerged", "--format=%(path)").splitlines())) == 5


@pytest.mark.parametrize(
    "prepare", [split_index, detached, rebasing, stashed, conflicts], ids=lambda prepare: prepare.__name__
)
def test_a_repository_in_the_midst_of_things(
    git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, prepare: Prepare
) -> None:
    prepare(git_repo, git)
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert source.dirty
    assert not source.left_out
    assert source.base == git(git_repo, "rev-parse", "HEAD")
    assert source.branch == (None if prepare in (detached, rebasing) else "main")


# What looks dirty and is HEAD


def stale_index(folder: Path, git: Git) -> None:
    for path in folder.glob("*.*"):
        os.utime(path, (1, 1))


def changed_back(folder: Path, git: Git) -> None:
    before = (folder / "train.py").read_text()
    (folder / "train.py").write_text("print('staged')\n")
    git(folder, "add", "train.py")
    (folder / "train.py").write_text(before)
    git(folder, "rm", "--quiet", "--cached", "README.md")


@pytest.mark.parametrize("prepare", [stale_index, changed_back], ids=lambda prepare: prepare.__name__)
def test_a_tree_that_equals_head_is_head(
    git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, prepare: Prepare
) -> None:
    prepare(git_repo, git)
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert source.commit == git(git_repo, "rev-parse", "HEAD")
    assert source.snapshot_tree == git(git_repo, "rev-parse", "HEAD^{tree}")
