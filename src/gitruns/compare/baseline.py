"""The run that another one is measured against when nobody names it: a run of the code that it grew from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.compare.ancestry import Step, commit_here, nearest, walk
from gitruns.compare.runs_by_code import RunsByCode, preferred
from gitruns.entities.run import Run

if TYPE_CHECKING:
    from gitruns.entities.ids import ObjectId
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The run to compare with, and `why` it is that one, in words. `commit` is whose code it ran, `distance` how far
    before; both are None when it is only the run before."""

    run: Run
    why: str
    commit: ObjectId | None = None
    distance: int | None = None


def find_baseline(repo: Repo, run: Run) -> Baseline | None:
    """Returns the newest run of the nearest ancestor of a run's code that has one in the same experiment.

    Where no ancestor's exact code was run: the last run before it that was started on the nearest such commit, then
    the run before it in the experiment; None when it is the first.
    """
    return _by_ancestor(repo, run) or _before(repo, run)


def _others(repo: Repo, run: Run, *, earlier: bool) -> RunsByCode:
    def keep(one: Run) -> bool:
        return one.info.id != run.info.id and not (earlier and one.info.start_time_ms > run.info.start_time_ms)

    return RunsByCode(repo, experiments=[run.info.experiment_id], keep=keep)


def _by_ancestor(repo: Repo, run: Run) -> Baseline | None:
    source = run.info.source
    start = source.commit if commit_here(repo, source.commit) else source.base
    if start is None or not commit_here(repo, start):
        return None
    ran = _others(repo, run, earlier=False)

    def exact(step: Step) -> Run | None:
        own = step.distance == 0 and start == source.commit
        return None if own else preferred(ran.of_tree(step.tree))

    found = nearest(walk(repo, start), exact)
    if found is not None:
        step = found.step
        return Baseline(
            run=found.found,
            why=f"the newest run of commit {step.commit[:8]}, {_generations(step.distance)} before",
            commit=step.commit,
            distance=step.distance,
        )
    before = _others(repo, run, earlier=True)
    near = nearest(walk(repo, start), lambda step: preferred(before.on_commit(step.commit)))
    if near is None:
        return None
    return Baseline(
        run=near.found,
        why=f"no ancestor's exact code was run; this is the last run before, on commit {near.step.commit[:8]}",
        commit=near.step.commit,
        distance=near.step.distance,
    )


def _generations(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}" if count else "the same code"


def _before(repo: Repo, run: Run) -> Baseline | None:
    found = preferred(_others(repo, run, earlier=True).all())
    if found is None:
        return None
    return Baseline(run=found, why="no run of an ancestor is here; this is the run before in the same experiment")
