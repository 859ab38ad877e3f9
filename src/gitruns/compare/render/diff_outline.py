"""The difference of two runs as an outline: only what differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitruns.compare.baseline import Baseline
from gitruns.compare.changes import Change
from gitruns.compare.code import CodeDiff
from gitruns.compare.environment import EnvironmentDiff
from gitruns.compare.metrics import SYSTEM, MetricDiff, last_of
from gitruns.compare.render.outline import (
    ADDED,
    BETTER,
    FAINT,
    KEY,
    NUMBER,
    REMOVED,
    TEXT,
    WORD,
    WORSE,
    Cell,
    Outline,
    Section,
    counted,
    folded_rows,
)
from gitruns.compare.run_diff import RunDiff
from gitruns.entities.run import Run
from gitruns.entities.showing import number, param
from gitruns.entities.values import Scalar

NONE = Cell("–", WORD, FAINT)
_DIGITS = 6
_TONES = {"better": BETTER, "worse": WORSE, "added": ADDED, "removed": REMOVED}
_MAX_ROWS = 60
_PLAIN = 8


def diff_outline(diff: RunDiff, baseline: Baseline | None = None, *, everything: bool = False) -> Outline:
    """Returns the outline of what differs; `everything` also lists metrics that are equal and the machine's."""
    return Outline(
        title=(Cell(diff.before.info.name, KEY), Cell("→", WORD), Cell(diff.after.info.name, KEY)),
        facts=(
            ("before", _who(diff.before)),
            ("after", _who(diff.after)),
            *((("baseline", (Cell(baseline.why, WORD, FAINT),)),) if baseline else ()),
        ),
        lead="" if diff else "Nothing differs.",
        sections=tuple(section for section in _sections(diff, everything) if section),
    )


def _who(run: Run) -> tuple[Cell, ...]:
    source = run.info.source
    commit = source.base or source.commit
    cells = [Cell(run.info.id[:_PLAIN], KEY), Cell(run.info.name, TEXT), Cell(run.info.status.value.lower(), WORD)]
    if commit is not None:
        where = commit[:_PLAIN] + (", changed" if source.dirty else "") + (", incomplete" if source.incomplete else "")
        cells.append(Cell(f"on {where}", WORD, FAINT))
    return tuple(cells)


def _sections(diff: RunDiff, everything: bool) -> Iterable[Section]:
    yield metric_section(diff.metrics, everything=everything)
    yield param_section(diff.params)
    yield code_section(diff.code)
    yield environment_section(diff.environment)
    yield text_section("Data", diff.datasets)
    yield artifact_section(diff)
    yield text_section("Facts", diff.facts)
    yield text_section("Tags", diff.tags)
    yield note_section(diff)
    yield Section(title="Not looked at", notes=diff.unreadable)


# Metrics


def metric_section(metrics: Sequence[MetricDiff], *, everything: bool = False) -> Section:
    """Returns the table of metrics; best values have their columns where they say more than the last ones."""
    shown = [metric for metric in metrics if everything or (metric.differs and not metric.key.startswith(SYSTEM))]
    same = sum(not metric.differs and not metric.key.startswith(SYSTEM) for metric in metrics) if not everything else 0
    system = sum(metric.key.startswith(SYSTEM) and metric.differs for metric in metrics) if not everything else 0
    best = any(_best_says_more(metric) for metric in shown)
    head = ("", "before", "after", "delta", "%", *(("best before", "best after") if best else ()), "")
    rows, more = folded_rows([_metric_row(metric, best) for metric in shown], _MAX_ROWS)
    notes = [*more]
    if shown and same:
        notes.append(f"{counted(same, 'metric')} without a difference")
    if shown and system:
        notes.append(f"{counted(system, 'metric')} of the machine left out")
    return Section(title="Metrics", head=head, rows=rows, notes=tuple(notes))


def _best_says_more(metric: MetricDiff) -> bool:
    pairs = ((metric.before, metric.best_before), (metric.after, metric.best_after))
    return any(side is not None and best is not None and best != side.last for side, best in pairs)


