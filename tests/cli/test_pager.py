"""On a real terminal: pager, colour, width, and readers that leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cli.own_terminal import run_on_terminal
from conftest import run_git

GIT_RUNS = [sys.executable, "-m", "gitruns.cli.main"]


def test_a_terminal_gets_colours_and_its_own_width(shared_runs: Path) -> None:
    code, seen = run_on_terminal([*GIT_RUNS, "list"], shared_runs, columns=100)
    assert code == 0
    assert b"\x1b[32mfinished\x1b[m" in seen
    assert "█".encode() in seen
    code, plain = run_on_terminal([*GIT_RUNS, "list"], shared_runs, columns=60, environ={"NO_COLOR": "1"})
    assert b"\x1b" not in plain
    assert max(len(line) for line in plain.decode().splitlines()) <= 60


def test_the_pager_is_the_one_that_git_would_start(runs_repo: Path) -> None:
    run_git(runs_repo, "config", "core.pager", "sed 's/^/paged: /' | cat; echo LESS=$LESS")
    code, seen = run_on_terminal([*GIT_RUNS, "list"], runs_repo, environ={"GIT_PAGER": ""})
    assert (code, b"paged" in seen) == (0, False), "GIT_PAGER goes first"
    script = f"unset GIT_PAGER LESS; exec {sys.executable} -m gitruns.cli.main list"
    code, seen = run_on_terminal(["sh", "-c", script], runs_repo)
    assert code == 0
    assert seen.count(b"paged: ") == 5
    assert b"LESS=FRX" in seen
    script = script.replace("list", "--no-pager list")
    assert b"paged" not in run_on_terminal(["sh", "-c", script], runs_repo)[1]


def test_a_pager_that_is_left_early_or_missing_is_no_error(shared_runs: Path) -> None:
    for pager in ("true", "head -1", "/nowhere/pager"):
        code, seen = run_on_terminal([*GIT_RUNS, "list"], shared_runs, environ={"GIT_PAGER": pager})
        assert (code, b"Error" in seen, b"error" in seen) == (0, False, False), pager


def test_a_pipe_that_is_closed_early_is_left_quietly(shared_runs: Path) -> None:
    line = f"{sys.executable} -m gitruns.cli.main cat-run latest --points; echo code $? >&2"
    with subprocess.Popen(
        ["sh", "-c", f"({line}) | true"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr
        said = process.stderr.read()
    assert said in ("code 141\n", "code 0\n")  # 0 where all fitted into the pipe before it was closed


def test_init_asks_on_a_terminal(runs_repo: Path) -> None:
    before = (runs_repo / ".git" / "config").read_bytes()
    run_git(runs_repo, "remote", "add", "origin", "https://example.org/x.git")
    with_remote = (runs_repo / ".git" / "config").read_bytes()
    code, seen = run_on_terminal([*GIT_RUNS, "init"], runs_repo, keys=b"n\nn\n", until=b"[Y/n]")
    assert code == 0
    assert b"nothing was set" in seen
    assert (runs_repo / ".git" / "config").read_bytes() == with_remote
    code, seen = run_on_terminal([*GIT_RUNS, "init"], runs_repo, keys=b"\ny\ny\n", until=b"[Y/n]")
    assert b"alias.lga" in seen
    config = (runs_repo / ".git" / "config").read_text()
    assert "refs/runs-remotes" in config and "lga" in config
    assert before != with_remote


def test_a_note_is_written_in_the_editor(runs_repo: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text(
        '#!/bin/sh\ngrep -c "^# Write" "$1"\n{ echo "New words."; cat "$1"; } > "$1.new" && mv "$1.new" "$1"\n'
    )
    editor.chmod(0o755)
    environ = {"GIT_EDITOR": str(editor)}
    code, _ = run_on_terminal([*GIT_RUNS, "note", "-e", "calm-stork-7"], runs_repo, environ=environ)
    assert code == 0
    shown = subprocess.run([*GIT_RUNS, "note", "calm-stork-7"], capture_output=True, text=True, check=True).stdout
    assert shown == "New words.\n"
    code, seen = run_on_terminal([*GIT_RUNS, "note", "-e", "calm-stork-7"], runs_repo, environ={"GIT_EDITOR": "true"})
    assert b"the note is as it was" in seen
