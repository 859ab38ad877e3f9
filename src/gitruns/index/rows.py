"""Entities to rows of the index and back."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import MODEL_KIND, Lifecycle, Run, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.entities.values import MetricSummary, Scalar, int_from_text, param_text
from gitruns.index.schema import (
    ACTIVE,
    DELETED,
    KIND_BOOL,
    KIND_FLOAT,
    KIND_INT,
    KIND_NAN_TEXT,
    KIND_NONE,
    KIND_TEXT,
    MODEL,
    OTHER,
)
from gitruns.query.numbers import number_in

Row: TypeAlias = "tuple[Any, ...]"

_LEAST, _GREATEST = -(2**63), 2**63 - 1


def fit(number: int | float) -> int | float | None:
    """Returns a number as SQLite can hold it: NaN as None, an integer beyond 64 bits as the nearest float."""
    if number != number:
        return None
    if isinstance(number, float) or _LEAST <= number <= _GREATEST:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def nan_or(number: float | None) -> float:
    """Returns a number that SQLite held, NaN for its NULL."""
    return math.nan if number is None else float(number)


# Labels: params and tags


@lru_cache(maxsize=65536)
def text_label(text: str) -> tuple[int | float | None, int, str]:
    """Returns number, kind and text of a text."""
    number = number_in(text)
    if number is None:
        return None, KIND_TEXT, text
    return fit(number), KIND_NAN_TEXT if number != number else KIND_TEXT, text


def label(value: Scalar) -> tuple[int | float | None, int, str]:
    """Returns number, kind and text of a param's value."""
    if isinstance(value, str):
        return text_label(value)
    if value is None:
        return None, KIND_NONE, "None"
    if isinstance(value, bool):
        return None, KIND_BOOL, str(value)
    # Integers are kept as texts are; floats are not, since 0.0 and -0.0 are equal and have other texts.
    return _int_label(value) if isinstance(value, int) else (fit(value), KIND_FLOAT, param_text(value))


@lru_cache(maxsize=16384)
def _int_label(value: int) -> tuple[int | float | None, int, str]:
    return fit(value), KIND_INT, param_text(value)


def value_of(kind: int, text: str) -> Scalar:
    """Returns the param's value that a label holds."""
    if kind == KIND_INT:
        return int_from_text(text)
    if kind == KIND_FLOAT:
        return float(text)
    if kind == KIND_BOOL:
        return text == "True"
    return None if kind == KIND_NONE else text


# Metrics

METRIC_COLUMNS = "last, min, max, mean, first, count, nan, step, time, first_step, first_time"


def metric_row(metric: MetricSummary) -> Row:
    """Returns the row of a metric, its id left out; NaN becomes NULL."""
    return (
        metric.last,
        metric.min,
        metric.max,
        metric.mean,
        metric.first,
        metric.count,
        metric.nan,
        metric.step,
        metric.time_ms,
        metric.first_step,
        metric.first_time_ms,
    )


def summary_of(row: Row) -> MetricSummary:
    """Returns the summary that a row (`METRIC_COLUMNS`) holds."""
    last, least, greatest, mean, first, count, nan, step, time_ms, first_step, first_time_ms = row
    return MetricSummary(
        count=count,
        nan=nan,
        first=nan_or(first),
        first_step=first_step,
        first_time_ms=first_time_ms,
        last=nan_or(last),
        step=step,
        time_ms=time_ms,
        min=nan_or(least),
        max=nan_or(greatest),
        mean=nan_or(mean),
    )


# Keys of a run, so that its rows are found again


def pack_keys(keys: Iterable[int]) -> bytes:
    """Returns numbers of keys as four bytes each."""
    packed = array("I", keys)
    return packed.tobytes()


def unpack_keys(data: bytes) -> array[int]:
    """Returns the numbers of keys that bytes hold."""
    keys = array("I")
    keys.frombytes(data)
    return keys


# Runs

RUN_COLUMNS = "experiment, lifecycle, start_time, run_id, status, end_time"


def run_row(info: RunInfo) -> Row:
    """Returns the row of `runs`, its number and that of the experiment left out."""
    return (
        (DELETED if info.lifecycle is Lifecycle.DELETED else ACTIVE) + _kind_number(info.kind),
        fit(info.start_time_ms),
        info.id,
        info.status.value,
        None if info.end_time_ms is None else fit(info.end_time_ms),
    )


def _kind_number(kind: str | None) -> int:
    return 0 if kind is None else MODEL if kind == MODEL_KIND else OTHER


DETAIL_COLUMNS = (
    "state, tip, name, user, branch, source_commit, source_base, dirty, live, incomplete, code_tree, snapshot_tree, "
    "parent, host, entry_point, command, exit_code, dropped, error, remote_url, inputs, more, keys"
)


