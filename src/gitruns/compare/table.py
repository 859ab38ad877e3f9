"""Many runs side by side: params, last and best metrics, and what else tells them apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gitruns.compare.datasets import digests_of
from gitruns.compare.directions import Direction, Directions
from gitruns.compare.extras import load
from gitruns.compare.metrics import SYSTEM, best_of
from gitruns.entities.ids import RunId
from gitruns.entities.run import Run
from gitruns.entities.values import Scalar, param_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.repo import Repo

GROUPS = ("metrics", "params", "code", "data", "environment", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of all runs: `values` in their order, None where a run does not have it.

    `group` is what it belongs to (`metrics`, `params`, `code`, `data`, `environment`, `tags`). `best` are the places
    of the best values of a metric whose direction is known.
    """

    group: str
    key: str
    values: tuple[Scalar, ...]
    present: tuple[bool, ...]
    direction: Direction = Direction.UNKNOWN
    best: frozenset[int] = frozenset()

    @property
    def varies(self) -> bool:
        """Whether the runs differ in it."""
        texts = {param_text(value) for value, there in zip(self.values, self.present, strict=True) if there}
        return len(texts) > 1 or not all(self.present)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. `rows` are fields, one value a run; `runs` are the columns, in the order asked for.

    In a notebook it shows as a table. `metrics`, `params`, `environment` and `table` are pandas DataFrames with a row
    a run, made when they are asked for.
    """

    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    best: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def group(self, name: str) -> tuple[Row, ...]:
        """Returns the rows of one group."""
        return tuple(row for row in self.rows if row.group == name)

    def only_changed(self) -> Comparison:
        """Returns the comparison with only those rows in which the runs differ."""
        return replace(self, rows=tuple(row for row in self.rows if row.varies))

    def sorted_by(self, field: str) -> Comparison:
        """Returns the comparison with the runs in order of a field: `acc`, `metrics.acc`, `params.lr`; `-` turns it.

        Runs that do not have it come last. Raises `InvalidInputError` (kind `unknown-field`).
        """
        descending, name = field.startswith("-"), field.removeprefix("-")
        row = next((row for row in self.rows if name in (f"{row.group}.{row.key}", row.key)), None)
        if row is None:
            raise InvalidInputError(
                f"cannot sort by '{name}': none of these runs has it",
                kind="unknown-field",
                hint="name a metric or a param, as metrics.acc or params.lr",
            )
        having = [place for place in range(len(self.runs)) if row.present[place]]
        having.sort(key=lambda place: _sort_key(row.values[place]), reverse=descending)
        return self.in_order([*having, *(place for place in range(len(self.runs)) if not row.present[place])])

    def in_order(self, places: Sequence[int]) -> Comparison:
        """Returns the comparison with the runs at these places, in this order."""
        old = {place: new for new, place in enumerate(places)}
        rows = [
            replace(
                row,
                values=tuple(row.values[place] for place in places),
                present=tuple(row.present[place] for place in places),
                best=frozenset(old[place] for place in row.best if place in old),
            )
            for row in self.rows
        ]
        best = {key: tuple(values[place] for place in places) for key, values in self.best.items()}
        return Comparison(runs=tuple(self.runs[place] for place in places), rows=tuple(rows), best=best)

    # For notebooks

    def frame(self, *groups: str) -> Any:
        """Returns a DataFrame with a row a run, indexed by run name and id, and a column a field of these groups."""
        pandas = _pandas()
        wanted = groups or GROUPS
        columns = {(row.group, row.key): list(row.values) for row in self.rows if row.group in wanted}
        index = pandas.MultiIndex.from_tuples(
            [(run.info.name, run.info.id) for run in self.runs], names=["run_name", "run_id"]
        )
        made = pandas.DataFrame(columns, index=index)
        if len(wanted) == 1:
            made.columns = pandas.Index([key for _, key in columns], dtype="object")
        elif len(columns):
            made.columns = pandas.MultiIndex.from_tuples(columns)
        return made

    @cached_property
    def table(self) -> Any:
        """Everything: columns are (group, key)."""
        return self.frame()

    @cached_property
    def metrics(self) -> Any:
        """Last values: a row a run, a column a metric."""
        return self.frame("metrics")

    @cached_property
    def params(self) -> Any:
        """Params: a row a run, a column a param."""
        return self.frame("params")

    @cached_property
    def environment(self) -> Any:
        """Python, platform, packages and hardware."""
        return self.frame("environment")

    @cached_property
    def best_metrics(self) -> Any:
        """Best values of the metrics whose direction is known."""
        pandas = _pandas()
        ids = pandas.Index([run.info.id for run in self.runs], name="run_id")
        return pandas.DataFrame({key: list(values) for key, values in self.best.items()}, index=ids)

    def _repr_html_(self) -> str:
        from gitruns.compare.render.comparison_outline import comparison_outline
        from gitruns.compare.render.html import fragment

        return fragment(comparison_outline(self.only_changed()))

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.runs)} runs, {len(self.rows)} fields>"


def compare_runs(
    repo: Repo, run_ids: Sequence[RunId], *, only_changed: bool = False, directions: Directions | None = None
) -> Comparison:
    """Returns runs side by side, in the order given; raises `NotFoundError` (kind `run-not-found`)."""
    from gitruns.compare.settings import read_settings

    runs = [repo.get_run(run_id) for run_id in dict.fromkeys(run_ids)]
    made = comparison_of(runs, directions or read_settings(repo).directions)
    return made.only_changed() if only_changed else made


def comparison_of(runs: Sequence[Run], directions: Directions) -> Comparison:
    """Returns runs as they are given, side by side."""
    if not runs:
        raise InvalidInputError("there is nothing to compare: no run is named", kind="nothing-to-compare")
    keys = sorted({key for run in runs for key in run.metrics if not key.startswith(SYSTEM)})
    best = {
        key: tuple(best_of(run.metrics.get(key), direction) for run in runs)
        for key in keys
        if (direction := directions.of(key)) is not Direction.UNKNOWN
    }
    rows = tuple(_rows(runs, keys, directions))
    return Comparison(runs=tuple(runs), rows=rows, best=best)


def _rows(runs: Sequence[Run], metric_keys: Sequence[str], directions: Directions) -> Iterator[Row]:
    for key in metric_keys:
        values = [run.metrics[key].last if key in run.metrics else None for run in runs]
        direction = directions.of(key)
        yield Row(
            group="metrics",
            key=key,
            values=tuple(values),
            present=tuple(value is not None for value in values),
            direction=direction,
            best=_best_places(values, direction),
        )
    yield from _mapped(runs, "params", lambda run: run.params)
    yield from _mapped(runs, "code", _code)
    yield from _mapped(runs, "data", lambda run: digests_of(run.inputs))
    yield from _mapped(runs, "environment", _environment)
    yield from _mapped(runs, "tags", lambda run: run.shown_tags)


def _mapped(runs: Sequence[Run], group: str, read: Callable[[Run], Mapping[str, Scalar]]) -> Iterator[Row]:
    found = [read(run) for run in runs]
    keys = sorted({key for values in found for key in values})
    for key in keys:
        yield Row(
            group=group,
            key=key,
            values=tuple(values.get(key) for values in found),
            present=tuple(key in values for values in found),
        )


def _best_places(values: Sequence[float | None], direction: Direction) -> frozenset[int]:
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    if direction is Direction.UNKNOWN or len(values) < 2 or not numbers:
        return frozenset()
    best = min(numbers) if direction is Direction.LOWER else max(numbers)
    places = frozenset(place for place, value in enumerate(values) if value == best)
    return places if len(places) < len(numbers) else frozenset()  # where all are the best, none is


def _code(run: Run) -> dict[str, Scalar]:
    source = run.info.source
    found = {
        "commit": source.base or source.commit,
        "code": source.code_tree,
        "branch": source.branch,
        "dirty": "yes" if source.dirty else None,
        "entry point": run.info.entry_point,
    }
    return {key: value for key, value in found.items() if value is not None}


def _environment(run: Run) -> dict[str, Scalar]:
    environment = run.environment
    if environment is None:
        return {}
    found: dict[str, Scalar] = {"python": environment.python, "platform": environment.platform}
    return found | dict(environment.packages) | dict(environment.hardware)


def _sort_key(value: Scalar) -> tuple[bool, float, str]:
    """Numbers before texts, NaN after all numbers; text that reads as a number counts as one."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return (True, 0.0, param_text(value))
    return (False, math.inf if math.isnan(number) else number, "")


def _pandas() -> Any:
    return load("pandas", "pandas", "a DataFrame")
