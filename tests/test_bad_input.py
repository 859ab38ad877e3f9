"""What people get wrong, and what they read then: each with the message, the hint and the exit code."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gitruns
from gitruns.repo import Repo
from gitruns.tracking import fluent

MAIN = [sys.executable, "-m", "gitruns.cli.main"]
AS_NOBODY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run a command as another user")


def python_of_nobody() -> str:
    """Returns an interpreter of our version that the user nobody may run; skips the test when there is none."""
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in (sys.executable, f"/usr/bin/python{ours}", f"/usr/local/bin/python{ours}"):
        with contextlib.suppress(OSError):
            found = subprocess.run([python, "-c", ask], user="nobody", capture_output=True, text=True, check=False)
            if found.stdout.strip() == ours:
                return python
    pytest.skip("the user nobody can run no interpreter of this version")


def runs(folder: Path, *words: str, user: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `git runs` in a folder, as another user when one is named."""
    main = [python_of_nobody(), *MAIN[1:]] if user == "nobody" else MAIN
    return subprocess.run(
        [*main, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
        user=user,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def run_id(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One run in the repository."""
    monkeypatch.chdir(git_repo)
    with gitruns.start_run(run_name="first") as run:
        gitruns.log_param("lr", 0.1)
        gitruns.log_metric("loss", 1.0)
    fluent._close_sessions()
    fluent._sessions.clear()
    return run.info.run_id


def write_run_tree(repo: Path, run_id: str, path: str, text: str, git) -> None:
    """Replaces one file of a run's tree, as somebody with an editor and git plumbing would."""
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=text)
    index = {"GIT_INDEX_FILE": str(repo / ".git" / "by-hand")}
    for words in (
        ["read-tree", f"refs/runs/{run_id}"],
        ["update-index", "--add", "--cacheinfo", f"100644,{blob},{path}"],
    ):
        subprocess.run(["git", *words], cwd=repo, check=True, env={**os.environ, **index})
    written = subprocess.run(
        ["git", "write-tree"], cwd=repo, check=True, env={**os.environ, **index}, capture_output=True, text=True
    )
    commit = git(repo, "commit-tree", "-p", f"refs/runs/{run_id}", "-m", "by hand", written.stdout.strip())
    git(repo, "update-ref", f"refs/runs/{run_id}", commit)


def test_not_a_repository(tmp_path: Path) -> None:
    result = runs(tmp_path, "list")
    assert result.returncode == 10
    assert "cannot find a git repository" in result.stderr
    assert "git init" in result.stderr


def test_an_unknown_run(git_repo: Path, run_id: str) -> None:
    result = runs(git_repo, "show", "deadbeef")
    assert result.returncode == 12
    assert "there is no run 'deadbeef'" in result.stderr
    assert "git runs list" in result.stderr


def test_an_ambiguous_run(git_repo: Path, run_id: str) -> None:
    with gitruns.start_run(run_name="first"):
        pass
    result = runs(git_repo, "show", "first")
    assert result.returncode == 2
    assert "run name 'first' is ambiguous" in result.stderr
    assert run_id[:12] in result.stderr


def test_hand_edited_yaml_with_an_error_names_file_and_line(git_repo: Path, run_id: str, git) -> None:
    write_run_tree(git_repo, run_id, "params.yaml", '"lr": 0.1\nbroken: [1, 2\nmore: 3\n', git)
    result = runs(git_repo, "show", run_id)
    assert result.returncode == 15
    assert "params.yaml:" in result.stderr
    listed = runs(git_repo, "list")
    assert run_id[:8] in listed.stdout + listed.stderr  # the others are shown, this one is named


def test_hand_edited_yaml_without_an_error_is_read(git_repo: Path, run_id: str, git) -> None:
    write_run_tree(git_repo, run_id, "params.yaml", "# by hand\nlr: 0.25\nname: 'it''s'\n", git)
    found = Repo.open(git_repo).get_run(gitruns.entities.ids.RunId(run_id))
    assert dict(found.params) == {"lr": 0.25, "name": "it's"}


def test_a_newer_format_is_shown_and_not_edited(git_repo: Path, run_id: str, git) -> None:
    write_run_tree(git_repo, run_id, "format", "gitruns 7\n", git)
    assert runs(git_repo, "show", run_id).returncode == 0
    result = runs(git_repo, "tag", run_id, "a=b")
    assert result.returncode == 2
    assert "it is stored in format 7, this gitruns knows 1" in result.stderr
    assert "pip install --upgrade gitruns" in result.stderr


def test_no_git_on_path(git_repo: Path, run_id: str, tmp_path: Path) -> None:
    result = runs(git_repo, "source", run_id, "--diff", PATH=str(tmp_path))
    assert result.returncode == 10
    assert "cannot find the program 'git' on PATH" in result.stderr
    assert "install git" in result.stderr


@AS_NOBODY
def test_a_repository_of_another_owner_names_the_line_to_type(git_repo: Path, run_id: str) -> None:
    open_up(git_repo)
    result = runs(git_repo, "list", user="nobody", HOME="/nonexistent", GIT_CONFIG_GLOBAL="/dev/null")
    assert result.returncode == 14
    assert f"git config --global --add safe.directory {git_repo}" in result.stderr


@AS_NOBODY
def test_a_read_only_repository_is_read_and_a_write_says_why(git_repo: Path, run_id: str, tmp_path: Path) -> None:
    open_up(git_repo)
    config = tmp_path / "config"
    config.write_text("[safe]\n\tdirectory = *\n[user]\n\tname = N\n\temail = n@example.org\n")
    config.chmod(0o644)
    environ = {"HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": str(config)}
    listed = runs(git_repo, "list", user="nobody", **environ)
    assert listed.returncode == 0, listed.stderr
    assert run_id[:6] in listed.stdout
    result = runs(git_repo, "tag", run_id, "a=b", user="nobody", **environ)
    assert result.returncode == 14
    assert "read-only" in result.stderr or "ermission denied" in result.stderr


def open_up(repo: Path) -> None:
    """Lets everybody reach and read the repository, and nobody else write it."""
    for folder in repo.parents:
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    assert pwd.getpwnam("nobody")


FULL_DISK = """
import sys, warnings, gitruns
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with gitruns.start_run():
        for step in range(200_000):
            gitruns.log_metric("loss", 0.5, step=step)
print("trained")
print([str(one.message) for one in said if "gitruns" in str(one.message)])
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a small disk")
def test_a_full_disk_never_ends_the_training(git_repo: Path, tmp_path: Path, git) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        git(tmp_path, "clone", "--quiet", str(git_repo), str(disk / "project"))
        result = subprocess.run(
            [sys.executable, "-c", FULL_DISK], cwd=disk / "project", capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("trained")
        assert "No space left" in result.stdout
        listed = runs(disk / "project", "list", "--json")
        assert listed.returncode == 0, listed.stderr
    finally:
        subprocess.run(["umount", disk], check=True)


VANISHED = """
import shutil, warnings, gitruns
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with gitruns.start_run():
        gitruns.log_metric("loss", 0.5)
        shutil.rmtree(".git")
        for step in range(1000):
            gitruns.log_metric("loss", 0.5, step=step)
        gitruns.log_text("hello", "hello.txt")
print("trained", len([one for one in said if "gitruns" in str(one.message)]))
"""


def test_a_vanished_repository_never_ends_the_training(git_repo: Path) -> None:
    result = subprocess.run([sys.executable, "-c", VANISHED], cwd=git_repo, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("trained")
    assert 1 <= int(result.stdout.split()[1]) <= 4
