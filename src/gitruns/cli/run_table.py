"""The table of runs: who they are, how they stand, and what makes them differ.

Which metrics and params are worth a column is read from the runs themselves: the metrics that most of them have, the
params that are not the same in all. What fits depends on the terminal (see `tables`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gitruns.cli.cells import columns_of, number, param, printable
from gitruns.cli.sparkline import ASCII_BLOCKS, BLOCKS, sparkline
from gitruns.cli.tables import Column
from gitruns.cli.terminal import Terminal
from gitruns.cli.times import duration, relative
from gitruns.entities.run import Lifecycle, Run
from gitruns.entities.values import Point, param_text

CURVE_WIDTH = 8
WIDE = 120
"""From this many columns on, times are written out."""

_MAX_EXTRA = 12
_MAX_TITLE = 14
_MAX_PARAM = 20
_MISSING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the table needs beside the runs: names of experiments, the time, and where to read a curve."""

    experiments: Mapping[str, str]
    now_ms: int
    curve: Callable[[Run, str], Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a metric: its `last` value, or another of its summary."""

    function: str
    metric: str

    @property
    def title(self) -> str:
        """The head of the column, as the query language names it."""
        return self.metric if self.function == "last" else f"{self.function}({self.metric})"

    def of(self, run: Run) -> float | None:
        """Returns the value of a run, None when it has none."""
        summary = run.metrics.get(self.metric)
        value: float | None = None if summary is None else getattr(summary, self.function)
        return value


def run_columns(
    runs: Sequence[Run],
    facts: Facts,
    terminal: Terminal,
    metrics: Sequence[Shown] = (),
    params: Sequence[str] = (),
) -> list[Column]:
    """Returns the columns of a table of runs; `metrics` and `params` were asked about, the first metric has a curve."""
    wide = terminal.width >= WIDE
    shown = list(dict.fromkeys((*metrics, *(Shown("last", key) for key in common_metrics(runs)))))
    return [
        Column(title="RUN", cells=[run.info.id[:8] for run in runs], styles="id"),
        Column(title="NAME", cells=[_name(run) for run in runs], rank=1, least=13, most=32),
        Column(
            title="STATUS",
            cells=[_status(run) for run in runs],
            rank=2,
            styles=[_status_style(run) for run in runs],
        ),
        Column(
            title="STARTED" if wide else "WHEN",
            cells=[relative(run.info.start_time_ms, facts.now_ms, short=not wide) for run in runs],
            rank=3,
        ),
        Column(title="TIME", cells=[_lasted(run, facts.now_ms) for run in runs], rank=7, right=True),
        *_experiment_column(runs, facts),
        *_metric_columns(runs, shown, facts, terminal, asked=len(metrics)),
        *_param_columns(runs, params),
        *_column_if_varied("SOURCE", [_source(run) for run in runs], rank=30),
        *_column_if_varied("BRANCH", [printable(run.info.source.branch or _MISSING) for run in runs], rank=31),
        *_column_if_varied("ENTRY POINT", [printable(run.info.entry_point or _MISSING) for run in runs], rank=32),
        *_column_if_varied("USER", [printable(run.info.user or _MISSING) for run in runs], rank=33),
    ]


def common_metrics(runs: Sequence[Run]) -> list[str]:
    """Returns the metrics of these runs: those with a curve first, then by how many runs have them, then by name."""
    having: Counter[str] = Counter()
    curved: set[str] = set()
    for run in runs:
        having.update(run.metrics.keys())
        curved.update(key for key, summary in run.metrics.items() if summary.count > 1)
    usual = [key for key in having if not key.startswith("system/")]  # samples of the machine are no result
    return sorted(usual, key=lambda key: (key not in curved, -having[key], _dullness(key), key))[:_MAX_EXTRA]


def _dullness(key: str) -> int:
    """What was measured on data that the run did not learn from says most."""
    words = ("val", "valid", "eval", "test")
    return 0 if any(word in key.lower().replace("/", "_").replace("-", "_").split("_") for word in words) else 1


def varied_params(runs: Sequence[Run]) -> list[str]:
    """Returns the params that are not the same in all of these runs.

    Those with different values stand before those that some runs only lack, then those that most runs have.
    """
    having: Counter[str] = Counter()
    texts: dict[str, set[str]] = {}
    for run in runs:
        having.update(run.params.keys())
        for key, value in run.params.items():
            texts.setdefault(key, set()).add(param_text(value))
    varied = [key for key in having if len(texts[key]) > 1 or having[key] < len(runs)]
    return sorted(varied, key=lambda key: (len(texts[key]) == 1, -having[key], key))[:_MAX_EXTRA]


def _name(run: Run) -> str:
    return printable(run.info.name) + ("!" if run.info.source.incomplete else "")


def _status(run: Run) -> str:
    return "deleted" if run.info.lifecycle is Lifecycle.DELETED else run.info.status.value.lower()


def _status_style(run: Run) -> str:
    return "faint" if run.info.lifecycle is Lifecycle.DELETED else run.info.status.value


def _lasted(run: Run, now_ms: int) -> str:
    end_ms = run.info.end_time_ms
    if end_ms is None and not run.live:
        return _MISSING
    return duration((now_ms if end_ms is None else end_ms) - run.info.start_time_ms)


def _source(run: Run) -> str:
    source = run.info.source
    commit = source.base or source.commit
    return _MISSING if commit is None else commit[:8] + ("*" if source.dirty else "")


def _experiment_column(runs: Sequence[Run], facts: Facts) -> list[Column]:
    cells = [printable(facts.experiments.get(run.info.experiment_id, run.info.experiment_id)) for run in runs]
    return [Column(title="EXPERIMENT", cells=cells, rank=5, least=10, most=24)] if len(set(cells)) > 1 else []


def _metric_columns(
    runs: Sequence[Run], metrics: Sequence[Shown], facts: Facts, terminal: Terminal, *, asked: int
) -> list[Column]:
    columns = []
    for place, shown in enumerate(metrics):
        key, title = shown.metric, shown.title
        values = [shown.of(run) for run in runs]
        cells = [_MISSING if value is None else number(value) for value in values]
        columns.append(
            Column(
                title=printable(title),
                cells=cells,
                rank=1 if place < asked else 4 if place == 0 else 9 + 2 * place,
                least=_readable(title, cells),
                most=24,
                right=True,
                styles="metric" if place == 0 else None,
            )
        )
        if place == 0 and any(key in run.metrics and run.metrics[key].count > 1 for run in runs):
            curves = [_curve(run, key, facts, terminal) for run in runs]
            columns.append(Column(title="", cells=curves, rank=6, styles="curve"))
    return columns


def _readable(key: str, cells: Sequence[str]) -> int:
    """The width below which numbers would be cut, which misleads, or their name would say little."""
    return max(min(columns_of(printable(key)), _MAX_TITLE), *map(columns_of, cells))


def _curve(run: Run, key: str, facts: Facts, terminal: Terminal) -> str:
    if key not in run.metrics or run.metrics[key].count < 2:
        return ""
    values = [point.value for point in facts.curve(run, key)]
    return sparkline(values, CURVE_WIDTH, blocks=BLOCKS if terminal.unicode else ASCII_BLOCKS)


def _param_columns(runs: Sequence[Run], asked: Sequence[str]) -> list[Column]:
    columns = []
    varied = varied_params(runs)
    first = [key for key in asked if key in varied]
    for place, key in enumerate(dict.fromkeys((*first, *varied))):
        cells = [param(run.params[key]) if key in run.params else _MISSING for run in runs]
        numbers = all(_is_number(run.params.get(key, 0)) for run in runs)
        columns.append(
            Column(
                title=printable(key),
                cells=cells,
                rank=4 if key in first else 8 + 2 * place,
                least=min(_readable(key, cells), _MAX_PARAM),
                most=_MAX_PARAM,
                right=numbers,
            )
        )
    return columns


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _column_if_varied(title: str, cells: Sequence[str], *, rank: int) -> list[Column]:
    return [Column(title=title, cells=cells, rank=rank, least=8, most=24)] if len(set(cells)) > 1 else []
