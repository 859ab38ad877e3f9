"""The writer of a live run's journal: every log call is one record, written before the call returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import write
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import is_run_id
from gitruns.entities.run import RunStatus
from gitruns.entities.source import Source
from gitruns.entities.values import Point, Scalar
from gitruns.errors import InternalError
from gitruns.journal.info import environment_to_json, source_to_json
from gitruns.journal.logfile import LogFile
from gitruns.journal.record import (
    Opening,
    artifact_to_json,
    encode_opening,
    encode_params,
    encode_points,
    encode_record,
    input_to_json,
    non_finite_text,
)

_dumps = orjson.dumps
_BATCH_ITEMS = 1000


class JournalWriter(LogFile):
    """Appends the records of one process to its own file of a run's journal.

    Values are checked by the caller. A log call that returned survives the death of the process (ack); `flush`,
    `end` and `add_artifacts` also survive power loss (durable), and return whether that worked. Nothing raises for
    a fault of the file system: `on_problem` is called once, records wait in memory, `dropped` counts those that did
    not fit. `NeedsReopenError` says that this writer is done or was opened by the parent of a fork.
    """

    @classmethod
    def create(cls, root: Path, opening: Opening, *, on_problem: Callable[[BaseException], None]) -> JournalWriter:
        """Opens a new file in the journal of run `opening.info.id` below `root`."""
        if not is_run_id(opening.info.id):
            raise InternalError(f"not a run id: '{opening.info.id}'")
        return cls(root / opening.info.id, opening, on_problem)

    def __init__(self, folder: Path, opening: Opening, on_problem: Callable[[BaseException], None]) -> None:
        self.opening = opening
        super().__init__(folder, on_problem)

    def _opening_line(self, *, locked: bool, again: bool) -> bytes:
        opening = replace(self.opening, locked=locked)
        if again and opening.owns:
            opening = replace(opening, kind="resume", base=None, time_ms=_now_ms())
        return encode_opening(opening)

    def _dropped_line(self) -> bytes:
        return encode_record(["dropped", _now_ms(), self.dropped])

    def _beat_line(self) -> bytes:
        return encode_record(["beat", _now_ms()])

    def log_metric(self, key: str, value: float, step: int, time_ms: int) -> None:
        """Logs one point."""
        # `append` written out: a log call has a budget of microseconds, and each call inside it costs a tenth of one.
        if value - value == 0.0:
            body = _dumps(("m", key, step, time_ms, value))
        else:
            body = _dumps(("m", key, step, time_ms, non_finite_text(value)))
        line = b"%08x %b\n" % (crc32(body), body)
        with self._lock:
            if self._healthy:
                try:
                    written = write(self._fd, line)
                except OSError as error:
                    self._fail(line, 0, error)
                else:
                    if written != len(line):
                        self._fail(line, written, None)
            else:
                self._wait_with(line, keep=False)
        if not self._dirty:
            self._wake()

    def log_points(self, points: Sequence[Point]) -> None:
        """Logs some points as one record."""
        if points:
            self.append(encode_points(points))

    def log_params(self, params: Mapping[str, Scalar]) -> None:
        """Logs some params as one record."""
        if params:
            self.append(encode_params(_now_ms(), params))

    def set_tags(self, tags: Mapping[str, str | None]) -> None:
        """Sets tags; None takes a tag away."""
        if tags:
            self.append(encode_record(["tags", _now_ms(), dict(tags)]))

    def add_artifacts(self, artifacts: Sequence[Artifact]) -> bool:
        """Names files of the run. Durable on return; returns whether that worked."""
        for start in range(0, len(artifacts), _BATCH_ITEMS):
            items = [artifact_to_json(artifact) for artifact in artifacts[start : start + _BATCH_ITEMS]]
            self.append(encode_record(["artifacts", _now_ms(), items]), keep=True)
        return self.flush()

    def add_inputs(self, inputs: Sequence[DatasetInput]) -> None:
        """Names datasets that the run read."""
        if inputs:
            self.append(encode_record(["inputs", _now_ms(), [input_to_json(item) for item in inputs]]))

    def set_fields(self, fields: Mapping[str, Any]) -> None:
        """Sets fields of the run: `environment`, or any of `RunInfo` that can change while it lives."""
        self.append(encode_record(["fields", _now_ms(), {key: _field(value) for key, value in fields.items()}]))

    def end(
        self,
        status: RunStatus,
        end_time_ms: int,
        exit_code: int | None = None,
        error: str | None = None,
        *,
        durable: bool = True,
    ) -> bool:
        """Ends the run and closes the file. Durable on return, unless that is not asked; returns whether it worked."""
        record = ["end", _now_ms(), status.value, end_time_ms, exit_code, error, self.dropped]
        return self.finish(encode_record(record), durable=durable)

    def detach(self, *, durable: bool = True) -> bool:
        """Closes the file and leaves the run open. Durable on return, unless not asked; returns whether it worked."""
        return self.finish(encode_record(["close", _now_ms(), self.dropped]), durable=durable)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _field(value: object) -> object:
    if isinstance(value, Environment):
        return environment_to_json(value)
    if isinstance(value, Source):
        return source_to_json(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, str) else value
