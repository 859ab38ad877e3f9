"""A tree of every kind comes back byte for byte, and nothing of the user's is touched while it is captured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.trees import Tree, fingerprint, read_tree
from conftest import Git
from gitruns.capture import SnapshotRules, capture_source, diff_source, restore_source
from gitruns.entities.source import Source
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]
Arrange = Callable[[Path, Git], None]


def round_trip(open_at: OpenAt, folder: Path, target: Path, *, gone: tuple[str, ...] = ()) -> Source:
    """Captures a tree and restores it: all but the files `gone` must be the same, and nothing touched."""
    expected: Tree = {path: content for path, content in read_tree(folder).items() if path not in gone}
    before = fingerprint(folder)
    store = open_at(folder)
    source = capture_source(store)
    assert fingerprint(folder) == before
    restore_source(store, source, target)
    assert read_tree(target) == expected
    assert fingerprint(folder) == before
    return source


def modified(folder: Path, git: Git) -> None:
    (folder / "train.py").write_text("print('changed')\n")


def staged(folder: Path, git: Git) -> None:
    (folder / "train.py").write_text("print('staged')\n")
    git(folder, "add", "train.py")


def staged_then_changed_again(folder: Path, git: Git) -> None:
    staged(folder, git)
    (folder / "train.py").write_text("print('again')\n")


def staged_then_changed_back(folder: Path, git: Git) -> None:
    before = (folder / "train.py").read_text()
    staged(folder, git)
    (folder / "train.py").write_text(before)


def untracked(folder: Path, git: Git) -> None:
    (folder / "new").mkdir()
    (folder / "new/module.py").write_text("x = 1\n")
    (folder / "new/empty").touch()


def deleted(folder: Path, git: Git) -> None:
    (folder / "train.py").unlink()


def deleted_staged(folder: Path, git: Git) -> None:
    git(folder, "rm", "--quiet", "train.py")


def removed_from_the_index_only(folder: Path, git: Git) -> None:
    git(folder, "rm", "--quiet", "--cached", "train.py")


def everything_deleted(folder: Path, git: Git) -> None:
    for name in ("train.py", "README.md"):
        (folder / name).unlink()


def renamed(folder: Path, git: Git) -> None:
    (folder / "src").mkdir()
    git(folder, "mv", "train.py", "src/train.py")


def renamed_without_git(folder: Path, git: Git) -> None:
    (folder / "train.py").rename(folder / "fit.py")


def mode_changed(folder: Path, git: Git) -> None:
    (folder / "train.py").chmod(0o755)


def links(folder: Path, git: Git) -> None:
    (folder / "to-file").symlink_to("train.py")
    (folder / "to-nowhere").symlink_to("/nonexistent/place")
    (folder / "data").mkdir()
    (folder / "to-folder").symlink_to("data")
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to("README.md")


def link_becomes_file(folder: Path, git: Git) -> None:
    (folder / "link").symlink_to("train.py")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "link")
    (folder / "link").unlink()
    (folder / "link").write_text("no link any more\n")


def file_becomes_folder(folder: Path, git: Git) -> None:
    (folder / "train.py").unlink()
    (folder / "train.py").mkdir()
    (folder / "train.py/inside.py").write_text("1\n")


def folder_becomes_file(folder: Path, git: Git) -> None:
    (folder / "pkg/deep").mkdir(parents=True)
    (folder / "pkg/deep/a.py").write_text("a\n")
    (folder / "pkg/b.py").write_text("b\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "pkg")
    shutil.rmtree(folder / "pkg")
    (folder / "pkg").write_text("a file now\n")


def folder_becomes_link(folder: Path, git: Git) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "f.py").write_text(f"{name}\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "folders")
    shutil.rmtree(folder / "one")
    (folder / "one").symlink_to("two")


def intent_to_add(folder: Path, git: Git) -> None:
    (folder / "soon.py").write_text("soon\n")
    git(folder, "add", "--intent-to-add", "soon.py")


def intent_to_add_deleted(folder: Path, git: Git) -> None:
    intent_to_add(folder, git)
    (folder / "soon.py").unlink()


def conflicts(folder: Path, git: Git) -> None:
    (folder / "gone-there.py").write_text("base\n")
    (folder / "gone-here.py").write_text("base\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "base")
    git(folder, "checkout", "--quiet", "-b", "side")
    (folder / "train.py").write_text("print('side')\n")
    (folder / "gone-here.py").write_text("side\n")
    (folder / "both-add.py").write_text("side\n")
    git(folder, "rm", "--quiet", "gone-there.py")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "side")
    git(folder, "checkout", "--quiet", "main")
    (folder / "train.py").write_text("print('main')\n")
    (folder / "gone-there.py").write_text("main\n")
    (folder / "both-add.py").write_text("main\n")
    git(folder, "rm", "--quiet", "gone-here.py")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "main")
    with pytest.raises(AssertionError, match="git merge"):
        git(folder, "merge", "side")
    assert git(folder, "ls-files", "--unmerged")


def conflict_deleted(folder: Path, git: Git) -> None:
    conflicts(folder, git)
    (folder / "train.py").unlink()


ODD_NAMES = (
    b"new\nline.py",
    b"tab\there",
    b'quo"te\\',
    b"-dash.py",
    b" space ",
    b"caf\xe9.txt",
    b"\xc3\xbc.py",
    b":(top)x",
)


def odd_names(folder: Path, git: Git) -> None:
    top = os.fsencode(folder)
    os.mkdir(top + b"/sub")
    for name in ODD_NAMES:
        for place in (top + b"/" + name, top + b"/sub/" + name):
            with open(place, "w") as stream:
                stream.write("odd\n")
    git(folder, "add", "--all", "sub")
    git(folder, "commit", "--quiet", "-m", "odd")
    for name in ODD_NAMES:
        with open(top + b"/sub/" + name, "a") as stream:
            stream.write("changed\n")


def line_ends(folder: Path, git: Git) -> None:
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "mixed.txt").write_bytes(b"one\r\ntwo\nthree\r")
    (folder / "binary.dat").write_bytes(bytes(range(256)) * 4)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "line ends")
    (folder / "mixed.txt").write_bytes(b"one\ntwo\r\nthree\r\n\n")
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    (folder / "new.txt").write_bytes(b"a\r\nb\n")
    (folder / "binary.dat").write_bytes(bytes(range(255, -1, -1)) * 4)


def automatic_text(folder: Path, git: Git) -> None:
    """Both the files that changed and those that git calls unchanged stand otherwise than git would write them."""
    (folder / ".gitattributes").write_text("* text=auto\n*.bat text eol=crlf\n*.sh text eol=lf\n*.bin -text\n")
    (folder / "same-mixed.txt").write_bytes(b"one\r\ntwo\n")
    (folder / "same-crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "run.bat").write_bytes(b"echo\r\necho\r\n")
    (folder / "mixed.bat").write_bytes(b"echo\r\necho\n")
    (folder / "lf.bat").write_bytes(b"echo\necho\n")
    (folder / "crlf.sh").write_bytes(b"echo\r\necho\r\n")
    (folder / "raw.bin").write_bytes(b"\r\n\n\0\r\n")
    line_ends(folder, git)
    (folder / "new.bat").write_bytes(b"a\nb\r\n")
    (folder / "later.sh").write_bytes(b"a\r\n")
    (folder / "later.sh").chmod(0o755)


def automatic_crlf(folder: Path, git: Git) -> None:
    git(folder, "config", "core.autocrlf", "true")
    (folder / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "lf.txt").write_bytes(b"one\ntwo\n")
    line_ends(folder, git)
    (folder / "lf.txt").write_bytes(b"one\ntwo\nthree\n")
    (folder / "new-lf.txt").write_bytes(b"one\ntwo\n")


def crlf_on_input(folder: Path, git: Git) -> None:
    git(folder, "config", "core.autocrlf", "input")
    (folder / "crlf2.txt").write_bytes(b"one\r\ntwo\r\n")
    line_ends(folder, git)


def crlf_by_setting(folder: Path, git: Git) -> None:
    git(folder, "config", "core.eol", "crlf")
    (folder / ".gitattributes").write_text("*.txt text\n")
    (folder / "lf.txt").write_bytes(b"one\ntwo\n")
    line_ends(folder, git)


def attributes_of_this_clone_only(folder: Path, git: Git) -> None:
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text("*.txt text eol=crlf\n")
    (folder / "a.txt").write_bytes(b"one\ntwo\r\n")
    line_ends(folder, git)


def ident_and_encoding(folder: Path, git: Git) -> None:
    (folder / ".gitattributes").write_text("*.c ident\n*.u16 text working-tree-encoding=UTF-16\n")
    (folder / "a.c").write_text("/* $Id$ */\n")
    (folder / "b.c").write_text("/* $Id: expanded long ago $ */\n")
    (folder / "t.u16").write_bytes("text\nlines\n".encode("utf-16"))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "ident")
    (folder / "c.c").write_text("/* $Id: 123 $ */\n")
    (folder / "t.u16").write_bytes("other text\r\nlines\n".encode("utf-16"))


def filters(folder: Path, git: Git) -> None:
    """As LFS: what git stores is something else, and only the filter's way out gives the file back."""
    git(folder, "config", "filter.turn.clean", "tr a-zA-Z n-za-mN-ZA-M")
    git(folder, "config", "filter.turn.smudge", "tr a-zA-Z n-za-mN-ZA-M")
    git(folder, "config", "filter.turn.required", "true")
    (folder / ".gitattributes").write_text("*.turned filter=turn\n")
    (folder / "same.turned").write_text("Hello\n")
    (folder / "changed.turned").write_text("Hello\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "filtered")
    (folder / "changed.turned").write_text("Good bye\n")
    (folder / "new.turned").write_text("Soon\n")


def nested_repositories(folder: Path, git: Git) -> None:
    for name in ("library", "sub/empty", "library/deeper"):
        nested = folder / name
        nested.mkdir(parents=True)
        git(nested, "init", "--quiet")
        (nested / "code.py").write_text(f"# {name}\n")
        (nested / "made.py").write_text("ignored\n")
    git(folder / "library", "add", "code.py")
    git(folder / "library", "commit", "--quiet", "-m", "nested")
    (folder / "library/code.py").write_text("# changed\n")
    (folder / "library/new.py").write_text("# untracked there\n")
    for name in ("library", "sub/empty", "library/deeper"):
        (folder / name / "made.py").unlink()


def hidden_changes(folder: Path, git: Git) -> None:
    """Files that git was told not to look at run all the same."""
    (folder / "local.py").write_text("a\n")
    (folder / "skipped.py").write_text("a\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "more")
    git(folder, "update-index", "--assume-unchanged", "local.py")
    git(folder, "update-index", "--skip-worktree", "skipped.py")
    (folder / "local.py").write_text("changed, unseen\n")
    (folder / "skipped.py").write_text("changed, unseen as well\n")


def split_index(folder: Path, git: Git) -> None:
    git(folder, "config", "core.splitIndex", "true")
    git(folder, "update-index", "--split-index")
    modified(folder, git)
    git(folder, "add", "train.py")
    hidden_changes(folder, git)


def stale_index(folder: Path, git: Git) -> None:
    for path in folder.glob("*.*"):
        os.utime(path, (1, 1))


def detached(folder: Path, git: Git) -> None:
    git(folder, "checkout", "--quiet", "--detach")
    modified(folder, git)


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
    modified(folder, git)
    git(folder, "stash", "--quiet")
    (folder / "other.py").write_text("x\n")


DIRTY: list[Arrange] = [
    modified,
    staged,
    staged_then_changed_again,
    untracked,
    deleted,
    deleted_staged,
    everything_deleted,
    renamed,
    renamed_without_git,
    mode_changed,
    links,
    link_becomes_file,
    file_becomes_folder,
    folder_becomes_file,
    folder_becomes_link,
    intent_to_add,
    conflicts,
    conflict_deleted,
    odd_names,
    line_ends,
    automatic_text,
    automatic_crlf,
    crlf_on_input,
    crlf_by_setting,
    attributes_of_this_clone_only,
    ident_and_encoding,
    filters,
    nested_repositories,
    hidden_changes,
    split_index,
    detached,
    rebasing,
    stashed,
]
SAME: list[Arrange] = [
    stale_index,
    intent_to_add_deleted,
    staged_then_changed_back,
    removed_from_the_index_only,
]


@pytest.mark.parametrize("arrange", DIRTY, ids=lambda arrange: arrange.__name__)
def test_a_dirty_tree_comes_back(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, arrange: Arrange) -> None:
    arrange(git_repo, git)
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


@pytest.mark.parametrize("arrange", SAME, ids=lambda arrange: arrange.__name__)
def test_a_tree_that_equals_head_is_head(
    git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, arrange: Arrange
) -> None:
    arrange(git_repo, git)
    objects = git(git_repo, "count-objects")
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert source.commit == git(git_repo, "rev-parse", "HEAD")
    assert source.snapshot_tree == git(git_repo, "rev-parse", "HEAD^{tree}")
    assert git(git_repo, "count-objects") == objects or arrange is removed_from_the_index_only


def test_everything_at_once(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    for number in range(40):
        (git_repo / f"m{number}.txt").write_text(f"{number}\n" * 50)
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "many")
    for arrange in (automatic_text, filters, hidden_changes, odd_names, untracked, mode_changed, nested_repositories):
        arrange(git_repo, git)
    source = round_trip(open_at, git_repo, tmp_path / "restored")
    assert capture_source(open_at(git_repo), SnapshotRules()) == source
