"""What the records of one writer's file add up to, record by record, in memory that does not grow with the points."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gitruns.entities.run import RunStatus
from gitruns.entities.values import MetricSummary, Summarizer
from gitruns.journal.info import (
    ShapeError,
    environment_from_json,
    integer,
    lifecycle_from_json,
    mapping,
    optional_integer,
    optional_text,
    run_id,
    source_from_json,
    status_from_json,
    text,
)
from gitruns.journal.record import (
    Opening,
    Record,
    artifact_from_json,
    decode_opening,
    decode_params,
    input_from_json,
)

_PLAUSIBLE_MS = 60_000


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


_FIELDS = {
    "name": text,
    "experiment_id": text,
    "user": optional_text,
    "host": optional_text,
    "entry_point": optional_text,
    "command": lambda given: tuple(text(word) for word in given),
    "parent_run_id": lambda given: None if given is None else run_id(given),
    "lifecycle": lifecycle_from_json,
    "source": source_from_json,
    "environment": environment_from_json,
}


class FileFold:
    """The state of one file."""

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

    def add(self, record: Record) -> None:
        """Takes one record in. One that is not what its kind promises counts as torn."""
        try:
            self._add(record)
        except (ShapeError, IndexError, TypeError, ValueError):
            self.torn += 1

    def _add(self, record: Record) -> None:
        kind = record[0]
        if kind == "m":
            self._add_points(record)
            return
        if kind == "open":
            if self.opening is None:
                self.opening = decode_opening(record)
                self._clock_ms = max(self._clock_ms, self.opening.time_ms)
            return
        adder = _ADDERS.get(kind)
        if adder is None:
            return  # a newer version's record
        self._clock_ms = max(self._clock_ms, integer(record[1]))
        self.closed = kind in ("end", "close")
        adder(self, record)

    def _add_points(self, record: Record) -> None:
        for key, step, time_ms, value in zip(*[iter(record[1:])] * 4, strict=True):
            number = float(value)
            summarizer = self.metrics.get(key)
            if summarizer is None:
                summarizer = self.metrics[text(key)] = Summarizer()
            summarizer.add(step, time_ms, number)
            if self._last_point_ms < time_ms <= self._clock_ms + _PLAUSIBLE_MS:
                self._last_point_ms = time_ms

    def _add_params(self, record: Record) -> None:
        for key, value in decode_params(record[2]).items():
            self.params.setdefault(key, Timed(self._clock_ms, value))

    def _add_tags(self, record: Record) -> None:
        for key, value in mapping(record[2]).items():
            self.tags[key] = Timed(self._clock_ms, optional_text(value))

    def _add_artifacts(self, record: Record) -> None:
        for item in record[2]:
            artifact = artifact_from_json(item)
            self.artifacts[artifact.path] = Timed(self._clock_ms, artifact)

    def _add_inputs(self, record: Record) -> None:
        for item in record[2]:
            given = input_from_json(item)
            self.inputs.setdefault((given.name, given.digest, given.context), Timed(self._clock_ms, given))

    def _add_fields(self, record: Record) -> None:
        for name, value in mapping(record[2]).items():
            decode = _FIELDS.get(name)
            if decode is not None:
                self.fields[name] = Timed(self._clock_ms, decode(value))

    def _add_beat(self, record: Record) -> None:
        pass

    def _add_dropped(self, record: Record) -> None:
        self.dropped = integer(record[2])

    def _add_end(self, record: Record) -> None:
        end = RunEnd(
            status_from_json(record[2]), integer(record[3]), optional_integer(record[4]), optional_text(record[5])
        )
        self.end = Timed(self._clock_ms, end)
        self.dropped = integer(record[6])


_ADDERS = {
    "params": FileFold._add_params,
    "tags": FileFold._add_tags,
    "artifacts": FileFold._add_artifacts,
    "inputs": FileFold._add_inputs,
    "fields": FileFold._add_fields,
    "beat": FileFold._add_beat,
    "dropped": FileFold._add_dropped,
    "end": FileFold._add_end,
    "close": FileFold._add_dropped,
}
