"""Whether the git push above a hook only tries, read from command lines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from gitruns.cli import parents
from gitruns.cli.parents import Ancestor, is_dry_run, only_tries, push_options


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("git push", []),
        ("/usr/bin/git push origin main", ["origin", "main"]),
        ("git -c a.b=push -C /x --git-dir y --no-pager push -n", ["-n"]),
        ("git --git-dir=push fetch", None),
        ("git -C push", None),
        ("/usr/lib/git-core/git-push --dry-run", ["--dry-run"]),
        ("git-lfs push origin", None),
        ("sh -c git push", None),
        ("git", None),
        ("", None),
    ],
)
def test_what_is_a_push(line: str, options: list[str] | None) -> None:
    found = push_options(line.split())
    assert (None if found is None else list(found)) == options


@pytest.mark.parametrize(
    ("options", "dry"),
    [
        ("", False),
        ("-n", True),
        ("--dry-run", True),
        ("--dr origin", True),
        ("--d", False),
        ("-qn origin main", True),
        ("-on", False),
        ("-o n", False),
        ("-o -n", False),
        ("-no x", True),
        ("-qo -n", False),
        ("--push-option -n", False),
        ("--push-option=-n", False),
        ("--dry-run --no-dry-run", False),
        ("--no-dry-run -n", True),
        ("origin -n", True),
        ("-- -n", False),
        ("--repo -n", False),
        ("--no-verify --force", False),
    ],
)
def test_what_is_a_dry_run(options: str, dry: bool) -> None:
    assert is_dry_run(options.split()) is dry


def test_git_has_these_options() -> None:
    said = subprocess.run(["git", "push", "-h"], capture_output=True, text=True, check=False).stdout
    for option in parents._PUSH_VALUES:
        assert option in said


@pytest.mark.parametrize("look", [parents._from_proc, parents._from_ps])
def test_processes_are_read(look: Callable[[int], Ancestor | None]) -> None:
    if look is parents._from_proc and not os.path.exists("/proc/self/stat"):
        pytest.skip("no /proc")
    if look is parents._from_ps and subprocess.run(["which", "ps"], capture_output=True, check=False).returncode:
        pytest.skip("no ps")
    command = [sys.executable, "-c", "print(flush=True); input()", "a) b"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it is the program now, and no longer our copy
        found = look(child.pid)
        child.communicate(b"\n")
    assert found is not None
    assert found.parent == os.getpid()
    assert found.words[1] == "-c"


def test_who_cannot_be_read_says_nothing() -> None:
    assert parents._from_proc(2**22 + 1) is None
    assert only_tries(2**22 + 1) is False
    assert only_tries(1) is False
