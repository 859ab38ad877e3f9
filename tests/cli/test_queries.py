"""Queries on the command line: conditions, ranges, saved ones, and the errors of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.made_runs import Cli
from cli.own_terminal import run_on_terminal
from cli.test_failures import GIT_RUNS
from gitruns.cli.queries import Asked, is_range, joined, query_text
from gitruns.query import parse

SAVED = {"good": "acc > 0.9 or loss < 0.1", "mine": "user = ada"}


@pytest.mark.parametrize("word", ["main..feature", "v1...v2", "..HEAD", "HEAD~3..", "a/b..c-d", "main@{1}..main"])
def test_ranges(word: str) -> None:
    assert is_range(word)
    parse(f"in {word}")


@pytest.mark.parametrize("word", ["acc > 0.9", "..", "...", "model='a..b'", "acc", "1.5", "in a..b", "touched a..b"])
def test_no_ranges(word: str) -> None:
    assert not is_range(word)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["acc > 0.9"], "acc > 0.9"),
        (["acc", ">", "0.9"], "acc > 0.9"),
        (["acc", ">", "0.9", "or", "dirty"], "acc > 0.9 or dirty"),
        (["acc > 0.9", "lr = 0.1"], "acc > 0.9 and lr = 0.1"),
        (["acc > 0.9 or lr = 1", "dirty"], "(acc > 0.9 or lr = 1) and dirty"),
        (["main..feature", "acc > 0.9"], "in main..feature and acc > 0.9"),
        (["in", "main..feature"], "in main..feature"),
        (["@good", "@mine"], "(acc > 0.9 or loss < 0.1) and user = ada"),
        ([], ""),
    ],
)
def test_words_make_one_query(words: list[str], text: str) -> None:
    assert query_text(Asked(words=tuple(words)), SAVED) == text
    assert parse(text) == parse(joined([text]))


def test_a_status_is_part_of_the_query() -> None:
    asked = Asked(words=("acc > 1 or dirty",), statuses=frozenset({"failed", "killed"}))
    assert query_text(asked, {}) == "(acc > 1 or dirty) and status in (failed, killed)"


def test_errors_point_at_the_place_and_exit_with_2(cli: Cli, example_repo: Path) -> None:
    result = cli("list", "acc > 0.9 and val_los < 1", "-s", "finished")
    assert (result.code, result.out) == (2, "")
    message, text, caret, hint = result.err.splitlines()
    assert message == "error: cannot read query: no run has 'val_los' (column 15)"
    assert text[caret.index("^") :].startswith("val_los < 1")
    assert hint == "hint: did you mean val_loss?"
    assert "expected" in cli("list", "acc > >").err
    assert cli("list", "@god").err == "error: there is no saved query 'god'\nhint: did you mean @good?\n"
    assert "there is no range 'main..nothing'" in cli("list", "main..nothing").err
    fact = json.loads(cli("list", "acc >", "--json").err)
    assert (fact["kind"], fact["column"], fact["exit_code"]) == ("bad-query", 6, 2)


def test_a_query_without_its_command_is_known_as_one(cli: Cli) -> None:
    assert cli("acc > 0.9").err.endswith("hint: did you mean git runs list 'acc > 0.9'?\n")
    assert cli("@good").err.endswith("hint: did you mean git runs list @good?\n")


def test_patterns_need_their_engine(cli: Cli, example_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from gitruns.index import functions

    functions._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "re2", None)
    result = cli("list", "name regexp '^calm'")
    functions._compiled.cache_clear()
    assert result.code == 2
    assert result.err == (
        "error: REGEXP needs an engine that is not installed\nhint: pip install 'gitruns[regexp]', or use LIKE\n"
    )


def test_patterns_find(cli: Cli, example_repo: Path) -> None:
    pytest.importorskip("re2")
    assert cli("list", "name regexp '^(calm|shy)-'", "--format", "{name}").out == "shy-badger-5\ncalm-heron-1\n"
    assert "bad pattern" in cli("list", "name regexp '('").err


def test_a_terminal_is_shown_the_first_and_told_of_the_rest(
    cli: Cli, example_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitruns.cli.porcelain.list.FIRST", 4)
    shown = cli("list", width=80).out.splitlines()
    assert (len(shown), shown[-1]) == (6, "… and 5 more: -n 0 shows all")
    assert len(cli("list", "-n", "0", width=80).out.splitlines()) == 10
    assert len(cli("list", "-n", "3", width=80).out.splitlines()) == 4
    assert len(cli("list").out.splitlines()) == 9
    assert len(cli("list", "--table").out.splitlines()) == 10


def test_what_only_the_run_itself_holds_is_read_when_asked_for(cli: Cli, shared_runs: Path) -> None:
    shown = cli("list", "acc > 0", "--columns", "name,artifact_count,environment.python").out
    assert shown == "bold-otter-12\t3\tCPython 3.11.7\ncalm-stork-7\t0\tCPython 3.11.7\n"
    assert "artifact_count" not in cli("list", "--json").out
    assert cli("list", "--columns", "nothing").code == 2


@pytest.mark.parametrize("limit", ["0", "2"])
def test_fields_from_columns_are_those_of_the_records(limit: str, cli: Cli, shared_runs: Path) -> None:
    fields = """id short name status live experiment_id experiment start_time_ms started end_time_ms ended duration_ms
    user host entry_point exit_code error parent_run_id metrics.loss metrics.loss.min metrics.loss.count params.lr
    params.seed tags.baseline metrics.acc""".split()
    arguments = ["list", "--all", "--sort", "-loss", "-n", limit]
    quick = cli(*arguments, "--columns", ",".join(fields)).out
    slow = cli(*arguments, "--columns", ",".join([*fields, "writer"])).out  # which no column has
    assert quick == "".join(line.rpartition("\t")[0] + "\n" for line in slow.splitlines())
    assert quick.count("\n") == (5 if limit == "0" else 2)


def test_a_run_that_cannot_be_read_is_said_at_the_end(cli: Cli, runs_repo: Path) -> None:
    from cli.test_failures import _commit_tree

    _commit_tree(runs_repo, lambda files: files.update({"run.yaml": b'"id": "x"\n'}))
    result = cli("list", "--format", "{short}")
    assert result.code == 0
    assert "3f2a9c1e" not in result.out and result.out.count("\n") == 3
    assert result.err.startswith("warning: run '3f2a9c1e' is left out: ")
    assert cli("show", "3f2a").code == 15


def test_the_index_is_made_and_checked(cli: Cli, runs_repo: Path) -> None:
    (runs_repo / ".git" / "gitruns" / "index.db").unlink(missing_ok=True)
    assert cli("index").err.startswith("read 5 runs in ")
    assert cli("index").err.startswith("read 0 runs in ")
    assert cli("index", "--verify").err == "the index holds what is stored\n"
    assert cli("index", "--rebuild").err.startswith("read 5 runs in ")
    assert cli("rebuild-index").out == "5\n"
    known = json.loads(cli("index", "--stats", "--json").out)
    assert (known["runs"], known["unreadable"]) == (5, 0)
    assert Path(known["path"]).parent == runs_repo / ".git" / "gitruns"
    assert cli("index", "--stats", "--verify").code == 2
    assert cli("index", "--json").code == 2


def test_a_tampered_index_is_found_out(cli: Cli, runs_repo: Path) -> None:
    import sqlite3

    cli("index")
    with sqlite3.connect(runs_repo / ".git" / "gitruns" / "index.db") as connection:
        connection.execute("UPDATE metrics SET last = last + 1")
    connection.close()
    result = cli("index", "--verify")
    assert result.code == 1 and "hint: git runs index --rebuild" in result.err
    cli("index", "--rebuild")
    assert cli("index", "--verify").code == 0


def test_best_says_what_it_takes_for_better(cli: Cli, example_repo: Path) -> None:
    assert cli("best", "acc").err == "the greatest acc is the best; --min says otherwise\n"
    assert cli("best", "acc", "--min", "--format", "{name} {value}").out == "shy-badger-5 0.1\n"
    result = cli("best", "seconds - acc")
    assert result.code == 2 and "hint: say --min or --max" in result.err
    assert cli("best", "seconds - acc", "--max", "--format", "{name}").out == "calm-heron-1\n"
    assert "did you mean val_loss?" in cli("best", "val_los").err
    assert "did you mean layers?" in cli("best", "acc", "--by", "layer").err
    assert cli("best", "acc", "acc > 2").code == 1
    assert cli("best", "acc", "--min", "--max").code == 2


def test_best_of_each_group_is_the_first_of_each_sorted(cli: Cli, example_repo: Path) -> None:
    rows = [
        line.split("\t") for line in cli("list", "--columns", "name,params.model", "--sort", "-acc").out.splitlines()
    ]
    first = {model: name for name, model in reversed(rows)}
    found = cli("best", "acc", "--by", "model", "--format", "{group.model} {name}").out.split()
    assert dict(zip(found[::2], found[1::2], strict=True)) == first


def test_stats_are_those_of_the_runs(cli: Cli, example_repo: Path) -> None:
    import statistics

    values = [float(text) for text in cli("list", "val_loss > 0", "--format", "{metrics.val_loss}").out.split()]
    known = json.loads(cli("stats", "val_loss", "--json").out)
    assert known["count"] == len(values) == 8
    assert known["mean"] == pytest.approx(statistics.fmean(values))
    assert known["spread"] == pytest.approx(statistics.stdev(values))
    assert (known["min"], known["median"], known["max"]) == (min(values), statistics.median(values), max(values))
    assert "calculated" in cli("stats", "acc - val_loss").err
    assert cli("stats", "acc", "acc > 2").err == "no such runs\n"


def test_the_progress_of_the_index_leaves_no_trace_on_the_terminal(runs_repo: Path) -> None:
    code, seen = run_on_terminal([*GIT_RUNS, "--no-pager", "list", "-n", "1"], runs_repo)
    assert code == 0 and b"indexing" not in seen  # it was soon done


def test_saved_queries_and_keys_are_completed(cli: Cli, example_repo: Path) -> None:
    assert cli("complete", "--", "list", "@g").out == "plain\t@good\tval_loss < 0.2 and status = finished\n"
    assert cli("complete", "--", "best", "val").out == "plain\tval_loss\tmetric of 9 runs\n"
    assert cli("complete", "--", "list", "mod").out == "plain\tmodel\tparam of 9 runs\n"