def detail_row(run: Run) -> Row:
    """Returns the row of `details`, without its number, the state before the rest and the keys behind it."""
    info, source = run.info, run.info.source
    return (
        run.commit,
        info.name,
        info.user,
        source.branch,
        source.commit,
        source.base,
        source.dirty,
        run.live,
        source.incomplete,
        source.code_tree,
        source.snapshot_tree,
        info.parent_run_id,
        info.host,
        info.entry_point,
        " ".join(info.command),
        None if info.exit_code is None else fit(info.exit_code),
        fit(info.dropped),
        info.error,
        source.remote_url,
        len(run.inputs),
        _more(run),
    )


class RunRows(NamedTuple):
    """A run as rows whose numbers are still to be given: plain values, so that another process can make them.

    `metrics`, `params` and `tags` are a key and the row behind it; `inputs` are rows without the run and the position.
    """

    run_id: str
    start_time_ms: int
    experiment_id: str
    run: Row
    details: Row
    metrics: list[tuple[str, Row]]
    params: list[tuple[str, Row]]
    tags: list[tuple[str, Row]]
    inputs: list[Row]


def rows_of(run: Run) -> RunRows:
    """Returns the rows of a run."""
    return RunRows(
        run.info.id,
        run.info.start_time_ms,
        run.info.experiment_id,
        run_row(run.info),
        detail_row(run),
        [(name, metric_row(metric)) for name, metric in run.metrics.items()],
        [(name, label(value)) for name, value in run.params.items()],
        [(name, text_label(text)) for name, text in run.tags.items()],
        [(one.name, one.digest, one.context) for one in run.inputs],
    )


def _more(run: Run) -> str:
    """What no query asks for, so that it needs no column."""
    source = run.info.source
    more: dict[str, Any] = {"writer": run.info.writer}
    if run.info.command:
        more["command"] = list(run.info.command)
    if source.left_out:
        more["left_out"] = [[one.path, one.reason, one.size] for one in source.left_out]
    if source.autocrlf is not None:
        more["autocrlf"] = source.autocrlf
    if source.eol is not None:
        more["eol"] = source.eol
    if run.info.kind is not None:
        more["kind"] = run.info.kind
    if run.format_version != 1:
        more["format"] = run.format_version
    return json.dumps(more, ensure_ascii=False, separators=(",", ":"))


def listed_run(
    run_row: Row,
    detail_row: Row,
    experiment_id: str,
    params: Mapping[str, Scalar],
    tags: Mapping[str, str],
    metrics: Mapping[str, MetricSummary],
) -> Run:
    """Returns a run from its rows (`RUN_COLUMNS`, `DETAIL_COLUMNS`) and values."""
    _, lifecycle, start_time_ms, run_id, status, end_time_ms = run_row
    (
        _,
        tip,
        name,
        user,
        branch,
        commit,
        base,
        dirty,
        live,
        _,
        code_tree,
        snapshot_tree,
        parent,
        host,
        entry_point,
        _,
        exit_code,
        dropped,
        error,
        remote_url,
        _,
        more_text,
        _,
    ) = detail_row
    more = json.loads(more_text)
    source = Source(
        commit=_object_id(commit),
        base=_object_id(base),
        branch=branch,
        code_tree=_object_id(code_tree),
        snapshot_tree=_object_id(snapshot_tree),
        dirty=bool(dirty),
        left_out=tuple(LeftOut(path=path, reason=reason, size=size) for path, reason, size in more.get("left_out", ())),
        remote_url=remote_url,
        autocrlf=more.get("autocrlf"),
        eol=more.get("eol"),
    )
    info = RunInfo(
        id=RunId(run_id),
        name=name,
        experiment_id=ExperimentId(experiment_id),
        writer=WriterId(more["writer"]),
        status=RunStatus(status),
        start_time_ms=start_time_ms,
        end_time_ms=end_time_ms,
        user=user,
        host=host,
        entry_point=entry_point,
        command=tuple(more.get("command", ())),
        source=source,
        parent_run_id=None if parent is None else RunId(parent),
        exit_code=exit_code,
        error=error,
        lifecycle=Lifecycle.DELETED if lifecycle & DELETED else Lifecycle.ACTIVE,
        dropped=dropped,
        kind=more.get("kind"),
    )
    return Run(
        info=info,
        params=read_only(params),
        tags=read_only(tags),
        metrics=read_only(metrics),
        commit=_object_id(tip),
        live=bool(live),
        format_version=more.get("format", 1),
    )


def _object_id(text: str | None) -> ObjectId | None:
    return None if text is None else ObjectId(text)
