"""`archive`, `purge`, `keep`, `unkeep` and `gc` as one types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.made_runs import Cli
from conftest import run_git


def names(cli: Cli) -> list[str]:
    """Returns the names of the runs that are listed."""
    return sorted(cli("list", "--format", "{name}").out.split("\n"))


def free_run(cli: Cli) -> tuple[str, str]:
    """Returns id and name of a run on which no version of a model stands."""
    for line in cli("list", "--format", "{id} {name}").out.splitlines():
        if line.isprintable() and cli("purge", line.split(" ")[0]).code == 0:
            return line.split(" ")[0], line.split(" ", 1)[1]
    raise AssertionError("there is none")


@pytest.fixture(autouse=True)
def here(runs_repo: Path) -> Path:
    """The working directory is a repository with runs."""
    return runs_repo


def test_archive_says_what_it_did(cli: Cli, here: Path) -> None:
    before = names(cli)
    count = len(run_git(here, "for-each-ref", "--format=%(refname)", "refs/runs/").splitlines())
    assert count > 3
    dry = cli("archive", "-n")
    assert (dry.code, dry.out) == (0, "")
    assert dry.err.startswith("would archive ")
    assert len(run_git(here, "for-each-ref", "refs/runs/").splitlines()) == count
    done = cli("archive")
    assert done.err.startswith("archived ")
    assert " under 1 ref\n" in done.err
    assert names(cli) == before
    assert cli("archive").err.endswith("nothing to archive\n") or "left " in cli("archive").err
    assert cli("show", "latest").code == 0
    assert cli("verify").code in (0, 1)


def test_archive_as_json(cli: Cli) -> None:
    found = json.loads(cli("archive", "--json").out)
    assert len(found["segments"]) == 1
    assert found["archived"] == sorted(found["archived"])
    assert set(found) == {"archived", "dry_run", "redundant", "replaced_segments", "segments", "skipped"}


def test_purge_says_first_and_does_with_yes(cli: Cli, here: Path) -> None:
    before = names(cli)
    run, name = free_run(cli)
    refs = run_git(here, "for-each-ref")
    said = cli("purge", run, width=80)
    assert said.code == 0
    assert said.out.startswith("would purge 1 run:\n")
    assert "what this does not reach:" in said.out
    assert said.out.endswith("nothing was changed: add --yes to do it\n")
    assert run_git(here, "for-each-ref") == refs
    done = cli("purge", run, "--yes", "--reason", "not ours")
    assert done.code == 0, done.err
    assert done.err.startswith("purged 1 run:\n")
    assert f"git runs keep {run[:8]}" in done.err
    assert name not in names(cli)
    gone = cli("show", run)
    assert gone.code == 12
    assert "was purged by Ada Lovelace: not ours" in gone.err
    assert f"{run}  {name}, purged " in cli("keep", now_ms=None).out
    brought_back = cli("keep", name)
    assert brought_back.code == 0, brought_back.err
    assert names(cli) == before
    assert cli("keep").out == f"{run}  kept\n"
    assert cli("unkeep", run).err == f"no longer kept: {run[:8]}\n"
    assert name not in names(cli)
    assert cli("purge", run).code == 12


def test_purge_by_query(cli: Cli) -> None:
    total = len(names(cli))
    chosen = cli("list", "status = failed", "--format", "{id}").out.split()
    assert chosen
    found = json.loads(cli("purge", "status = failed", "--yes", "--json").out)
    assert (found["purged"], sorted(found["runs"])) == (True, sorted(chosen))
    assert len(names(cli)) == total - len(chosen)
    assert cli("purge", "status = failed").out == "no run meets this\n"
    assert cli("purge", "nosuchrun").code == 12


def test_gc_says_first_and_does_with_yes(cli: Cli) -> None:
    said = cli("gc")
    assert said.code == 0, said.err
    assert "in the cache" in said.out
    assert cli("purge", free_run(cli)[0], "--yes").code == 0
    assert "held: 1 purged run, the first until " in cli("gc").out
    done = cli("gc", "--yes", "--expire=now")
    assert "let go: 1 purged run;" in done.out
    found = json.loads(cli("gc", "--json").out)
    assert (found["dry_run"], found["held"], found["released"]) == (True, {}, [])
    wrong = cli("gc", "--expire", "soon")
    assert wrong.code == 2
    assert "'soon' is not 'now' or a number with h, d or w" in wrong.err


@pytest.mark.parametrize("words", [("gc",), ("purge", "latest"), ("store", "gc")])
def test_doing_and_only_saying_exclude_each_other(words: tuple[str, ...], cli: Cli, here: Path) -> None:
    both = cli(*words, "--dry-run", "--yes")
    assert (both.code, both.out) == (2, "")
    assert "--dry-run and --yes cannot both be" in both.err


def test_summaries_fit_a_line_of_the_help(cli: Cli) -> None:
    for words in ((), ("artifacts",), ("experiments",), ("model",), ("store",)):
        commands = cli(*words, "-h").out
        assert "..." not in commands.replace("ARGS]...", "").split("Examples:")[0]
