"""The repository that git would find is found, and where there is none the ways out are said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gitruns.errors import AccessDeniedError, NotFoundError
from gitruns.gitstore import GitStore, open_store
from gitstore import samples

Git = Callable[..., str]


def _log_a_run(store: GitStore) -> str:
    identity = store.identity(os.environ)
    parent = store.head().commit
    start, finish = samples.started(), samples.finished()
    commit = store.seal_run(start, finish, parent=parent, identity=identity, files=samples.FILES)
    store.set_run_tip(samples.RUN, commit, None)
    assert store.read_run(commit).params["lr"] == 0.01
    store.sync([(samples.RUN, commit)])
    return commit


def test_a_repository_without_commits(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q", ".")
    store = open_store(tmp_path, environ=os.environ)
    assert (store.head().branch, store.head().commit) == ("main", None)
    _log_a_run(store)
    git(tmp_path, "fsck", "--strict")


def test_from_below_and_from_inside_git(git_repo: Path) -> None:
    (git_repo / "src" / "deep").mkdir(parents=True)
    for start in ("src/deep", ".", ".git", ".git/refs"):
        paths = open_store(git_repo / start, environ=os.environ).paths
        assert (paths.work_tree, paths.git_dir, paths.common_dir) == (git_repo, git_repo / ".git", git_repo / ".git")
        assert not paths.bare
        assert not paths.shallow


def test_a_bare_repository(git_repo: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(git_repo), "bare.git")
    store = open_store(tmp_path, repo=tmp_path / "bare.git", environ=os.environ)
    assert (store.paths.bare, store.paths.work_tree) == (True, None)
    assert store.paths.git_dir == store.paths.common_dir == tmp_path / "bare.git"
    assert store.backend.is_clean() is None
    _log_a_run(store)
    git(tmp_path / "bare.git", "fsck", "--strict")


def test_a_linked_work_tree(git_repo: Path, tmp_path: Path, git: Git) -> None:
    git(git_repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    store = open_store(tmp_path / "linked", environ=os.environ)
    assert store.paths.work_tree == tmp_path / "linked"
    assert store.paths.common_dir == git_repo / ".git"
    assert store.paths.git_dir == git_repo / ".git" / "worktrees" / "linked"
    assert store.head().branch == "side"
    assert store.backend.is_clean() is True
    (tmp_path / "linked" / "new.txt").write_text("x")
    assert store.backend.is_clean() is False
    commit = _log_a_run(store)
    assert open_store(git_repo, environ=os.environ).run_tip(samples.RUN) == commit
    assert store.git.run("rev-parse", "--abbrev-ref", "HEAD") == b"side\n"


def test_a_submodule(git_repo: Path, tmp_path: Path, git: Git) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q", ".")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(git_repo), "lib")
    git(outer, "commit", "-q", "-m", "with lib")
    store = open_store(outer / "lib", environ=os.environ)
    assert store.paths.work_tree == outer / "lib"
    assert store.paths.git_dir == store.paths.common_dir == outer / ".git" / "modules" / "lib"
    _log_a_run(store)
    assert open_store(outer, environ=os.environ).run_tips() == {}
    assert open_store(outer, environ=os.environ).backend.is_clean() is True


def test_a_shallow_clone(git_repo: Path, tmp_path: Path, git: Git) -> None:
    first = git(git_repo, "rev-parse", "HEAD")
    git(git_repo, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", git_repo.as_uri(), "shallow")
    store = open_store(tmp_path / "shallow", environ=os.environ)
    assert store.paths.shallow
    commit = _log_a_run(store)
    assert len(store.chain(commit)) == 2  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="shallow clone") as caught:
        store.backend.read_object(first)  # type: ignore[arg-type]
    assert f"git fetch --depth=1 origin {first}" in str(caught.value.hint)


def test_a_partial_clone(git_repo: Path, tmp_path: Path, git: Git) -> None:
    git(git_repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", git_repo.as_uri(), "partial")
    store = open_store(tmp_path / "partial", environ=os.environ)
    blob = git(git_repo, "rev-parse", "HEAD:train.py")
    assert not store.backend.has_object(blob)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="partial clone") as caught:
        store.backend.read_object(blob)  # type: ignore[arg-type]
    assert caught.value.hint == f"git fetch origin {blob}"
    _log_a_run(store)


def test_a_detached_head_and_a_rebase_that_stopped(git_repo: Path, git: Git) -> None:
    git(git_repo, "checkout", "-q", "-b", "side")
    (git_repo / "train.py").write_text("print('side')\n")
    git(git_repo, "commit", "-q", "-a", "-m", "side")
    git(git_repo, "checkout", "-q", "main")
    (git_repo / "train.py").write_text("print('main')\n")
    git(git_repo, "commit", "-q", "-a", "-m", "main")
    stopped = subprocess.run(["git", "rebase", "side"], cwd=git_repo, capture_output=True, check=False)
    assert stopped.returncode != 0
    before = git(git_repo, "status")
    store = open_store(git_repo, environ=os.environ)
    assert store.head().branch is None
    assert store.head().commit == git(git_repo, "rev-parse", "HEAD")
    assert store.backend.is_clean() is False
    _log_a_run(store)
    assert git(git_repo, "status") == before


def test_a_work_tree_set_by_config(git_repo: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "meta"), "tree")
    store = open_store(tmp_path / "tree", environ=os.environ)
    assert (store.paths.git_dir, store.paths.work_tree) == (tmp_path / "meta", tmp_path / "tree")


def test_git_dir_of_the_environment(git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {**os.environ, "GIT_DIR": str(git_repo / ".git"), "GIT_WORK_TREE": str(git_repo)}
    store = open_store(tmp_path, environ=environ)
    assert (store.paths.git_dir, store.paths.work_tree) == (git_repo / ".git", git_repo)
    assert store.head().branch == "main"
    monkeypatch.chdir(git_repo.parent)
    assert open_store(tmp_path, environ={**os.environ, "GIT_DIR": "project/.git"}).paths.git_dir == git_repo / ".git"


def test_a_repository_named_exactly(git_repo: Path, tmp_path: Path, git: Git) -> None:
    (git_repo / "src").mkdir()
    assert open_store(tmp_path, repo=git_repo, environ=os.environ).paths.work_tree == git_repo
    assert open_store(tmp_path, repo=git_repo / ".git", environ=os.environ).paths.git_dir == git_repo / ".git"
    with pytest.raises(NotFoundError):
        open_store(git_repo, repo=git_repo / "src", environ=os.environ)
    environ = {**os.environ, "GIT_DIR": str(tmp_path / "nowhere")}
    assert open_store(tmp_path, repo=git_repo, environ=environ).paths.work_tree == git_repo
    (tmp_path / "link").symlink_to(git_repo)
    assert open_store(tmp_path, repo=tmp_path / "link", environ=os.environ).paths.git_dir == git_repo / ".git"


def test_names_that_are_hard_to_write(tmp_path: Path, git: Git) -> None:
    folder = tmp_path / " a 'b\" é $(x) -c"
    folder.mkdir()
    git(folder, "init", "-q", ".")
    store = open_store(folder, environ=os.environ)
    assert store.paths.work_tree == folder
    _log_a_run(store)
    raw = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    raw.mkdir()
    git(raw, "init", "-q", ".")
    _log_a_run(open_store(raw, environ=os.environ))
    lines = tmp_path / "two\nlines\n"
    lines.mkdir()
    git(lines, "init", "-q", ".")
    assert open_store(lines, environ=os.environ).paths.work_tree == lines
    assert open_store(lines / ".git", environ=os.environ).paths.work_tree == lines
    git(lines, "init", "-q", "--bare", "bare")
    assert open_store(lines / "bare", environ=os.environ).paths.common_dir == lines / "bare"
    _log_a_run(open_store(lines, repo=lines / "bare", environ=os.environ))


@pytest.mark.parametrize("place", [".", "absent", "file"])
def test_no_repository(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFoundError) as caught:
        open_store(tmp_path / place, environ=os.environ)
    assert caught.value.kind == "not-a-repository"
    for way_out in ("git init", "GITRUNS_REPO", "GITRUNS_JOURNAL"):
        assert way_out in str(caught.value.hint)


def test_no_git(git_repo: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        open_store(git_repo, environ={"PATH": ""})
    assert caught.value.kind == "git-not-found"


def test_a_repository_of_the_future(git_repo: Path, git: Git) -> None:
    git(git_repo, "config", "core.repositoryFormatVersion", "1")
    git(git_repo, "config", "extensions.fromTheFuture", "true")
    with pytest.raises(AccessDeniedError, match="too old") as caught:
        open_store(git_repo, environ=os.environ)
    assert caught.value.kind == "git-too-old"


def test_reftables_in_a_linked_work_tree(tmp_path: Path, git: Git, reftable_environ: Mapping[str, str]) -> None:
    environ = {**os.environ, **reftable_environ}

    def run(folder: Path, *args: str) -> None:
        subprocess.run(["git", *args], cwd=folder, env=environ, check=True, capture_output=True)

    run(tmp_path, "init", "-q", "--ref-format=reftable", "main")
    run(tmp_path / "main", "commit", "-q", "--allow-empty", "-m", "first")
    run(tmp_path / "main", "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    store = open_store(tmp_path / "linked", environ=environ)
    assert store.head().branch == "side"
    commit = _log_a_run(store)
    assert open_store(tmp_path / "main", environ=environ).run_tip(samples.RUN) == commit
    run(tmp_path / "main", "fsck", "--strict")


needs_root = pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can act as another user")

AS_NOBODY = """
import os, sys
from pathlib import Path
from gitruns.errors import GitRunsError
from gitruns.gitstore import dulwich_backend, open_store, pygit2_backend  # now: nobody may not read the interpreter
os.chdir("/")
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
try:
    store = open_store(Path(sys.argv[1]), environ=environ)
    print("opened", store.backend.name, store.head().branch)
    oid = store.backend.write_object("blob", sys.argv[2].encode())
    store.backend.update_ref("refs/runs/" + "a" * 32, oid, None)
    print("written")
