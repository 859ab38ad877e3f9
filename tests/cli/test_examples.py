"""Every command has examples, and every example works."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.made_runs import Cli
from cli.made_traces import log_trace
from conftest import run_git
from gitruns.cli.commands import Documented
from gitruns.cli.exitcodes import CONFLICT, MEANINGS, NO
from gitruns.cli.main import HIDDEN, SECTIONS, load_command, program


def _commands() -> Iterator[tuple[str, click.Command]]:
    for commands in SECTIONS.values():
        for name in commands:
            command = load_command(name)
            assert command is not None
            yield name, command
            if isinstance(command, click.Group):
                yield from ((f"{name} {below}", found) for below, found in command.commands.items())


COMMANDS = dict(_commands())
TRACES = ("traces", "traces list", "traces show")
WRITE_FILES = (
    "",
    "artifacts",
    "artifacts get",
    "experiments",
    "source",
    "diff",
    "compare",
    "review",
    "bisect",
    *TRACES,
)
NEED_A_REMOTE = ("push", "fetch", "pull", "sync")
ANSWER_NO = ("bisect", "review")
"""The runs of these tests name no code, so nothing is known of it: the answer is no. Their own tests know better."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, Documented)
    assert command.examples, "every command has examples"
    assert set(command.exits) <= set(MEANINGS)
    summary = (command.help or "").split("\n")[0]
    assert summary and not summary.endswith(".") and summary[0].isupper()
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts}"
            assert param.help.rstrip("]").endswith((".", "default: 8M")), f"{name} {param.opts}"


def test_the_summaries_in_help_are_those_of_the_commands() -> None:
    for commands in SECTIONS.values():
        for name, summary in commands.items():
            assert (COMMANDS[name].help or "").split("\n")[0] == summary
            assert COMMANDS[name].name == name
            assert COMMANDS[name].hidden == (name in HIDDEN)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_examples_work(
    name: str, cli: Cli, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = COMMANDS[name] if name else program
    only_reads = CONFLICT not in getattr(command, "exits", ()) and name not in WRITE_FILES
    request.getfixturevalue("shared_runs" if only_reads else "runs_repo")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert isinstance(command, Documented)
    if name in NEED_A_REMOTE:
        run_git(tmp_path, "init", "--quiet", "--bare", "hub.git")
        run_git(Path.cwd(), "remote", "add", "origin", str(tmp_path / "hub.git"))
        run_git(Path.cwd(), "push", "--quiet", "origin", "HEAD")
    if name in TRACES:
        log_trace(Path.cwd())
    for example in command.examples:
        if "restore" in example:
            cli("rm", "latest")
        line = example.replace("/tmp/", f"{tmp_path}/")
        words = shlex.split(line)
        if words[2:3] in (["server"], ["ui"]) and "token" not in words:
            words += ["--check", "--port", "0"]  # what serves does not come back
        if words[:2] == ["git", "runs"] and "<" not in words:
            result = cli(*words[2:])
            assert result.code == 0 or (result.code == NO and name in ANSWER_NO), f"{example}: {result.err}"
            assert "Traceback" not in result.err
        else:
            subprocess.run(["sh", "-ec", line], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_complete(name: str, cli: Cli) -> None:
    command = COMMANDS[name] if name else program
    assert isinstance(command, Documented)
    result = cli(*name.split(), "-h")
    assert result.code == 0
    assert result.out.startswith("Usage: git runs")
    assert all(example in result.out for example in command.examples)
    assert all(f"  {code} " in result.out for code in command.exits)
    assert max(map(len, result.out.splitlines())) <= 80
