"""The commit that made a metric worse: over any history, with as few new runs as can be."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.made_runs import Cli
from compare.lab import Lab
from gitruns.compare.bisect import Answer, Bisection, Graph, contradictions, search
from gitruns.entities.ids import ObjectId


@st.composite
def histories(draw: st.DrawFn) -> dict[ObjectId, list[ObjectId]]:
    """A history with merges, children before parents; each commit but the first has one or two parents before it."""
    count = draw(st.integers(1, 40))
    parents: dict[int, list[int]] = {0: []}
    for number in range(1, count):
        first = draw(st.integers(max(0, number - 3), number - 1))
        second = draw(st.none() | st.integers(0, number - 1))
        parents[number] = sorted({first, *([] if second is None else [second])}, reverse=True)
    return {name(number): [name(parent) for parent in parents[number]] for number in reversed(range(count))}


def name(number: int) -> ObjectId:
    """An id for a commit of that number."""
    return ObjectId(f"{number:040x}")


def asker(graph: Graph, first_bad: ObjectId) -> Callable[[ObjectId, Bisection], Answer]:
    """Answers as a history does in which one commit broke everything after it."""

    def ask(commit: ObjectId, bisection: Bisection) -> Answer:
        return Answer.BAD if graph.ancestors(commit) & graph.bit(first_bad) else Answer.GOOD

    return ask


@settings(max_examples=60)
@given(histories(), st.data())
def test_the_first_bad_commit_is_found_whatever_is_recorded(
    parents: dict[ObjectId, list[ObjectId]], data: st.DataObject
) -> None:
    graph = Graph(parents)
    tip = graph.commits[0]
    first_bad = data.draw(st.sampled_from(graph.listed(graph.ancestors(tip))))
    ask = asker(graph, first_bad)
    bisection = Bisection.start(graph, tip)
    recorded = {
        commit: ask(commit, bisection)
        for commit in data.draw(st.lists(st.sampled_from(graph.commits), unique=True))
        if commit != tip
    }
    assert search(bisection, recorded, ask) is None
    assert bisection.found == first_bad
    assert not set(bisection.asked) & set(recorded), "what a run has answered is not asked"
    assert contradictions(bisection, recorded) == []


@settings(max_examples=30)
@given(st.integers(1, 300), st.data())
def test_a_line_of_commits_takes_no_more_than_log2(count: int, data: st.DataObject) -> None:
    graph = Graph({name(number): [name(number - 1)] if number else [] for number in reversed(range(count))})
    bisection = Bisection.start(graph, graph.commits[0])
    first_bad = data.draw(st.sampled_from(graph.commits))
    search(bisection, {}, asker(graph, first_bad))
    assert bisection.found == first_bad
    assert len(bisection.asked) <= math.ceil(math.log2(count))


def test_skipped_commits_leave_more_than_one() -> None:
    graph = Graph({name(number): [name(number - 1)] if number else [] for number in reversed(range(8))})
    bisection = Bisection.start(graph, name(7))
    ask = asker(graph, name(4))
    skipped = {name(3), name(4), name(5)}
    waiting = search(bisection, {}, lambda commit, state: Answer.SKIP if commit in skipped else ask(commit, state))
    assert waiting is None and bisection.found is None
    assert bisection.candidates == [name(6), name(5), name(4), name(3)]


def test_a_metric_that_goes_up_and_down_is_said() -> None:
    graph = Graph({name(number): [name(number - 1)] if number else [] for number in reversed(range(4))})
    bisection = Bisection.start(graph, name(3))
    recorded = {name(0): Answer.GOOD, name(1): Answer.BAD, name(2): Answer.GOOD}
    search(bisection, recorded, None)
    assert bisection.found == name(1)
    assert contradictions(bisection, recorded) == [name(2)]


# In a repository

TRAIN = """
import gitruns
from model import LOSS
with gitruns.start_run():
    gitruns.log_metric("loss", LOSS)
