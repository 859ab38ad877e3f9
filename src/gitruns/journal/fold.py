"""What the records of one writer's file add up to, record by record, in memory that does not grow with the points."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from gitruns.entities import names
from gitruns.entities.canonical import encode_key
from gitruns.entities.run import RunStatus
from gitruns.entities.values import MetricSummary, Summarizer
from gitruns.journal.info import (
    ShapeError,
    environment_from_json,
    integer,
    items,
    lifecycle_from_json,
    mapping,
    optional_integer,
    optional_text,
    run_id,
    source_from_json,
    status_from_json,
    text,
)
from gitruns.journal.liveness import HEARTBEAT_S
from gitruns.journal.record import (
    Opening,
    Record,
    artifact_from_json,
    decode_opening,
    decode_params,
    input_from_json,
)

_PLAUSIBLE_MS = int(2000 * HEARTBEAT_S)

PointsByMetric: TypeAlias = dict[str, list[tuple[int, int, float]]]
"""Points (step, time, value) of some metrics, each in the order of the records."""


class Timed(NamedTuple):
    """A value and the time of the record that set it. A writer's own times never go back."""

    time_ms: int
    value: Any


class RunEnd(NamedTuple):
    """How the owner ended the run."""

    status: RunStatus
    end_time_ms: int
    exit_code: int | None
    error: str | None


class FileFold:
    """The state of one file. `id` is the writer's: the file's name without its suffix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.stem
        self.opening: Opening | None = None
        self.params: dict[str, Timed] = {}
        self.tags: dict[str, Timed] = {}
        self.artifacts: dict[str, Timed] = {}
        self.inputs: dict[tuple[str, str, str | None], Timed] = {}
        self.fields: dict[str, Timed] = {}
        self.metrics: dict[str, Summarizer] = {}
        self.end: Timed | None = None
        self.closed = False
        self.dropped = 0
        self.torn = 0
        self._clock_ms = 0
        self._last_point_ms = 0

    @property
    def last_time_ms(self) -> int:
        """When the last record was written, as far as the file tells.

        Points bear times that a caller may have made up; they count when they are not after the writer's own clock
        by more than twice the time between its beats.
        """
        return max(self._clock_ms, self._last_point_ms)

    def summaries(self) -> dict[str, MetricSummary]:
        """Returns the summary of each metric's points in this file."""
        return {key: summarizer.summary() for key, summarizer in self.metrics.items()}

    def add_all(self, records: Iterable[Record]) -> None:
        """Takes records in, in their order. One that is not what its kind promises counts as torn."""
        points: PointsByMetric = {}
        newest = self._last_point_ms
        plausible = self._clock_ms + _PLAUSIBLE_MS
        for record in records:
            try:
                if record[0] == "m":
                    time_ms = add_points(record, points)
                    if newest < time_ms <= plausible:
                        newest = time_ms
                else:
                    self._add(record)
                    plausible = self._clock_ms + _PLAUSIBLE_MS
            except (ValueError, LookupError, TypeError):
                self.torn += 1
        self._last_point_ms = newest
        for key, some in points.items():
            summarizer = self.metrics.get(key)
            if summarizer is None:
                summarizer = self.metrics[key] = Summarizer()
            summarizer.add_many(some)

    def _add(self, record: Record) -> None:
        kind = record[0]
        if kind == "open":
            if self.opening is None:
                self.opening = decode_opening(record)
                self._clock_ms = max(self._clock_ms, self.opening.time_ms)
            return
        adder = _ADDERS.get(kind)
        if adder is None:
            return  # a newer version's record
        self._clock_ms = max(self._clock_ms, integer(record[1]))
        adder(self, record)

    def _add_params(self, record: Record) -> None:
        for key, value in decode_params(record[2]).items():
            self.params.setdefault(legal_key(key), Timed(self._clock_ms, value))

    def _add_tags(self, record: Record) -> None:
        for key, value in mapping(record[2]).items():
            self.tags[legal_key(key)] = Timed(self._clock_ms, optional_text(value))

    def _add_artifacts(self, record: Record) -> None:
        for item in items(record[2]):
            artifact = artifact_from_json(item)
            self.artifacts[artifact.path] = Timed(self._clock_ms, artifact)

    def _add_inputs(self, record: Record) -> None:
        for item in items(record[2]):
            given = input_from_json(item)
            self.inputs.setdefault((given.name, given.digest, given.context), Timed(self._clock_ms, given))

    def _add_fields(self, record: Record) -> None:
        for name, value in mapping(record[2]).items():
            decode = _FIELDS.get(name)
            if decode is not None:
                self.fields[name] = Timed(self._clock_ms, decode(value))

    def _add_beat(self, record: Record) -> None:
        """A beat moves the clock, which it has done."""

    def _add_dropped(self, record: Record) -> None:
        self.dropped = integer(record[2])

    def _add_close(self, record: Record) -> None:
        self.dropped = integer(record[2])
        self.closed = True

    def _add_end(self, record: Record) -> None:
        status, end_time_ms, exit_code, error, dropped = record[2:7]
        end = RunEnd(status_from_json(status), integer(end_time_ms), optional_integer(exit_code), optional_text(error))
        self.end = Timed(self._clock_ms, end)
        self.dropped = integer(dropped)
        self.closed = True


def add_points(record: Record, points: PointsByMetric) -> int:
    """Adds the points of a metrics record to `points`, all of them or none; returns the newest one's time.

    Raises ValueError or TypeError for a record that is not what it should be.
    """
    if len(record) == 5:  # nearly every one: a single point
        _, key, step, time_ms, value = record
        if type(value) is not float:
            value = _number(value)
        if type(step) is int and type(time_ms) is int:
            if key not in points:
                points[legal_key(key)] = []
            points[key].append((step, time_ms, value))
            return time_ms
        raise ShapeError("a step or time is no integer")
    cells = iter(record[1:])
    several = [
        (legal_key(key), (integer(step), integer(time_ms), _number(value)))
        for key, step, time_ms, value in zip(cells, cells, cells, cells, strict=True)
    ]
    for key, point in several:
        points.setdefault(key, []).append(point)
    return max(point[1] for _, point in several)


_NON_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def _number(given: object) -> float:
    if isinstance(given, str):
        return _NON_FINITE[given]
    if isinstance(given, float):
        return given
    return float(integer(given))


def legal_key(given: object) -> str:
    """Returns the key when it can be stored, or raises ValueError."""
    return _legal_text(text(given))


@functools.lru_cache(maxsize=4096)
def _legal_text(key: str) -> str:
    encode_key(key)
    return key


def _words(given: object) -> tuple[str, ...]:
    return tuple(text(word) for word in items(given))


_ADDERS: Mapping[str, Callable[[FileFold, Record], None]] = {
    "params": FileFold._add_params,
    "tags": FileFold._add_tags,
    "artifacts": FileFold._add_artifacts,
    "inputs": FileFold._add_inputs,
    "fields": FileFold._add_fields,
    "beat": FileFold._add_beat,
    "dropped": FileFold._add_dropped,
    "end": FileFold._add_end,
    "close": FileFold._add_close,
}

_FIELDS: Mapping[str, Callable[[object], object]] = {
    "name": lambda given: names.check_text("run name", given, names.MAX_NAME_LENGTH),
    "experiment_id": text,
    "status": status_from_json,
    "end_time_ms": optional_integer,
    "user": optional_text,
    "host": optional_text,
    "entry_point": optional_text,
    "command": _words,
    "parent_run_id": lambda given: None if given is None else run_id(given),
    "lifecycle": lifecycle_from_json,
    "source": source_from_json,
    "environment": environment_from_json,
}
