"""What commands print, character by character, at 80 columns, at 200, in a pipe and as JSON.

UPDATE_GOLDEN=1 writes the files anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cli.made_runs import Cli

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "list-80": (80, ["list"]),
    "list-200": (200, ["list"]),
    "list-40": (40, ["list"]),
    "list-all-80": (80, ["list", "--all"]),
    "list-digits-80": (80, ["list", "--experiment", "digits"]),
    "list-metric-80": (80, ["list", "-m", "acc", "-m", "loss", "--sort", "-metrics.acc"]),
    "list-columns-80": (80, ["list", "--columns", "id,name,params.seed,metrics.acc"]),
    "list-pipe": (None, ["list"]),
    "list-pipe-columns": (None, ["list", "--columns", "short,params.lr,metrics.loss.min", "--sort", "params.lr"]),
    "list-json": (None, ["list", "--json"]),
    "list-format": (None, ["list", "--format", "{short} {name:<14}|{metrics.acc:.2f}|{params.lr}|{source.dirty}"]),
    "show-80": (80, ["show", "bold-otter-12"]),
    "show-200": (200, ["show", "bold-otter-12", "--all"]),
    "show-failed-80": (80, ["show", "neat-mole-988"]),
    "show-hostile-80": (80, ["show", "c0ffee"]),
    "show-deleted-pipe": (None, ["show", "0123dead"]),
    "show-json": (None, ["show", "bold-otter-12", "--json"]),
    "log-80": (80, ["log", "bold-otter-12"]),
    "log-oneline": (None, ["log", "slow-snail-3", "--oneline"]),
    "log-json": (None, ["log", "bold-otter-12", "--json"]),
    "artifacts-80": (80, ["artifacts", "bold-otter-12"]),
    "artifacts-pipe": (None, ["artifacts", "ls", "-r", "bold-otter-12"]),
    "artifacts-json": (None, ["artifacts", "ls", "bold-otter-12", "--json"]),
    "artifacts-plots-80": (80, ["artifacts", "ls", "bold-otter-12", "plots/"]),
    "tag": (80, ["tag", "bold-otter-12"]),
    "note": (80, ["note", "bold-otter-12"]),
    "status-80": (80, ["status"]),
    "status-json": (None, ["status", "--json"]),
    "experiments-80": (80, ["experiments"]),
    "experiments-pipe": (None, ["experiments"]),
    "ls-runs": (None, ["ls-runs", "--all"]),
    "cat-run": (None, ["cat-run", "neat-mole-988"]),
    "cat-run-points": (None, ["cat-run", "neat-mole-988", "--points"]),
}

# What is of this very copy: when it was made, on which machine, and what hashes that.
_OWN = (
    (re.compile(r'("writer": ")[0-9a-f]{16}'), r"\1<writer>"),
    (re.compile(r'("commit": ")[0-9a-f]{40}'), r"\1<commit>"),
    (re.compile(r'((?:creation|last_update)_time_ms": )\d+'), r"\1<time>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"^[0-9a-f]{10} ", re.MULTILINE), "<commit10> "),
)


@pytest.mark.parametrize("name", CASES)
def test_output_is_as_it_was(name: str, cli: Cli, shared_runs: Path) -> None:
    width, arguments = CASES[name]
    result = cli(*arguments, width=width)
    assert result.code == 0, result.err
    shown = f"$ git runs {' '.join(arguments)}\n{result.out}"
    if result.err:
        shown += f"--- stderr\n{result.err}"
    for pattern, replacement in _OWN:
        shown = pattern.sub(replacement, shown)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_no_golden_file_is_left_behind() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int, cli: Cli, shared_runs: Path) -> None:
    from gitruns.cli.cells import columns_of

    for arguments in (["list", "-a"], ["artifacts", "bold-otter-12"], ["experiments"]):
        for line in cli(*arguments, width=width).out.splitlines():
            assert columns_of(line) <= width, line


def test_colour_adds_nothing_but_colour(cli: Cli, shared_runs: Path) -> None:
    for arguments in (["list"], ["show", "latest"], ["status"], ["log", "latest"], ["artifacts", "latest"]):
        coloured = cli(*arguments, width=80, colour=True).out
        assert "\033[" in coloured
        assert re.sub("\033\\[[0-9;]*m", "", coloured) == cli(*arguments, width=80).out
