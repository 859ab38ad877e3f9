"""Chooses the runs of a review: the head's by the same code, the base's by the nearest ancestor that was run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.compare.ancestry import Nearest, Step, nearest, walk
from gitruns.compare.review.revisions import Commit, Range, read_commit
from gitruns.compare.review.same_code import CodeKeys, Key
from gitruns.compare.runs_by_code import RunsByCode, finished
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run

if TYPE_CHECKING:
    from gitruns.repo import Repo

_MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The runs of one side, and how they were found.

    `commit` is the one that was asked about, `ran` the one whose code the runs ran (the same where it is `exact`;
    None where it is known by no commit here). `why` says it in words. `unfinished` are runs of the same code that
    did not finish: they are not compared, but said.
    """

    commit: Commit
    ran: Commit | None
    exact: bool
    why: str
    runs: tuple[Run, ...] = ()
    unfinished: tuple[Run, ...] = ()


class Chooser:
    """Looks for the runs of a range."""

    def __init__(self, repo: Repo, runs: RunsByCode, keys: CodeKeys, span: Range) -> None:
        self._repo = repo
        self._keys = keys
        self._span = span
        self._runs = runs
        keys.learn(runs.trees)
        self._trees: dict[Key, list[ObjectId]] = defaultdict(list)
        for tree in sorted(runs.trees):
            self._trees[keys.of(tree)].append(tree)

    def _of_key(self, key: Key) -> list[Run]:
        """The runs of the same code, the one started last first."""
        return self._runs.of_trees(self._trees[key]) if key in self._trees else []

    # Head

    def head(self) -> Side:
        """Returns the runs of the head: of its exact code, else the nearest that stand for it, and says so."""
        head = self._span.head
        same = self._of_key(self._keys.of(head.tree))
        if any(finished(run) for run in same):
            return self._side(head, head, same, exact=True, why="runs of exactly this code")
        found = self._in_range() or self._changed_on_range() or self._of_branch()
        missing = "there is no finished run for this exact code" if same else "there is no run for this exact code"
        if found is None:
            return Side(commit=head, ran=None, exact=False, why=missing, unfinished=tuple(same))
        step, runs, what = found
        ran = None if step is None else read_commit(self._repo, step)
        return self._side(head, ran, runs, exact=False, why=f"{missing}; {what}", also=same)

    def _in_range(self) -> tuple[ObjectId | None, list[Run], str] | None:
        near = self._nearest(self._span.head.id, lambda step: _with_finished(self._of_step(step)), self._span.base.id)
        if near is None:
            return None
        return near.step.commit, near.found, f"the nearest is of commit {_short(near.step)}, {_before(near.step)}"

    def _changed_on_range(self) -> tuple[ObjectId | None, list[Run], str] | None:
        def changed(step: Step) -> list[Run] | None:
            return _with_finished([run for run in self._runs.on_commit(step.commit) if run.info.source.dirty])

        near = self._nearest(self._span.head.id, changed, self._span.base.id)
        if near is None:
            return None
        latest = _same_source(near.found)
        return None, latest, f"the nearest was run on changed files, on commit {_short(near.step)}"

    def _of_branch(self) -> tuple[ObjectId | None, list[Run], str] | None:
        branch = self._span.head_branch
        if branch is None:
            return None
        of_base = self._keys.of(self._span.base.tree)
        known = [run for run in self._runs.of_branch(branch) if finished(run) and of_base not in self._keys.of_run(run)]
        if not known:
            return None
        latest = _same_source(known)
        return None, latest, f"the latest of branch {branch} ran other code"

    # Base

    def base(self, head: Side) -> Side:
        """Returns the runs of the base: of its exact code, else of its nearest ancestor that has runs like the head's.

        Runs like the head's are of the same experiment and entry point, or of the same experiment, or any.
        """
        base = self._span.base
        taken = {run.info.id for run in head.runs}
        for alike in _likenesses(head.runs):
            near = self._nearest(
                base.id,
                lambda step, alike=alike: _with_finished(  # type: ignore[misc]  # a default binds the loop's value
                    [run for run in self._of_step(step) if run.info.id not in taken and alike(run)]
                ),
            )
            if near is not None:
                exact = near.step.distance == 0
                why = self._span.why_base
                if not exact:
                    why += f" ({base.id[:8]}) has no run; the nearest ancestor with one is {_before(near.step)} it"
                return self._side(base, read_commit(self._repo, near.step.commit), near.found, exact=exact, why=why)
        cut = " (history is cut off here)" if self._repo.store.paths.shallow else ""
        return Side(commit=base, ran=None, exact=False, why=f"neither {base.id[:8]} nor an ancestor has a run{cut}")

    # Inside

    def _of_step(self, step: Step) -> list[Run]:
        return self._of_key(self._keys.of(step.tree))

    def _nearest(
        self, start: ObjectId, look: Callable[[Step], list[Run] | None], without: ObjectId | None = None
    ) -> Nearest[list[Run]] | None:
        steps = []
        for step in walk(self._repo, start, without=without):
            steps.append(step)
            if len(steps) >= _MOST_STEPS:
                break
        self._keys.learn(step.tree for step in steps)
        return nearest(iter(steps), look)

    def _side(
        self, commit: Commit, ran: Commit | None, runs: list[Run], *, exact: bool, why: str, also: Iterable[Run] = ()
    ) -> Side:
        return Side(
            commit=commit,
            ran=ran,
            exact=exact,
            why=why,
            runs=tuple(self._repo.get_run(run.info.id) for run in runs if finished(run)),
            unfinished=tuple(run for run in [*also, *runs] if not finished(run)),
        )


def _likenesses(runs: Collection[Run]) -> list[Callable[[Run], bool]]:
    if not runs:
        return [lambda run: True]
    both = {(run.info.experiment_id, run.info.entry_point) for run in runs}
    experiments = {experiment for experiment, _ in both}
    return [
        lambda run: (run.info.experiment_id, run.info.entry_point) in both,
        lambda run: run.info.experiment_id in experiments,
    ]


def _with_finished(runs: list[Run]) -> list[Run] | None:
    return runs if any(finished(run) for run in runs) else None


def _same_source(runs: list[Run]) -> list[Run]:
    """The newest finished run, and those of the same code."""
    first = next(run for run in runs if finished(run))
    return [run for run in runs if run.info.source.code_tree == first.info.source.code_tree]


def _short(step: Step) -> str:
    return step.commit[:8]


def _before(step: Step) -> str:
    return f"{step.distance} commit{'' if step.distance == 1 else 's'} before"
