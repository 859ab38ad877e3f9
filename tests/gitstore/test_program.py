"""The git program is run safely, and what goes wrong is said in words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError
from gitruns.gitstore import GitProgram


@pytest.fixture
def program(git_repo: Path) -> GitProgram:
    return GitProgram(git_repo / ".git", git_repo, os.environ)


def test_it_returns_what_git_prints(program: GitProgram) -> None:
    assert program.run("rev-parse", "--abbrev-ref", "HEAD") == b"main\n"
    assert len(program.run("hash-object", "--stdin", input=b"x").strip()) == 40
    assert program.run("config", "absent.key", ok=(0, 1)) == b""


def test_git_says_what_is_wrong(program: GitProgram) -> None:
    with pytest.raises(GitRunsError) as caught:
        program.run("cat-file", "-p", "no-such-thing")
    assert str(caught.value) == "git cat-file failed: Not a valid object name no-such-thing"
    assert (caught.value.kind, caught.value.facts["exit_code"]) == ("git-failed", 128)
    assert "no-such-thing" in str(caught.value.facts["stderr"])


def test_credentials_are_not_repeated(program: GitProgram) -> None:
    with pytest.raises(GitRunsError) as caught:
        program.run("ls-remote", "ext://ada:hunter2@nowhere/x")
    assert "hunter2" not in str(caught.value) + str(caught.value.facts)


def test_no_git_on_path(git_repo: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        GitProgram(None, None, {"PATH": str(tmp_path)}).run("status", cwd=git_repo)
    assert str(caught.value) == "cannot find the program 'git' on PATH"
    assert caught.value.kind == "git-not-found"
    with pytest.raises(NotFoundError, match="no folder"):
        GitProgram(None, None, os.environ).run("status", cwd=tmp_path / "absent")
    with pytest.raises(AccessDeniedError, match="cannot run git"):
        GitProgram(None, None, os.environ).run("status", cwd=git_repo / "train.py")


def test_nothing_that_a_repository_configures_is_started(program: GitProgram, git_repo: Path) -> None:
    mark = git_repo / "mark"
    hook = git_repo / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    hook.chmod(0o755)
    program.run("config", "core.fsmonitor", f"touch '{mark}'; false")
    (git_repo / "train.py").write_text("changed\n")
    program.run("add", "train.py")
    program.run("status")
    assert not mark.exists()
    program.run("status", safe=False)
    assert mark.exists()


def test_variables_of_another_repository_do_not_leak(git_repo: Path, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_WORK_TREE": "/",
    }
    program = GitProgram(git_repo / ".git", git_repo, environ)
    assert program.run("rev-parse", "--show-toplevel").decode().strip() == str(git_repo)
    assert program.run("ls-files") == b"README.md\ntrain.py\n"
    index = str(tmp_path / "private")
    assert program.run("ls-files", env={"GIT_INDEX_FILE": index}) == b""


def test_a_stream_gives_output_while_git_runs(program: GitProgram) -> None:
    with program.stream("cat-file", "--batch", input=b"HEAD:train.py\n" * 2_000) as output:
        assert sum(1 for _ in output) == 6_000


def test_a_stream_may_be_left_early(program: GitProgram) -> None:
    with program.stream("cat-file", "--batch", input=b"HEAD:train.py\n" * 20_000) as output:
        assert output.readline().endswith(b"blob 18\n")


def test_a_stream_says_what_is_wrong(program: GitProgram) -> None:
    with pytest.raises(GitRunsError, match="git log failed"), program.stream("log", "no-such-branch") as output:
        assert output.read() == b""
    with pytest.raises(ZeroDivisionError), program.stream("log"):
        raise ZeroDivisionError


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stream_leaves_no_process(program: GitProgram) -> None:
    with program.stream("cat-file", "--batch", input=b"HEAD:train.py\n" * 20_000):
        pass
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    assert not children.exists() or "git" not in [_name(pid) for pid in children.read_text().split()]


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
