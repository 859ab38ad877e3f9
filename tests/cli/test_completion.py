"""Completion, in the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.made_runs import OTTER, Cli
from gitruns.cli.completion_scripts import SCRIPTS

GIT_COMPLETION = Path("/usr/share/bash-completion/completions/git")


def _offered(cli: Cli, *words: str) -> list[str]:
    return [line.split("\t")[1] for line in cli("complete", "--", *words).out.splitlines()]


def test_commands_options_and_names_are_offered(cli: Cli, shared_runs: Path) -> None:
    assert _offered(cli, "sh") == ["show"]
    assert "--status" in _offered(cli, "list", "--")
    assert _offered(cli, "list", "-s", "fi") == ["finished"]
    assert _offered(cli, "show", "bo") == ["bold-otter-12"]
    assert _offered(cli, "show", "3f2") == [OTTER]
    assert "latest" in _offered(cli, "show", "")
    assert _offered(cli, "show", "latest", "neat") == ["neat-mole-988"]
    assert _offered(cli, "experiments", "rm", "di") == ["digits"]
    assert _offered(cli, "artifacts", "v") == ["verify"]
    assert _offered(cli, "artifacts", "bo") == ["bold-otter-12"]
    assert _offered(cli, "completion", "") == ["bash", "fish", "zsh"]
    assert cli("complete", "--", "hash-artifact", "").out.startswith("file\t")
    assert "complete" not in _offered(cli, "comp")


def test_outside_a_repository_nothing_is_offered_and_nothing_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("complete", "--", "show", "")
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def _shell(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not GIT_COMPLETION.exists(), reason="git's own completion is not installed")
def test_bash_completes_within_gits_own_completion(shared_runs: Path, path: None) -> None:
    script = f"""
    . {GIT_COMPLETION}
    eval "$(git runs completion bash)"
    complete_line () {{
        local function=$1; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; COMPREPLY=()
        $function
        printf '<%s>' "${{COMPREPLY[@]}}"; echo
    }}
    complete_line __git_wrap__git_main git runs sh
    complete_line __git_wrap__git_main git runs show bo
    complete_line __git_runs_direct git-runs list --stat
    complete_line __git_runs_direct git-runs hash-artifact train.s
    """
    assert _shell("bash", "-c", script).splitlines() == ["<show >", "<bold-otter-12 >", "<--status >", "<train.sh>"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_script(path: None) -> None:
    assert _shell("zsh", "-f", "-n", stdin=SCRIPTS["zsh"]) == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(shared_runs: Path, path: None) -> None:
    script = SCRIPTS["fish"] + '\ncomplete -C "git runs show bo"\ncomplete -C "git-runs resol"\n'
    run, command = _shell("fish", "-N", "-c", script).splitlines()
    assert run == "bold-otter-12\tfinished"
    assert command.startswith("resolve\tPrint the whole id")