except GitRunsError as error:
    print(type(error).__name__, error.kind, error, "|", error.hint)
"""


def _as_nobody(repository: Path, text: str = "text") -> list[str]:
    for folder in (repository, *repository.parents):
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, repository, text], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_root
def test_a_repository_of_somebody_else(git_repo: Path) -> None:
    [said] = _as_nobody(git_repo)
    assert said == (
        f"AccessDeniedError dubious-ownership git does not trust the repository at '{git_repo}': it belongs to another"
        f" user | git config --global --add safe.directory {git_repo}"
    )


@needs_root
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_repository_that_can_only_be_read(tmp_path: Path, git: Git, object_format: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={object_format}", "mine")
    repository = tmp_path / "mine"
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    store = open_store(repository, environ=os.environ)
    store.backend.write_object("blob", b"here already")
    subprocess.run(["chown", "-R", "65534:65534", repository], check=True)
    subprocess.run(["chmod", "-R", "a-w", repository], check=True)
    opened, said = _as_nobody(repository)
    assert opened.startswith("opened")
    assert said.startswith("AccessDeniedError read-only cannot write an object in")
    assert "Permission denied" in said
    opened, said = _as_nobody(repository, "here already")
    assert said.startswith("AccessDeniedError read-only cannot write ref 'refs/runs/aaaa")


@needs_root
def test_a_repository_that_a_group_shares(tmp_path: Path, git: Git) -> None:
    old = os.umask(0o077)
    try:
        git(tmp_path, "init", "-q", "--shared=group", "shared")
        store = open_store(tmp_path / "shared", environ=os.environ)
        commit = _log_a_run(store)
        store.backend.write_pack([("blob", b"packed")])
    finally:
        os.umask(old)
    git_dir = tmp_path / "shared" / ".git"
    assert (git_dir / "objects" / commit[:2]).stat().st_mode & 0o7777 == 0o2770
    assert (git_dir / "objects" / commit[:2] / commit[2:]).stat().st_mode & 0o777 == 0o440
    assert (git_dir / "refs" / "runs").stat().st_mode & 0o7777 == 0o2770
    assert (git_dir / "refs" / "runs" / samples.RUN).stat().st_mode & 0o777 == 0o660
    for pack in (git_dir / "objects" / "pack").iterdir():
        assert pack.stat().st_mode & 0o777 == 0o440