"""


@pytest.fixture
def regressed(lab: Lab) -> Callable[[set[int]], list[str]]:
    """Makes 64 commits of which the 42nd made the loss worse; some of them are run."""

    def make(run: set[int]) -> list[str]:
        lab.commit("start", train__py=TRAIN, model__py="LOSS = 0.5\n")
        losses = [0.5 if number < 42 else 0.9 for number in range(64)]
        sources = lab.history([{"model.py": f"LOSS = {loss}  # {number}\n"} for number, loss in enumerate(losses)])
        for number in sorted(run):
            lab.run({"loss": losses[number] + number / 10_000}, source=sources[number])
        return [str(source.commit) for source in sources]

    return make


def test_recorded_runs_find_it_without_a_new_one(
    lab: Lab, cli: Cli, regressed: Callable[[set[int]], list[str]]
) -> None:
    commits = regressed(set(range(64)))
    result = cli("bisect", "loss", "--worse-than", "0.7", "--json")
    found = json.loads(result.out)
    assert result.code == 0
    assert found["first_bad"] == commits[42]
    assert found["run_now"] == [] and len(found["answered_by_runs"]) <= 7


def test_what_is_missing_is_run_in_a_checkout_of_its_own(
    lab: Lab, cli: Cli, regressed: Callable[[set[int]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = regressed({63})
    lab.write(model__py="LOSS = my own change\n")
    index = (lab.folder / ".git" / "index").read_bytes()
    before = lab.git("status", "--porcelain"), lab.git("rev-parse", "HEAD"), lab.git("symbolic-ref", "HEAD"), index
    monkeypatch.setenv("PATH", f"{os.path.dirname(os.sys.executable)}{os.pathsep}{os.environ['PATH']}")  # type: ignore[attr-defined]
    result = cli("bisect", "loss", "--worse-than", "0.7", f"{commits[0]}~1..HEAD", "--json", "--", "python", "train.py")
    found = json.loads(result.out.splitlines()[-1])
    assert result.code == 0, result.err
    assert found["first_bad"] == commits[42]
    assert len(found["run_now"]) <= 6
    index = (lab.folder / ".git" / "index").read_bytes()
    assert before == (
        lab.git("status", "--porcelain"),
        lab.git("rev-parse", "HEAD"),
        lab.git("symbolic-ref", "HEAD"),
        index,
    )
    assert len(lab.git("worktree", "list").splitlines()) == 1
    assert not (lab.folder / ".git" / "worktrees").exists()
    again = json.loads(cli("bisect", "loss", "--worse-than", "0.7", "--json").out)
    assert again["first_bad"] == commits[42] and again["run_now"] == [], "the runs are kept"


def test_without_a_command_the_next_commit_is_named(
    lab: Lab, cli: Cli, regressed: Callable[[set[int]], list[str]]
) -> None:
    commits = regressed({0, 63})
    result = cli("bisect", "loss", "--worse-than", "0.7")
    assert result.code == 1
    assert "63 commits are left, about 6 more answers are needed" in result.out
    assert f"needed next: a run of {commits[32][:8]} change 32" in result.out or "needed next" in result.out


def test_a_command_that_cannot_say_skips_the_commit(lab: Lab, cli: Cli) -> None:
    commits = [lab.commit(f"change {number}", model__py=f"{number}\n") for number in range(4)]
    lab.run({"loss": 0.9})
    lab.git("switch", "--quiet", "--detach", commits[0])
    lab.run({"loss": 0.5})
    lab.git("switch", "--quiet", "main")
    result = cli("bisect", "loss", "--worse-than", "0.7", "--", "sh", "-c", "exit 125")
    assert result.code == 1
    assert "could not be judged" in result.out and "it was skipped" in result.err


def test_nothing_bad_is_said(lab: Lab, cli: Cli) -> None:
    lab.commit("one", train__py="1\n")
    lab.run({"loss": 0.5})
    result = cli("bisect", "loss", "--worse-than", "0.7")
    assert result.code == 1 and "there is nothing to find" in result.out


def test_a_metric_of_no_direction_is_refused(lab: Lab, cli: Cli) -> None:
    lab.commit("one", train__py="1\n")
    lab.run({"thing": 0.5})
    result = cli("bisect", "thing", "--worse-than", "0.7")
    assert result.code == 2 and "--direction lower" in result.err
    assert cli("bisect", "thing", "--worse-than", "0.7", "--direction", "lower").code == 1
    assert cli("bisect", "loss", "--worse-than", "0.7", "HEAD..HEAD").code == 2
