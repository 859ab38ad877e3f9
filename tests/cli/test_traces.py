"""`git runs traces`: found, listed, shown as a tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.made_runs import Cli
from cli.made_traces import TRACE, log_trace


@pytest.fixture
def traced(empty_repo: Path) -> Path:
    log_trace(empty_repo)
    return empty_repo


@pytest.mark.usefixtures("traced")
def test_traces_are_listed(cli: Cli) -> None:
    assert cli("traces").out == TRACE + '\task\tOK\t1500\t{"question": "how many\\nsheep?"}\n'
    shown = cli("traces", "list", width=80).out.splitlines()
    assert [word for word in shown[0].split() if word.isupper()][:4] == ["TRACE", "NAME", "STATE", "TOOK"]
    assert shown[1].startswith("tr-5f1c5f1c  ask   OK     1.5s")
    assert max(map(len, shown)) <= 80
    for text, count in (("tags.team = 'red'", 1), ("span.status = 'ERROR'", 1), ("feedback.correct = 'false'", 0)):
        assert len(cli("traces", "list", text).out.splitlines()) == count
    (record,) = [json.loads(line) for line in cli("traces", "list", "--json").out.splitlines()]
    assert (record["state"], record["duration_ms"], record["tags"]["team"]) == ("OK", 1500, "red")
    assert record["assessments"][0]["value"] is True
    assert cli("traces", "list", "-e", "Default", "--format", "{name} {tags.team}").out == "ask red\n"


@pytest.mark.usefixtures("traced")
def test_a_trace_is_shown_as_a_tree(cli: Cli) -> None:
    for word in ("latest", TRACE, TRACE[:9]):
        shown = cli("traces", "show", word, width=80).out
        lines = shown.splitlines()
        assert lines[0] == f"trace {TRACE}"
        assert "Tags:   team=red" in lines
        below = lines[lines.index("") + 1 :]
        assert below == [
            "ask  CHAIN  1.5s",
            '  < {"question": "how many\\nsheep?"}',
            "  > zwölf",
            "  look up  TOOL  750ms  ERROR",
            "correct = true  ada  (it is)",
        ]
    record = json.loads(cli("traces", "show", "latest", "--json").out)
    assert [one["name"] for one in record["spans"]] == ["ask", "look up"]
    assert record["spans"][0]["attributes"]["mlflow.spanOutputs"] == "zwölf"


@pytest.mark.usefixtures("traced")
def test_what_is_not_there_is_said(cli: Cli) -> None:
    for words, code, said in (
        (("show", "nothing"), 12, "cannot find trace 'nothing'"),
        (("show", "it's"), 12, "cannot find trace"),
        (("show", "%"), 12, "cannot find trace '%'"),
        (("list", "nothing = 1"), 2, "Invalid attribute key 'nothing'"),
        (("list", "--sort", "x"), 2, "Invalid attribute key 'x'"),
    ):
        result = cli("traces", *words)
        assert (result.code, said in result.err) == (code, True), result.err


@pytest.mark.usefixtures("empty_repo")
def test_no_traces_are_no_lines(cli: Cli) -> None:
    assert cli("traces").out == ""
    assert cli("traces", "list", width=80).out == ""
    assert cli("traces", "show", "latest").code == 12
