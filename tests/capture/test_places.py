"""Every kind of repository: unborn, bare, linked, shallow, partial, SHA-256, sparse, with submodules."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.trees import fingerprint, read_tree
from conftest import Git
from gitruns.capture import SnapshotRules, capture_source, diff_source, restore_source
from gitruns.entities.source import LeftOut, Source
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]


def round_trip(open_at: OpenAt, folder: Path, target: Path) -> Source:
    """Captures a tree and restores it: all must be the same, and nothing touched."""
    before = fingerprint(folder)
    store = open_at(folder)
    source = capture_source(store)
    restore_source(store, source, target)
    assert read_tree(target) == read_tree(folder)
    assert fingerprint(folder) == before
    return source


def test_a_repository_without_commits(git: Git, tmp_path: Path, open_at: OpenAt) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    git(folder, "init", "--quiet")
    assert capture_source(open_at(folder)) == Source(
        branch="main",
        code_tree=git(folder, "hash-object", "-t", "tree", "/dev/null"),  # type: ignore[arg-type]
        snapshot_tree=git(folder, "hash-object", "-t", "tree", "/dev/null"),  # type: ignore[arg-type]
    )
    (folder / "train.py").write_text("x\n")
    (folder / "staged.py").write_text("y\n")
    git(folder, "add", "staged.py")
    source = round_trip(open_at, folder, tmp_path / "restored")
    assert source.base is None
    assert source.branch == "main"
    assert source.dirty
    assert git(folder, "log", "--format=%P|%an|%at", str(source.commit)) == "|gitruns|0"
    assert git(folder, "ls-tree", "--name-only", str(source.code_tree)) == "staged.py"
    mono = capture_source(open_at(folder), SnapshotRules(paths=("train.py",)))
    assert git(folder, "ls-tree", "--name-only", str(mono.snapshot_tree)) == "train.py"


def test_the_parents_time_is_the_snapshots(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text("x")
    source = capture_source(open_at(git_repo))
    head = git(git_repo, "log", "-1", "--format=%ct", "HEAD")
    assert git(git_repo, "log", "-1", "--format=%at %ct %an <%ae> %s", str(source.commit)) == (
        f"{head} {head} gitruns <gitruns@localhost> source of a run"
    )


def test_a_bare_repository(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(git_repo), "bare.git")
    store = open_at(tmp_path / "bare.git")
    source = capture_source(store)
    assert source.commit is None
    with pytest.raises(NotFoundError, match="no source"):
        restore_source(store, source, tmp_path / "restored")
    # The source of a run that came here by push comes out of it all the same.
    pushed = capture_source(open_at(git_repo))
    restore_source(store, pushed, tmp_path / "restored")
    assert read_tree(tmp_path / "restored") == read_tree(git_repo)
    with pytest.raises(InvalidInputError, match="a bare repository has none"):
        diff_source(store, pushed)


def test_a_linked_work_tree(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    git(git_repo, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side/train.py").write_text("side\n")
    (tmp_path / "side/new.py").write_text("side\n")
    before = fingerprint(git_repo)
    source = round_trip(open_at, tmp_path / "side", tmp_path / "restored")
    assert fingerprint(git_repo) == before
    assert source.branch == "side"
    assert not capture_source(open_at(git_repo)).dirty
    assert len(list((git_repo / ".git/gitruns/snapshots").iterdir())) == 1


@pytest.mark.parametrize("kind", ["--depth=1", "--filter=blob:none", "--filter=tree:0"])
def test_shallow_and_partial_clones(
    git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (git_repo / "train.py").write_text(f"{number}\n")
        git(git_repo, "commit", "--quiet", "-am", f"{number}")
    git(git_repo, "config", "uploadpack.allowFilter", "true")
    git(git_repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(tmp_path, "clone", "--quiet", kind, f"file://{git_repo}", "clone")
    clone = tmp_path / "clone"
    assert not round_trip(open_at, clone, tmp_path / "clean").dirty
    (clone / "README.md").write_text("changed\n")
    (clone / "new.py").write_text("new\n")
    # A start reaches for no network: what it needs is here.
    git(clone, "config", "remote.origin.url", "file:///nonexistent")
    source = round_trip(open_at, clone, tmp_path / "restored")
    assert source.dirty
    assert git(clone, "rev-parse", f"{source.commit}^") == source.base


def test_a_sha256_repository(git: Git, tmp_path: Path, open_at: OpenAt) -> None:
    folder = tmp_path / "modern"
    folder.mkdir()
    git(folder, "init", "--quiet", "--object-format=sha256")
    (folder / ".gitattributes").write_text("* text=auto\n")
    (folder / "train.py").write_bytes(b"a\r\nb\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    (folder / "new.py").write_text("new\n")
    source = round_trip(open_at, folder, tmp_path / "restored")
    assert source.commit is not None
    assert len(source.commit) == 64
    (folder / "new.py").unlink()
    (folder / "train.py").write_bytes(b"a\nb\n")
    assert round_trip(open_at, folder, tmp_path / "clean").commit == source.base
    git(folder, "fsck", "--strict")


@pytest.mark.parametrize("index", ["--no-sparse-index", "--sparse-index"])
def test_a_sparse_checkout(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, index: str) -> None:
    for name in ("in/a.py", "out/b.py", "out/deep/c.py", "out/deep/d.py"):
        (git_repo / name).parent.mkdir(exist_ok=True, parents=True)
        (git_repo / name).write_text(f"{name}\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "more")
    git(git_repo, "sparse-checkout", "set", "--cone", index, "in")
    assert not (git_repo / "out").exists()
    source = capture_source(open_at(git_repo))
    assert source.commit == source.base
    assert not source.dirty
    # What is not checked out is part of the source as HEAD has it; what was put there by hand, as it stands.
    (git_repo / "in/a.py").write_text("changed\n")
    (git_repo / "out/deep").mkdir(parents=True)
    (git_repo / "out/deep/c.py").write_text("by hand\n")
    (git_repo / "out/deep/new.py").write_text("new\n")
    before = fingerprint(git_repo)
    source = capture_source(open_at(git_repo))
    assert fingerprint(git_repo) == before
    restore_source(open_at(git_repo), source, tmp_path / "restored")
    restored = read_tree(tmp_path / "restored")
    assert read_tree(git_repo).items() <= restored.items()
    assert {path for path in restored if path not in read_tree(git_repo)} == {"out/b.py", "out/deep/d.py"}
    # Half-present folders: a file that sparse left out of a folder that is there.
    assert restored["out/deep/d.py"][1] == b"out/deep/d.py\n"


@pytest.fixture
def with_submodule(git: Git, git_repo: Path, tmp_path: Path, isolated_home: Path) -> Path:
    git(tmp_path, "config", "--global", "protocol.file.allow", "always")
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    (library / "lib.py").write_text("one\n")
    (library / "crlf.txt").write_bytes(b"a\r\nb\n")
    git(library, "add", ".")
    git(library, "commit", "--quiet", "-m", "one")
    git(git_repo, "submodule", "--quiet", "add", str(library), "vendor/library")
    git(git_repo, "commit", "--quiet", "-m", "submodule")
    return git_repo


def test_a_submodule_at_its_commit(git: Git, with_submodule: Path, tmp_path: Path, open_at: OpenAt) -> None:
    source = round_trip(open_at, with_submodule, tmp_path / "clean")
    assert source.commit == source.base
    (with_submodule / "train.py").write_text("changed\n")
    assert round_trip(open_at, with_submodule, tmp_path / "dirty").left_out == ()
    inner = with_submodule / "vendor/library"
    (inner / "lib.py").write_text("two\n")
    git(inner, "commit", "--quiet", "-am", "two")
    source = round_trip(open_at, with_submodule, tmp_path / "moved")
    assert git(with_submodule, "rev-parse", f"{source.commit}:vendor/library") == git(inner, "rev-parse", "HEAD")


@pytest.mark.parametrize("ignore", ["none", "all"])
def test_a_submodules_own_changes_are_said(
    git: Git, with_submodule: Path, tmp_path: Path, open_at: OpenAt, ignore: str
) -> None:
    git(with_submodule, "config", "submodule.vendor/library.ignore", ignore)
    inner = with_submodule / "vendor/library"
    for change in (lambda: (inner / "lib.py").write_text("mine\n"), lambda: (inner / "new.py").write_text("mine\n")):
        change()
        before = fingerprint(with_submodule)
        source = capture_source(open_at(with_submodule))
        assert fingerprint(with_submodule) == before
        assert source.left_out == (LeftOut(path="vendor/library", reason="submodule-changes"),)
        assert source.dirty
        assert source.commit == source.base
        git(inner, "checkout", "--quiet", ".")


def test_a_submodule_that_is_not_here_is_said(git: Git, with_submodule: Path, tmp_path: Path, open_at: OpenAt) -> None:
    git(tmp_path, "clone", "--quiet", str(with_submodule), "clone")
    store = open_at(tmp_path / "clone")
    source = capture_source(store)
    assert source.commit == source.base
    restored = restore_source(store, source, tmp_path / "restored")
    assert restored.missing_submodules == ("vendor/library",)
    assert (tmp_path / "restored/vendor/library").is_dir()


def test_capture_inside_a_submodule(git: Git, with_submodule: Path, tmp_path: Path, open_at: OpenAt) -> None:
    inner = with_submodule / "vendor/library"
    (inner / "lib.py").write_text("mine\n")
    source = capture_source(open_at(inner))
    restore_source(open_at(inner), source, tmp_path / "restored")
    assert read_tree(tmp_path / "restored") == read_tree(inner)


def test_an_index_that_is_missing(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    (git_repo / ".git/index").unlink()
    source = capture_source(open_at(git_repo))
    restore_source(open_at(git_repo), source, tmp_path / "restored")
    assert read_tree(tmp_path / "restored") == read_tree(git_repo)
    assert not (git_repo / ".git/index").exists()


def test_an_index_that_somebody_locked(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    (git_repo / ".git/index.lock").touch()
    (git_repo / "train.py").write_text("x\n")
    assert round_trip(open_at, git_repo, tmp_path / "restored").dirty


def test_a_work_tree_that_git_config_moves(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    shutil.move(git_repo / ".git", tmp_path / "elsewhere.git")
    git(tmp_path, "--git-dir=elsewhere.git", "config", "core.worktree", str(git_repo))
    (git_repo / ".git").write_text(f"gitdir: {tmp_path}/elsewhere.git\n")
    (git_repo / "train.py").write_text("x\n")
    source = capture_source(open_at(git_repo))
    restore_source(open_at(git_repo), source, tmp_path / "restored")
    assert read_tree(tmp_path / "restored") == read_tree(git_repo)


def test_in_a_hook_of_git(git: Git, git_repo: Path, open_at: OpenAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """git tells its hooks of another index; ours is not that one."""
    (git_repo / "train.py").write_text("x\n")
    expected = capture_source(open_at(git_repo))
    shutil.copy(git_repo / ".git/index", git_repo / ".git/next-index-1.lock")
    monkeypatch.setenv("GIT_INDEX_FILE", str(git_repo / ".git/next-index-1.lock"))
    monkeypatch.setenv("GIT_DIR", str(git_repo / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(git_repo))
    monkeypatch.setenv("GIT_PREFIX", "sub/")
    before = fingerprint(git_repo)
    assert capture_source(open_at(git_repo)) == expected
    assert fingerprint(git_repo) == before


def test_what_the_users_settings_could_change(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    (git_repo / "other.py").write_text("other\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "other")
    (git_repo / "train.py").rename(git_repo / "fit.py")
    git(git_repo, "add", ".")
    expected = capture_source(open_at(git_repo))
    for setting in (
        "status.renames=copies",
        "status.showUntrackedFiles=no",
        "status.relativePaths=true",
        "core.quotePath=true",
        "color.ui=always",
        "core.safecrlf=true",
        "commit.gpgSign=true",
        "core.untrackedCache=true",
        "core.fsmonitor=false",
        "index.version=4",
        "core.checkStat=minimal",
        "core.preloadIndex=false",
        "diff.ignoreSubmodules=all",
        "i18n.commitEncoding=latin1",
        "core.logAllRefUpdates=always",
        "core.hooksPath=/nonexistent",
        "column.ui=always",
        "core.pager=false",
    ):
        key, value = setting.split("=")
        git(git_repo, "config", key, value)
    shutil.rmtree(git_repo / ".git/gitruns")
    assert round_trip(open_at, git_repo, tmp_path / "restored") == expected


def test_the_remotes_address(git: Git, git_repo: Path, open_at: OpenAt, isolated_home: Path) -> None:
    assert capture_source(open_at(git_repo)).remote_url is None
    git(git_repo, "remote", "add", "origin", "https://ada:secret@example.org/x.git")
    assert capture_source(open_at(git_repo)).remote_url == "https://example.org/x.git"
    git(git_repo, "remote", "add", "team", "git@example.org:team/x.git")
    git(git_repo, "config", "branch.main.remote", "team")
    assert capture_source(open_at(git_repo)).remote_url == "git@example.org:team/x.git"
    git(git_repo, "config", "branch.main.remote", ".")
    git(git_repo, "remote", "set-url", "origin", f"{isolated_home}/repos/x.git")
    assert capture_source(open_at(git_repo)).remote_url == "~/repos/x.git"


def test_the_line_end_settings(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    git(git_repo, "config", "core.autocrlf", "input")
    git(git_repo, "config", "core.eol", "lf")
    source = capture_source(open_at(git_repo))
    assert (source.autocrlf, source.eol) == ("input", "lf")


def test_a_file_changed_in_the_instant_of_git_add(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    """git's racy rule: same size, same time as the index, other content. A careless copy of the index would hide it."""
    for _ in range(5):
        (git_repo / "train.py").write_text("aaaa\n")
        git(git_repo, "add", "train.py")
        facts = (git_repo / ".git/index").stat()
        with open(git_repo / "train.py", "r+") as stream:
            stream.write("bbbb\n")
        os.utime(git_repo / "train.py", ns=(facts.st_mtime_ns, facts.st_mtime_ns))
        os.utime(git_repo / ".git/index", ns=(facts.st_mtime_ns, facts.st_mtime_ns))
        time.sleep(0.01)
        source = capture_source(open_at(git_repo))
        assert git(git_repo, "show", f"{source.commit}:train.py") == "bbbb"


@pytest.mark.parametrize("name", ['a:b"c\\d', " space ", "-dash", "ünï", "*?[x]"])
def test_a_folder_of_any_name(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt, name: str) -> None:
    folder = tmp_path / name
    git_repo.rename(folder)
    (folder / "train.py").write_text("changed\n")
    (folder / "new.py").write_text("new\n")
    source = round_trip(open_at, folder, tmp_path / f"restored {name}")
    assert source.dirty
    (folder / "new.py").unlink()
    assert diff_source(open_at(folder), source, options=["--name-status"]) == b"D\tnew.py\n"
