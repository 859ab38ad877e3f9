"""`git runs bisect`"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT
from gitruns.cli.cells import number, printable
from gitruns.cli.commands import BEHIND_DASHES, CHECKING, DashedCommand, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.output import json_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.compare.bisect import Answer, Bisection
    from gitruns.compare.regression import Measurements, PrivateWorkTree, Question, Recorded
    from gitruns.entities.ids import ObjectId
    from gitruns.repo import Repo

_SKIP = 125
_DIGITS = 6
_OTHER_PLACES = ("GITRUNS_REPO", "GITRUNS_RUN_ID", "GITRUNS_JOURNAL", "GITRUNS_SOURCE")


@command(
    "bisect",
    cls=DashedCommand,
    exits=CHECKING,
    examples=[
        "git runs bisect loss --worse-than 2",
        "git runs bisect acc --worse-than 0.9 -- sh train.sh",
        "git runs bisect loss --worse-than 2 --where 'lr = 0.1' --json",
    ],
)
@click.argument("metric")
@click.argument("span", metavar="[GOOD..BAD] [-- COMMAND...]", required=False)
@click.option("--worse-than", "limit", type=float, required=True, metavar="VALUE", help="A commit is bad beyond it.")
@click.option("--direction", type=click.Choice(["lower", "higher"]), help="Which values of METRIC are better.")
@click.option("--where", "query", default="", metavar="QUERY", help="Only runs that match may answer.")
@click.option("-e", "--experiment", type=EXPERIMENT, help="Only runs of this experiment may answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
@pass_app
def bisect(
    app: App,
    ctx: click.Context,
    metric: str,
    span: str | None,
    limit: float,
    direction: str | None,
    query: str,
    experiment: str | None,
    as_json: bool,
) -> int:
    """Find the commit that made a metric worse

    Runs that were recorded answer for the commits whose exact code they ran; only where none did, a commit is asked
    about: its name is printed, or COMMAND is run on it, tracked as a run, in a checkout of its own, so that your work
    tree, index and HEAD stay as they are. COMMAND logs METRIC with gitruns; files that git ignores are not in that
    checkout. Its exit code 125 skips a commit. BAD is HEAD where none is named, GOOD every commit below it whose
    runs are good. Exits with 0 when the commit is found, 1 when an answer is missing.
    """
    repo = app.open_repo()
    if experiment is not None:
        app.experiment(experiment)
    question = _question(repo, metric, limit, direction, query, experiment)
    found = _Search(app, repo, question, span, ctx.meta[BEHIND_DASHES]).run()
    if as_json:
        app.out.write(json_text(found.record(question)) + "\n")
    else:
        app.out.write("".join(f"{line}\n" for line in found.lines(app, question)))
    return DONE if found.first_bad is not None else NO


def _question(
    repo: Repo, metric: str, limit: float, direction: str | None, query: str, experiment: str | None
) -> Question:
    from gitruns.compare.directions import Direction, parse_direction
    from gitruns.compare.regression import Question
    from gitruns.compare.settings import read_settings

    found = parse_direction(direction, metric) if direction else read_settings(repo).directions.of(metric)
    if found is Direction.UNKNOWN:
        raise InvalidInputError(
            f"nobody knows which way '{metric}' is better",
            kind="no-direction",
            hint=f"--direction lower, or in gitruns.yaml metrics: {{{metric}: lower}}",
        )
    return Question(metric=metric, limit=limit, direction=found, query=query, experiment=experiment)


@dataclass
class _Found:
    """What came of it. `waiting` is the commit that must be run before it goes on."""

    first_bad: ObjectId | None
    waiting: ObjectId | None
    bisection: Bisection | None
    measured: dict[ObjectId, Recorded] = field(default_factory=dict)
    contradicting: list[ObjectId] = field(default_factory=list)
    nothing: str = ""

    def record(self, question: Question) -> dict[str, Any]:
        search = self.bisection
        bad = self.measured.get(self.first_bad) if self.first_bad else None
        return {
            "metric": question.metric,
            "worse_than": question.limit,
            "first_bad": self.first_bad,
            "value": None if bad is None else _json_number(bad.value),
            "runs": [] if bad is None else [run.info.id for run in bad.runs],
            "waiting_for": self.waiting,
            "candidates": [] if search is None else search.candidates,
            "answered_by_runs": [] if search is None else search.answered,
            "run_now": [] if search is None else search.asked,
            "contradicting": self.contradicting,
        }

    def lines(self, app: App, question: Question) -> list[str]:
        search = self.bisection
        if search is None:
            return [self.nothing]
        count = f"{len(search.answered)} answered by recorded runs, {len(search.asked)} run now"
        if self.first_bad is not None:
            return [*self._bad_lines(app, question, self.first_bad), f"{count}", *self._doubts(app)]
        if self.waiting is None:
            return [
                "the first bad commit is one of these, which could not be judged:",
                *(f"  {_commit(app, commit)}" for commit in search.candidates),
                count,
            ]
        left = f"{len(search.candidates)} commits are left, about {search.steps_left} more answers are needed"
        return [
            f"no run says whether {self.waiting[:8]} is bad" if self.waiting in search.known else left,
            f"needed next: a run of {_commit(app, self.waiting)}",
            "hint: let it be run: add -- COMMAND, or check it out, run it, and come back",
        ]

    def _bad_lines(self, app: App, question: Question, commit: ObjectId) -> list[str]:
        name = printable(question.metric)
        lines = [f"first bad commit: {_commit(app, commit)}"]
        bad = self.measured.get(commit)
        if bad is not None:
            lines.append(f"  {name} {number(bad.value, _DIGITS)} (run {bad.runs[0].info.id[:8]})")
        return lines

    def _doubts(self, app: App) -> list[str]:
        shown = [f"  {_commit(app, commit)}" for commit in self.contradicting[:5]]
        return ["warning: the metric goes up and down: these commits do not fit", *shown] if shown else []


class _Search:
    def __init__(self, app: App, repo: Repo, question: Question, span: str | None, words: Sequence[str]) -> None:
        from gitruns.compare.regression import Measurements

        self._app = app
        self._repo = repo
        self._question = question
        self._words = tuple(words)
        self._measurements: Measurements = Measurements(repo, question)
        self._measured: dict[ObjectId, Recorded] = {}
        good, dots, bad = (span or "..").partition("..")
        if not dots:
            good, bad = "", good
        self._bad_is_named = bool(bad)
        self._good = repo.resolve_commit(good) if good else None
        self._bad = repo.resolve_commit(bad or "HEAD")

    def run(self) -> _Found:
        from gitruns.compare.bisect import Answer, Bisection, contradictions, search
        from gitruns.compare.regression import private_work_tree, read_graph

        graph, self._trees = read_graph(self._repo, self._good, self._bad)
        recorded = {commit: answer for commit in graph.commits if (answer := self._recorded(commit)) is not None}
        with private_work_tree(self._repo, self._app.environ) as place:
            ask = self._asker(place) if self._words else None
            of_bad = recorded.get(self._bad)
            bisection = Bisection.start(graph, self._bad)
            if of_bad is None and not self._bad_is_named:
                of_bad = ask(self._bad, bisection) if ask else None
                if of_bad is None:
                    return _Found(None, self._bad, bisection, self._measured)
                bisection.asked.append(self._bad)
            if of_bad is Answer.GOOD:
                return _Found(None, None, None, nothing=self._nothing_is_bad())
            others = {commit: answer for commit, answer in recorded.items() if commit != self._bad}
            waiting = search(bisection, others, ask)
        return _Found(bisection.found, waiting, bisection, self._measured, contradictions(bisection, others))

    def _nothing_is_bad(self) -> str:
        value = number(self._measured[self._bad].value, _DIGITS)
        return f"{self._bad[:8]} is good: {printable(self._question.metric)} is {value}; there is nothing to find"

    def _recorded(self, commit: ObjectId) -> Answer | None:
        found = self._measurements.of(commit, self._trees[commit])
        if found is None:
            return None
        self._measured[commit] = found
        return self._question.judge(found.value)

    def _asker(self, place: PrivateWorkTree) -> Callable[[ObjectId, Bisection], Answer | None]:
        from gitruns.compare.bisect import Answer

        def ask(commit: ObjectId, bisection: Bisection) -> Answer | None:
            left = f"{len(bisection.candidates)} commits left, about {bisection.steps_left} runs"
            self._app.out.talk(f"running {_commit(self._app, commit)} ({left})")
            code = self._run_at(place, commit)
            self._measurements.refresh()
            answer = None if code == _SKIP else self._recorded(commit)
            if answer is None:
                why = "it was skipped" if code == _SKIP else f"no finished run has '{self._question.metric}'"
                self._app.out.talk(f"warning: {commit[:8]} cannot be judged: {why} (exit code {code})")
                return Answer.SKIP
            value = number(self._measured[commit].value, _DIGITS)
            self._app.out.talk(f"{commit[:8]} is {answer.value}: {printable(self._question.metric)} {value}")
            return answer

        return ask

    def _run_at(self, place: PrivateWorkTree, commit: ObjectId) -> int:
        """Runs the command on a commit, as `git runs exec` does, in the folder that is ours here; returns its code."""
        folder = place.switch(commit)
        top = self._repo.store.paths.work_tree
        here = Path.cwd()
        inside = folder / here.relative_to(top) if top is not None and here.is_relative_to(top) else folder
        environ = {key: value for key, value in self._app.environ.items() if key not in _OTHER_PLACES}
        # The folder must not be searched for modules before our own are loaded.
        program = "import sys; sys.path.pop(0); from gitruns.cli.main import main; sys.exit(main())"
        words = [sys.executable, "-c", program, "exec", "--quiet"]
        if self._question.experiment is not None:
            words += ["--experiment", self._question.experiment]
        done = subprocess.run(
            [*words, "--", *self._words],
            cwd=inside if inside.is_dir() else folder,
            # A file of the same size that was written in the same second would be taken for the one compiled before.
            env={**environ, "PWD": os.fspath(inside), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # what we print is the answer
            check=False,
        )
        return done.returncode


def _commit(app: App, commit: ObjectId) -> str:
    return f"{commit[:8]} {printable(app.subject_of(commit) or '')}".rstrip()


def _json_number(value: float) -> float | str:
    from gitruns.cli.run_json import as_json

    return as_json(value)


COMMAND = bisect
