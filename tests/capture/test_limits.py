"""What is left out of a snapshot is listed with its reason; what holds a credential never becomes an object."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from capture.trees import fingerprint, read_tree
from conftest import Git
from gitruns.capture import SnapshotRules, capture_source, restore_source
from gitruns.capture.choose import fold_left_out
from gitruns.capture.rules import NEVER_CAPTURED
from gitruns.entities.source import LeftOut, Source
from gitruns.errors import InvalidInputError
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]

TOKEN = "ghp_" + "aB3dE6gH9" * 4
SMALL = SnapshotRules(max_tracked_bytes=3000, max_untracked_bytes=1000, max_untracked_total_bytes=2500)


def held(git: Git, folder: Path, source: Source) -> set[str]:
    """The paths in a source's tree."""
    return set(git(folder, "ls-tree", "-r", "--name-only", str(source.commit)).splitlines())


def told(source: Source) -> dict[str, str]:
    return {item.path: item.reason for item in source.left_out}


def all_objects(folder: Path) -> bytes:
    """The content of every object in a repository, reachable or not."""
    batch = ("cat-file", "--batch", "--batch-all-objects")
    return subprocess.run(["git", *batch], cwd=folder, capture_output=True, check=True).stdout


def test_sizes_of_tracked_files(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text("#" * 3000)
    (git_repo / "README.md").write_text("#" * 3001)
    (git_repo / "new-big.bin").write_bytes(b"\0" * 3001)
    (git_repo / "new.bin").write_bytes(b"\0" * 2999)
    git(git_repo, "add", "new-big.bin", "new.bin")
    source = capture_source(open_at(git_repo), SMALL)
    assert source.left_out == (
        LeftOut(path="README.md", reason="too-large", size=3001),
        LeftOut(path="new-big.bin", reason="too-large", size=3001),
    )
    assert source.incomplete
    assert source.dirty
    # What is left out is as HEAD has it.
    assert held(git, git_repo, source) == {"train.py", "README.md", "new.bin"}
    assert git(git_repo, "show", f"{source.commit}:README.md") == "# project"
    assert git(git_repo, "show", f"{source.commit}:train.py") == "#" * 3000


def test_sizes_of_untracked_files(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "long.txt").write_text("#" * 1001)
    (git_repo / "model.bin").write_bytes(b"abc\0def")
    (git_repo / "late.dat").write_bytes(b"x" * 300 + b"\0")
    for name in ("a.log", "b.log", "c.log", "z.py"):
        (git_repo / name).write_text("#" * 700)
    (git_repo / "tiny.log").write_text("#")
    source = capture_source(open_at(git_repo), SMALL)
    assert told(source) == {
        "long.txt": "too-large",
        "model.bin": "binary",
        "late.dat": "binary",
        "c.log": "total-size",  # code comes first, then the small ones
    }
    assert held(git, git_repo, source) == {"train.py", "README.md", "z.py", "tiny.log", "a.log", "b.log"}
    assert git(git_repo, "rev-parse", "HEAD^{tree}") == source.code_tree


def test_the_number_of_untracked_files(git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "many").mkdir()
    for number in range(30):
        (git_repo / f"many/{number:02}.txt").write_text("x")
    source = capture_source(open_at(git_repo), SnapshotRules(max_untracked_files=5))
    assert source.left_out == (LeftOut(path="many/", reason="too-many", size=25),)


def test_what_is_nobodys_source(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    for pattern in NEVER_CAPTURED:
        folder = git_repo / "pkg" / pattern.replace("*", "x")
        if "." in pattern[1:] or pattern in ("*.pyc", ".DS_Store"):
            folder.parent.mkdir(exist_ok=True)
            folder.write_text("x")
        else:
            folder.mkdir(parents=True)
            (folder / "file.py").write_text("x")
    (git_repo / "my-env/lib").mkdir(parents=True)
    (git_repo / "my-env/pyvenv.cfg").write_text("home = /usr/bin\n")
    (git_repo / "my-env/lib/site.py").write_text("x")
    (git_repo / ".gitignore").write_text("ignored/\n")
    (git_repo / "ignored").mkdir()
    (git_repo / "ignored/x.py").write_text("x")
    source = capture_source(open_at(git_repo))
    assert held(git, git_repo, source) == {"train.py", "README.md", ".gitignore"}
    assert source.left_out == ()


def test_what_nobody_sources_is_still_captured_when_tracked(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "venv").mkdir()
    (git_repo / "venv/f.py").write_text("a")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "venv")
    (git_repo / "venv/f.py").write_text("b")
    source = capture_source(open_at(git_repo))
    assert git(git_repo, "show", f"{source.commit}:venv/f.py") == "b"


def test_the_deny_list(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    denied = [".env", "sub/.env.local", "id_rsa", "deep/x.PEM", "kaggle.json", ".aws/config", "own.sec"]
    allowed = [".env.example", "id_rsa.pub", "secrets.py", "tokenizer.json", "config.yaml"]
    for name in [*denied, *allowed]:
        (git_repo / name).parent.mkdir(exist_ok=True)
        (git_repo / name).write_text("x = 1\n")
    git(git_repo, "add", ".env", "config.yaml")  # added is not committed
    source = capture_source(open_at(git_repo), SnapshotRules(deny=("*.sec",)))
    assert told(source) == dict.fromkeys(denied, "deny-list")
    assert held(git, git_repo, source) == {"train.py", "README.md", *allowed}


def test_a_secret_never_becomes_an_object(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text(f"token = '{TOKEN}'\n")
    (git_repo / "new.py").write_text(f"token = '{TOKEN}'\n")
    (git_repo / "tracked.bin").write_bytes(b"\0" * 5000 + TOKEN.encode())
    git(git_repo, "add", "--intent-to-add", "tracked.bin")
    (git_repo / "fine.py").write_text("x = 1\n")
    source = capture_source(open_at(git_repo))
    assert told(source) == {"train.py": "secret", "new.py": "secret", "tracked.bin": "secret"}
    assert held(git, git_repo, source) == {"train.py", "README.md", "fine.py"}
    assert TOKEN.encode() not in all_objects(git_repo)
    assert TOKEN not in str(source)


def test_a_secret_that_head_has_already_is_no_news(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text(f"token = '{TOKEN}'\n")
    git(git_repo, "commit", "--quiet", "-am", "a leak, or a test's fixture")
    (git_repo / "train.py").write_text(f"token = '{TOKEN}'\nmore = 1\n")
    source = capture_source(open_at(git_repo))
    assert source.left_out == ()
    assert "more" in git(git_repo, "show", f"{source.commit}:train.py")


def test_a_staged_secret_is_not_made_reachable(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "key.py").write_text(f"token = '{TOKEN}'\n")
    git(git_repo, "add", "key.py")
    source = capture_source(open_at(git_repo))
    assert told(source) == {"key.py": "secret"}
    assert source.commit == source.base
    assert source.dirty


def test_special_and_unreadable_files(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    os.mkfifo(git_repo / "pipe")  # git does not see these at all when they are untracked
    (git_repo / "train.py").unlink()
    os.mkfifo(git_repo / "train.py")
    (git_repo / "closed.py").write_text("x")
    (git_repo / "closed.py").chmod(0)
    source = capture_source(open_at(git_repo))
    expected = {"train.py": "special"} | (
        {} if os.access(git_repo / "closed.py", os.R_OK) else {"closed.py": "unreadable"}
    )
    assert told(source) == expected
    assert "train.py" not in held(git, git_repo, source)


def test_a_filter_that_fails_leaves_only_its_file_out(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    git(git_repo, "config", "filter.broken.clean", "false")
    git(git_repo, "config", "filter.broken.required", "true")
    (git_repo / ".gitattributes").write_text("*.broken filter=broken\n")
    for name in ("a.broken", "b.py", "c.py", "train.py"):
        (git_repo / name).write_text("x = 1\n")
    git(git_repo, "add", "--intent-to-add", "c.py")
    source = capture_source(open_at(git_repo))
    assert told(source) == {"a.broken": "filter-failed"}
    assert held(git, git_repo, source) == {"train.py", "README.md", ".gitattributes", "b.py", "c.py"}


def test_a_filter_that_strips_is_obeyed_and_said(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    """As nbstripout does with a notebook's outputs: what it takes away must not come back through us."""
    git(git_repo, "config", "filter.strip.clean", "sed /output/d")
    git(git_repo, "config", "filter.strip.smudge", "cat")
    (git_repo / ".git/info").mkdir(exist_ok=True)
    (git_repo / ".git/info/attributes").write_text("*.ipynb filter=strip\n")
    (git_repo / "same.ipynb").write_text("code\noutput\n")
    (git_repo / "plain.ipynb").write_text("code\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "notebooks")
    assert git(git_repo, "status", "--porcelain") == ""
    for _ in range(2):  # also when it is remembered
        source = capture_source(open_at(git_repo))
        assert source.commit == source.base
        assert source.left_out == (LeftOut(path="same.ipynb", reason="filtered", size=12),)
        assert not source.dirty
    (git_repo / "new.ipynb").write_text("more code\nmore output\n")
    source = capture_source(open_at(git_repo))
    assert told(source) == {"same.ipynb": "filtered", "new.ipynb": "filtered"}
    assert b"output" not in all_objects(git_repo)


def test_what_runs_wrote_is_not_source(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    for name in ("out/metrics.txt", "out/deep/curve.csv", "report.md", "new.py"):
        (git_repo / name).parent.mkdir(exist_ok=True, parents=True)
        (git_repo / name).write_text("x")
    (git_repo / "train.py").write_text("written by a run, and tracked")
    written = [git_repo / "out", Path("report.md"), git_repo / "train.py", Path("/elsewhere/x")]
    source = capture_source(open_at(git_repo), written=written)
    assert held(git, git_repo, source) == {"train.py", "README.md", "new.py"}
    assert git(git_repo, "show", f"{source.commit}:train.py") == "written by a run, and tracked"
    assert source.left_out == ()
    before = fingerprint(git_repo)
    assert capture_source(open_at(git_repo), written=[*written, Path("new.py")]).commit != source.commit
    assert fingerprint(git_repo) == before


def test_tracked_files_only(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "new.py").write_text("x")
    rules = SnapshotRules(mode="tracked")
    source = capture_source(open_at(git_repo), rules)
    assert source.commit == git(git_repo, "rev-parse", "HEAD")
    assert not source.dirty
    (git_repo / "train.py").write_text("x")
    source = capture_source(open_at(git_repo), rules)
    assert held(git, git_repo, source) == {"train.py", "README.md"}
    assert source.dirty
    assert source.code_tree == source.snapshot_tree


def test_off(git: Git, git_repo: Path, open_at: OpenAt) -> None:
    (git_repo / "train.py").write_text("x")
    source = capture_source(open_at(git_repo), SnapshotRules(mode="off"))
    head, tree = git(git_repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    assert source == Source(commit=head, base=head, branch="main", snapshot_tree=tree)  # type: ignore[arg-type]
    assert not (git_repo / ".git/gitruns").exists()


def test_some_paths_of_a_monorepo(git: Git, git_repo: Path, tmp_path: Path, open_at: OpenAt) -> None:
    for name in ("ours/a.py", "ours/deep/b.py", "theirs/c.py", "oursnot/d.py", "theirs/gone.py"):
        (git_repo / name).parent.mkdir(exist_ok=True, parents=True)
        (git_repo / name).write_text("before\n")
    git(git_repo, "add", ".")
    git(git_repo, "commit", "--quiet", "-m", "mono")
    for name in ("ours/a.py", "ours/new.py", "theirs/c.py", "theirs/new.py", "oursnot/d.py", "oursnot/staged.py"):
        (git_repo / name).write_text("after\n")
    git(git_repo, "add", "theirs/c.py", "oursnot/staged.py")
    git(git_repo, "rm", "--quiet", "theirs/gone.py")
    rules = SnapshotRules(paths=("ours/", "./train.py"))
    source = capture_source(open_at(git_repo), rules)
    changed = git(git_repo, "diff", "--name-only", "HEAD", str(source.commit)).splitlines()
    assert changed == ["ours/a.py", "ours/new.py"]
    (git_repo / "ours/a.py").write_text("before\n")
    (git_repo / "ours/new.py").unlink()
    source = capture_source(open_at(git_repo), rules)
    assert source.commit == source.base
    assert not source.dirty
    everything = capture_source(open_at(git_repo), SnapshotRules(paths=("ours", ".")))
    restore_source(open_at(git_repo), everything, tmp_path / "restored")
    assert read_tree(tmp_path / "restored") == read_tree(git_repo)


@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../b"])
def test_paths_outside_the_work_tree_are_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="not below the work tree's root"):
        SnapshotRules(paths=(path,))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="snapshot is 'some', not one of all, tracked, off"):
        SnapshotRules(mode="some")


# The list


def items(*paths: str, reason: str = "binary") -> Iterable[LeftOut]:
    return [LeftOut(path=path, reason=reason, size=1) for path in paths]


def test_many_files_of_a_folder_are_told_as_one() -> None:
    few = items(*(f"few/{number:02}" for number in range(20)))
    many = items(*(f"many/{number}" for number in range(21)))
    root = items(*(f"{number}" for number in range(21)), reason="secret")
    folded = fold_left_out([*few, *many, *root])
    assert set(folded) == {
        *few,
        LeftOut(path="many/", reason="binary", size=21),
        LeftOut(path="./", reason="secret", size=21),
    }
    assert list(folded) == sorted(folded, key=lambda item: item.path)


def test_the_list_has_an_end() -> None:
    folded = fold_left_out(items(*(f"data/{number}/x" for number in range(5000)), "other/y"))
    assert set(folded) == {LeftOut(path="data/", reason="binary", size=5000), *items("other/y")}
