"""What commands print, character by character, at 80 columns, at 200, in a pipe and as JSON.

UPDATE_GOLDEN=1 writes the files anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
import shlex
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

QUERY = ["list", 'val_loss < 0.3 and model = "cnn"', "--sort", "val_loss"]
EXAMPLE_CASES = {
    "query-80": (80, QUERY),
    "query-200": (200, QUERY),
    "query-40": (40, QUERY),
    "query-pipe": (None, QUERY),
    "query-json": (None, [*QUERY, "--json"]),
    "query-csv": (None, ["list", "model = 'vit'", "--csv", "-n", "2"]),
    "query-csv-columns": (None, [*QUERY, "--csv", "--columns", "name,params.lr,metrics.val_loss.min"]),
    "query-summary-80": (80, ["list", "min(val_loss) < 0.2 and lr < 0.1", "--sort", "-min(val_loss)"]),
    "query-none": (80, ["list", "acc > 1"]),
    "query-two-80": (80, ["list", "@good", "main..feature", "-s", "finished,killed"]),
    "saved-80": (80, ["list", "--saved"]),
    "saved-pipe": (None, ["list", "--saved"]),
    "best-80": (80, ["best", "val_loss"]),
    "best-by-80": (80, ["best", "acc", "--by", "model", "--max"]),
    "best-by-pipe": (None, ["best", "acc", "--by", "model", "--by", "experiment", "-n", "2"]),
    "best-json": (None, ["best", "min(val_loss)", "--by", "lr", "--json", "model = 'mlp'"]),
    "stats-80": (80, ["stats", "val_loss", "--by", "model"]),
    "stats-pipe": (None, ["stats", "val_loss", "--by", "model", "--by", "lr"]),
    "stats-json": (None, ["stats", "val_loss", "model = 'vit'", "--json"]),
    "plot-80": (80, ["plot", "val_loss", "bold-crane-4"]),
    "plot-two-80": (80, ["plot", "val_loss", "bold-crane-4", "keen-otter-2", "--x", "time", "--log"]),
    "index-stats": (None, ["index", "--stats"]),
}

# What is of this very copy: when it was made, on which machine, and what hashes that.
_OWN = (
    (re.compile(r'("writer": ")[0-9a-f]{16}'), r"\1<writer>"),
    (re.compile(r'("commit": ")[0-9a-f]{40}'), r"\1<commit>"),
    (re.compile(r'((?:creation|last_update)_time_ms": )\d+'), r"\1<time>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"(?<=Place:      ).*"), "<place>"),
    (re.compile(r"(?<=Size:       ).*"), "<size>"),
    (re.compile(r"^[0-9a-f]{10} ", re.MULTILINE), "<commit10> "),
)


@pytest.mark.parametrize("name", CASES)
def test_output_is_as_it_was(name: str, cli: Cli, shared_runs: Path) -> None:
    compare_with_file(name, cli, *CASES[name])


@pytest.mark.parametrize("name", EXAMPLE_CASES)
def test_output_of_queries_is_as_it_was(name: str, cli: Cli, example_repo: Path) -> None:
    if name.startswith("plot"):
        pytest.importorskip("plotext")
    compare_with_file(name, cli, *EXAMPLE_CASES[name])


def compare_with_file(name: str, cli: Cli, width: int | None, arguments: list[str]) -> None:
    result = cli(*arguments, width=width)
    assert result.code == 0, result.err
    shown = f"$ git runs {shlex.join(arguments)}\n{result.out}"
    if result.err:
        shown += f"--- stderr\n{result.err}"
    for pattern, replacement in _OWN:
        shown = pattern.sub(replacement, shown)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_no_golden_file_is_left_behind() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {*CASES, *EXAMPLE_CASES}


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