def _metric_row(metric: MetricDiff, best: bool) -> tuple[Cell, ...]:
    verdict = metric.verdict
    tone = _TONES.get(verdict, "")
    return (
        Cell(metric.key, KEY),
        _value(last_of(metric.before)),
        _value(last_of(metric.after), tone),
        signed(metric.delta, tone),
        percent_cell(metric.percent, tone),
        *((_value(metric.best_before), _value(metric.best_after)) if best else ()),
        Cell("" if verdict == "changed" else verdict, WORD, tone),
    )


def _value(value: float | None, tone: str = "") -> Cell:
    return NONE if value is None else Cell(number(value, _DIGITS), NUMBER, tone)


def signed(value: float | None, tone: str = "") -> Cell:
    """Returns the cell of a growth: `+0.012`."""
    if value is None:
        return NONE
    return Cell(("+" if value > 0 else "") + number(value), NUMBER, tone)


def percent_cell(value: float | None, tone: str = "") -> Cell:
    """Returns the cell of a growth in percent."""
    return Cell("", NUMBER) if value is None else Cell(percent_text(value), NUMBER, tone)


def percent_text(value: float) -> str:
    """Returns a growth in percent: `+3.2%`, `-0.04%`, `+1200%`."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    return f"{value:+.{digits}f}%"


# Params, texts


def param_section(params: Sequence[Change[Scalar]]) -> Section:
    """Returns the table of params."""
    rows = [
        (
            Cell(change.key, KEY),
            NONE if change.added else Cell(param(change.before), TEXT, REMOVED),
            NONE if change.removed else Cell(param(change.after), TEXT, ADDED),
        )
        for change in params
    ]
    shown, more = folded_rows(rows, _MAX_ROWS)
    return Section(title="Params", head=("", "before", "after"), rows=shown, notes=more)


def text_section(title: str, found: Sequence[Change[str]]) -> Section:
    """Returns a table of texts before and after."""
    shown, more = folded_rows([_text_row(change) for change in found], _MAX_ROWS)
    return Section(title=title, head=("", "before", "after"), rows=shown, notes=more)


def _text_row(change: Change[str]) -> tuple[Cell, ...]:
    return (
        Cell(change.key, KEY),
        NONE if change.before is None else Cell(change.before, TEXT, REMOVED),
        NONE if change.after is None else Cell(change.after, TEXT, ADDED),
    )


def environment_section(environment: EnvironmentDiff) -> Section:
    """Returns the table of what differs in interpreter, packages, hardware and variables."""
    if environment.unknown:
        return Section(title="Environment", notes=("one of the runs has no environment recorded",))
    found = [change for group in environment.groups() for change in group]
    return text_section("Environment", found)


def note_section(diff: RunDiff) -> Section:
    """Returns the notes of both runs, where they differ."""
    return text_section("Note", [diff.note]) if diff.note else Section(title="Note")


# Code and artifacts


def code_section(code: CodeDiff, *, title: str = "Code") -> Section:
    """Returns the files that differ, and the patch where it was asked for."""
    if code.unavailable is not None:
        way_out = (f"bring it here: {code.hint}",) if code.hint else ()
        return Section(title=title, notes=(code.unavailable, *way_out))
    rows = [
        (
            Cell(f"{file.old_path} → {file.path}" if file.old_path else file.path, KEY),
            Cell("binary", WORD, FAINT)
            if file.added is None
            else Cell(f"+{file.added}" if file.added else "", NUMBER, ADDED),
            Cell(f"-{file.removed}" if file.removed else "", NUMBER, REMOVED),
        )
        for file in code.files
    ]
    shown, more = folded_rows(rows, _MAX_ROWS)
    patches = (("", code.patch),) if code.patch else ()
    return Section(title=title, head=("", "", ""), rows=shown, notes=more, patches=patches)


def artifact_section(diff: RunDiff) -> Section:
    """Returns the artifacts that differ, and the difference of small texts."""
    rows = [
        (
            Cell(artifact.path, KEY),
            Cell(artifact.change.kind, WORD, _TONES.get(artifact.change.kind, "")),
            Cell(artifact.summary, TEXT),
        )
        for artifact in diff.artifacts
    ]
    shown, more = folded_rows(rows, _MAX_ROWS)
    patches = tuple((artifact.path, artifact.diff) for artifact in diff.artifacts if artifact.diff)
    return Section(title="Artifacts", head=("", "", ""), rows=shown, notes=more, patches=patches)
