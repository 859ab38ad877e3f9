"""What a bisection needs of a repository: which commits, what recorded runs say of them, and a place to run others."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.compare.bisect import MAX_COMMITS, Answer, Graph
from gitruns.compare.directions import Direction
from gitruns.compare.runs_by_code import RunsByCode, finished
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.gitstore.program import GitProgram

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every commit: is `metric` worse than `limit` there? `query` limits the runs that answer."""

    metric: str
    limit: float
    direction: Direction
    query: str = ""
    experiment: str | None = None

    def judge(self, value: float) -> Answer:
        """Returns what a value says; NaN is as bad as can be."""
        worse = math.isnan(value) or self.direction.is_better(self.limit, value)
        return Answer.BAD if worse else Answer.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What recorded runs say of a commit: the mean of the metric's last values."""

    commit: ObjectId
    value: float
    runs: tuple[Run, ...]


class Measurements:
    """Looks up what finished runs measured of the exact code of a commit."""

    def __init__(self, repo: Repo, question: Question) -> None:
        self._repo = repo
        self._question = question
        self.refresh()

    def refresh(self) -> None:
        """Reads the runs anew."""
        named = self._question.experiment
        experiment = None if named is None else self._repo.find_experiment(named)
        ids = None if experiment is None else [experiment.id]
        query = self._question.query
        wanted = frozenset(self._repo.search_run_ids(query)[0]) if query else None
        self._by_code = RunsByCode(
            self._repo,
            experiments=ids,
            keep=lambda run: finished(run) and (wanted is None or run.info.id in wanted),
        )

    def of(self, commit: ObjectId, tree: ObjectId) -> Recorded | None:
        """Returns what is known of a commit, None when no run of its code has the metric."""
        of_tree = [self._repo.get_run(run.info.id) for run in self._by_code.of_tree(tree)]
        runs = [run for run in of_tree if self._question.metric in run.metrics]
        if not runs:
            return None
        values = [run.metrics[self._question.metric].last for run in runs]
        return Recorded(commit=commit, value=math.fsum(values) / len(values), runs=tuple(runs))


def read_graph(repo: Repo, good: ObjectId | None, bad: ObjectId) -> tuple[Graph, Mapping[ObjectId, ObjectId]]:
    """Returns the commits of a range, children before parents, and the tree of each.

    Raises `InvalidInputError` (kinds `empty-range`, `range-too-large`).
    """
    limits = ("--not", good) if good else ()
    listing = ("log", "--topo-order", "--no-show-signature", "--no-decorate", f"--max-count={MAX_COMMITS + 1}")
    found = repo.store.git.run(*listing, "--format=%H %T %P", bad, *limits, "--").decode().splitlines()
    if not found:
        raise InvalidInputError(
            f"there is no commit between '{str(good)[:8]}' and '{bad[:8]}'", kind="empty-range", hint="GOOD..BAD"
        )
    if len(found) > MAX_COMMITS:
        raise InvalidInputError(
            f"more than {MAX_COMMITS} commits are too many to search", kind="range-too-large", hint="name GOOD..BAD"
        )
    rows = [line.split() for line in found]
    here = {row[0] for row in rows}
    parents = {ObjectId(row[0]): [ObjectId(parent) for parent in row[2:] if parent in here] for row in rows}
    return Graph(parents), {ObjectId(row[0]): ObjectId(row[1]) for row in rows}


class PrivateWorkTree:
    """A checkout of our own, beside the user's: their HEAD, index and files are not touched."""

    def __init__(self, repo: Repo, folder: Path, environ: Mapping[str, str]) -> None:
        self._git = GitProgram(None, None, environ)
        self._own = repo.store.git
        self.folder = folder
        self._made = False

    def switch(self, commit: ObjectId) -> Path:
        """Checks a commit out, with nothing left of the one before; returns the folder."""
        if not self._made:
            self._own.run("worktree", "add", "--quiet", "--detach", str(self.folder), commit)
            self._made = True
        else:
            self._git.run("checkout", "--quiet", "--force", "--detach", commit, cwd=self.folder)
            self._git.run("clean", "-ffdxq", cwd=self.folder)
        return self.folder

    def remove(self) -> None:
        """Takes the checkout away, and git's note of it."""
        if self._made:
            with suppress(GitRunsError):
                self._own.run("worktree", "remove", "--force", "--force", str(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(GitRunsError):
            self._own.run("worktree", "prune")


@contextmanager
def private_work_tree(repo: Repo, environ: Mapping[str, str]) -> Iterator[PrivateWorkTree]:
    """Gives a checkout that is gone when the block ends, however it ends."""
    with tempfile.TemporaryDirectory(prefix="gitruns-bisect-", ignore_cleanup_errors=True) as folder:
        made = PrivateWorkTree(repo, Path(folder) / "code", environ)
        try:
            yield made
        finally:
            made.remove()
