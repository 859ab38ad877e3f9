"""What is written about the command line is what it does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.made_runs import Cli
from gitruns.cli.reference import ENVIRONMENT, man_page, markdown
from gitruns.cli.run_json import DETAIL_KEYS, EXPERIMENT_KEYS, LOG_KEYS, RUN_KEYS

ROOT = Path(__file__).parents[2]


def _documented(section: str) -> set[str]:
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    body = re.split(r"^## ", text, flags=re.MULTILINE)
    found = next(part for part in body if part.startswith(section + "\n"))
    return set(re.findall(r"^\| `([a-z_0-9]+)` \|", found, flags=re.MULTILINE))


def _records(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    result = cli(*arguments, "--json")
    return [json.loads(line) for line in result.out.splitlines()]


def test_every_key_of_a_run_is_documented(cli: Cli, shared_runs: Path) -> None:
    records = _records(cli, "list", "--all")
    assert len(records) == 5
    assert {frozenset(record) for record in records} == {frozenset(_documented("Run"))} == {RUN_KEYS}
    for record in records:
        assert set(record["source"]) == _documented("Source")
        assert all(set(summary) == _documented("Metric") for summary in record["metrics"].values())
    (full,) = _records(cli, "show", "bold-otter-12")
    assert set(full) - RUN_KEYS == _documented("Run, in full") == DETAIL_KEYS
    assert set(full["inputs"][0]) == _documented("Input")
    assert set(full["artifacts"][0]) == _documented("Artifact")


def test_every_key_of_the_others_is_documented(cli: Cli, shared_runs: Path) -> None:
    for arguments in (["ls", "-r"], ["ls"]):
        for record in _records(cli, "artifacts", *arguments, "bold-otter-12"):
            assert set(record) == _documented("Artifact")
    for record in _records(cli, "experiments", "list", "--all"):
        assert set(record) == _documented("Experiment") == EXPERIMENT_KEYS
    for record in _records(cli, "log", "bold-otter-12"):
        assert set(record) == _documented("Log entry") == LOG_KEYS
    assert set(_records(cli, "tag", "bold-otter-12")[0]) == _documented("Tag")
    assert _records(cli, "experiments", "tag", "digits") == []
    assert set(_records(cli, "status")[0]) == _documented("Status")
    error = json.loads(cli("show", "nobody", "--json").err)
    assert set(error) >= _documented("Error")


def test_every_key_of_a_problem_is_documented(cli: Cli, runs_repo: Path) -> None:
    for cached in (runs_repo / ".git" / "gitruns" / "cache" / "o").rglob("*"):
        if cached.is_file() and cached.stat().st_size > 100_000:
            cached.unlink()
    result = cli("verify", "--json")
    assert result.code == 1
    assert set(json.loads(result.out.splitlines()[0])) == _documented("Problem")


@pytest.mark.parametrize(
    ("path", "text"), [("docs/cli.md", markdown), ("man/git-runs.1", man_page)], ids=["markdown", "man"]
)
def test_the_reference_is_made_from_the_commands(path: str, text: Any) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == text(), "run: python docs/make_cli_reference.py"


def test_every_variable_is_in_the_reference() -> None:
    named: set[str] = set()
    for file in (ROOT / "src" / "gitruns").rglob("*.py"):
        named.update(re.findall(r"GITRUNS_[A-Z_]+", file.read_text(encoding="utf-8")))
    assert named - {"GITRUNS_"} <= set(ENVIRONMENT)


def test_the_man_page_reads_well() -> None:
    page = (ROOT / "man" / "git-runs.1").read_text(encoding="utf-8")
    assert page.isascii()
    for line in page.splitlines():
        assert not line.startswith("'"), line
        if line.startswith("."):
            assert re.match(r"\.(TH|SH|SS|PP|TP|B|BR|nf|fi|RS|RE|\\\")", line), line
