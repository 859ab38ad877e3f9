"""Sources for the index made of plain values, and runs to put in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import Lifecycle, Run, RunInfo, RunStatus
from gitruns.entities.source import Source as Code
from gitruns.entities.values import MetricSummary, Scalar, Summarizer
from gitruns.errors import NotFoundError
from gitruns.index import EXPERIMENTS_PLACE, Unreadable

DEFAULT = Experiment(id=ExperimentId("0"), name="Default", creation_time_ms=0, last_update_time_ms=0)


def run_id(number: int) -> RunId:
    """Returns an id that is the same each time, and orders otherwise than the number."""
    return RunId(f"{number * 2654435761 % 2**32:08x}{number:024x}")


def summary(*values: float) -> MetricSummary:
    """Returns the summary of values at steps 0, 1, 2…"""
    summarizer = Summarizer()
    for step, value in enumerate(values):
        summarizer.add(step, 1000 + step, value)
    return summarizer.summary()


def make_run(
    number: int,
    *,
    params: Mapping[str, Scalar] | None = None,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, MetricSummary | float] | None = None,
    name: str | None = None,
    start: int | None = None,
    experiment: str = "0",
    status: RunStatus = RunStatus.FINISHED,
    lifecycle: Lifecycle = Lifecycle.ACTIVE,
    code: Code | None = None,
    **more: object,
) -> Run:
    """Returns a run; what is not given is plain."""
    info = RunInfo(
        id=run_id(number),
        name=name or f"run-{number}",
        experiment_id=ExperimentId(experiment),
        writer=WriterId("0123456789abcdef"),
        status=status,
        start_time_ms=1_700_000_000_000 + number if start is None else start,
        lifecycle=lifecycle,
        source=code or Code(),
        **{key: value for key, value in more.items() if key not in ("inputs", "live")},  # type: ignore[arg-type]
    )
    found = {
        key: value if isinstance(value, MetricSummary) else summary(value) for key, value in (metrics or {}).items()
    }
    return Run(
        info=info,
        params=read_only(params or {}),
        tags=read_only(tags or {}),
        metrics=read_only(found),
        inputs=more.get("inputs", ()),  # type: ignore[arg-type]
        live=bool(more.get("live", False)),
        commit=ObjectId(f"{number:040x}"),
    )


class MemorySource:
    """Runs in named places; counts what it was asked for."""

    def __init__(self, runs: Iterable[Run] = (), experiments: Iterable[Experiment] = (DEFAULT,)) -> None:
        self.refs: dict[RunId, tuple[str, Run]] = {}
        self.live: dict[RunId, tuple[str, Run]] = {}
        self.listed = list(experiments)
        self.marks = {"live": 0, "refs": 0, EXPERIMENTS_PLACE: 0}
        self.unsettled: set[str] = set()
        self.broken: dict[RunId, str] = {}
        self.read_count = 0
        self.expected: list[tuple[int, int]] = []
        self.states_count = 0
        self._version = 0
        self.put(*runs)

    def put(self, *runs: Run, place: str = "refs") -> None:
        """Puts runs into a place, in a new state."""
        for run in runs:
            self._version += 1
            getattr(self, place)[run.info.id] = (f"{place}-{self._version}", run)
        self.touch(place)

    def drop(self, *run_ids: RunId, place: str = "refs") -> None:
        """Takes runs out of a place."""
        for one in run_ids:
            del getattr(self, place)[one]
        self.touch(place)

    def set_experiments(self, *experiments: Experiment) -> None:
        """Replaces the experiments."""
        self.listed = list(experiments)
        self.touch(EXPERIMENTS_PLACE)

    def touch(self, place: str) -> None:
        """Gives a place another mark."""
        self.marks[place] += 1

    def runs(self) -> list[Run]:
        """Returns all runs as they are now: what is live lies over what is in refs."""
        found = {one: run for one, (_, run) in self.refs.items()} | {one: run for one, (_, run) in self.live.items()}
        return [run for one, run in found.items() if one not in self.broken]

    # What the index asks

    def places(self) -> Mapping[str, str]:
        return {name: "" if name in self.unsettled else f"mark-{mark}" for name, mark in self.marks.items()}

    def states(self, place: str) -> Mapping[RunId, str]:
        self.states_count += 1
        return {one: state for one, (state, _) in dict(getattr(self, place)).items()}

    def combine(self, said: Mapping[str, str]) -> str:
        return "+".join(said[place] for place in sorted(said))

    def read(self, wanted: Sequence[tuple[RunId, str]]) -> Iterable[Run | Unreadable]:
        for one, _ in wanted:
            self.read_count += 1
            if one in self.broken:
                yield Unreadable(one, self.broken[one])
                continue
            found = self.live.get(one) or self.refs.get(one)
            if found is not None:
                yield found[1]

    def expect(self, wanted: Sequence[tuple[RunId, str]], left: int) -> None:
        self.expected.append((len(wanted), left))

    def experiments(self) -> Iterable[Experiment]:
        return self.listed


def varied_source(count: int) -> MemorySource:
    """Returns a source of some runs that have some keys in common; the same each time."""
    return MemorySource(
        make_run(number, metrics={f"m{number % 7}": 1.0, "acc": (number % 10) / 10}, tags={"t": str(number)})
        for number in range(count)
    )


COMMITS = [ObjectId(f"{letter}" * 40) for letter in "abcdef"]
TREES = [ObjectId(f"{digit}" * 40) for digit in "1234"]


PLACES = {"first": 0, "v1": 1, "main~1": 3, "main": 4, "HEAD": 4, "feature": 5}
PEOPLE = ["Ada Lovelace <ada@example.org>", "Grace Hopper <grace@example.org>"]


class LineOfCommits:
    """Six commits a…f one after the other, by two authors, a day apart."""

    def commit(self, revision: str) -> ObjectId:
        return COMMITS[self._place(revision)]

    def _place(self, revision: str) -> int:
        if revision not in PLACES:
            raise NotFoundError(f"there is no commit '{revision}'", kind="commit-not-found", hint="git log")
        return PLACES[revision]

    def commits_in(self, span: str) -> Collection[ObjectId]:
        start, _, end = span.partition("..")
        return COMMITS[self._place(start) + 1 : self._place(end) + 1]

    def ancestors_of(self, revision: str) -> Collection[ObjectId]:
        return COMMITS[: self._place(revision) + 1]

    def touching(self, path: str) -> Collection[ObjectId]:
        return COMMITS[::2] if path == "src/model.py" else []

    def authors(self, commits: Collection[ObjectId]) -> Mapping[ObjectId, str]:
        # The last commit is not here any more.
        return {commit: PEOPLE[COMMITS.index(commit) % 2] for commit in commits if commit in COMMITS[:5]}

    def trees_of(self, run: str) -> Collection[ObjectId]:
        if run != "bold-otter":
            raise NotFoundError(f"there is no run '{run}'", kind="run-not-found")
        return TREES[:2]

    def time_ms(self, revision: str) -> int:
        return 1_700_000_000_000 + self._place(revision) * 86_400_000


class ListedPoints:
    """Values of metrics at steps, as listed; remembers for which runs it was asked."""

    def __init__(self, values: Mapping[tuple[RunId, str, int], float]) -> None:
        self.values = dict(values)
        self.asked: list[tuple[str, int, int]] = []

    def values_at(self, run_ids: Sequence[RunId], metric: str, step: int) -> Mapping[RunId, float]:
        self.asked.append((metric, step, len(run_ids)))
        return {one: self.values[one, metric, step] for one in run_ids if (one, metric, step) in self.values}
