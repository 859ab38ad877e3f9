"""The open log of one run in this process: checks what the caller says, then appends it to the journal.

The caller's own mistakes raise `InvalidInputError`. Everything else that goes wrong while a run is logged is said
once, as a `GitRunsWarning`, and never raised: a full disk, a vanished repository or a bug of ours must not end a
training run.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitruns.artifacts import ArtifactCache, ingest_file, ingest_folder
from gitruns.entities import names
from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.ids import RunId
from gitruns.entities.run import RunInfo, RunStatus
from gitruns.entities.values import Point, Scalar, param_text
from gitruns.errors import InvalidInputError
from gitruns.journal import JournalWriter, NeedsReopenError

FORKED = "forked"
_SAFE = 2**53


def now_ms() -> int:
    """Returns the wall clock's time in milliseconds UTC."""
    return time.time_ns() // 1_000_000


class RunLog:
    """Appends to the journal of one run, from any thread of this process and of the processes it forks.

    `reopen` makes a new writer for the same run; it is called in a forked child, whose first log call finds that the
    parent's journal is not its own. `seal` is called once, after the last record. With `lenient` the caller's
    mistakes are warned of too instead of raised.
    """

    def __init__(
        self,
        info: RunInfo,
        writer: JournalWriter,
        cache: ArtifactCache,
        *,
        reopen: Callable[[], JournalWriter],
        seal: Callable[[RunId], None],
        report: Callable[[BaseException], None],
        params: Mapping[str, Scalar],
        tags: Mapping[str, str],
        lenient: bool = False,
        owner: bool = True,
    ) -> None:
        self.info = info
        self.run_id = info.id
        self.ended = False
        self._writer = writer
        self._writer_pid = os.getpid()
        self._cache = cache
        self._reopen = reopen
        self._seal = seal
        self._report = report
        self._lenient = lenient
        self._owner = owner
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._params = {key: param_text(value) for key, value in params.items()}
        self._tags = set(tags)
        self._checked_keys: set[str] = set()

    @property
    def owned_here(self) -> bool:
        """Whether this process began or resumed the run: one that joined it adds to it and does not end it."""
        return self._owner and self._pid == os.getpid()

    # What a training loop calls

    def log_metric(self, key: str, value: Any, step: int | None = None, time_ms: int | None = None) -> None:
        """Appends one point; on return it survives a kill of the process. `step` None is 0, `time_ms` None is now."""
        try:
            number: float = value if type(value) is float else names.check_metric_value(key, value)
            if key not in self._checked_keys:
                self._check_metric_key(key)
            whole: int = step if type(step) is int and -_SAFE <= step <= _SAFE else names.check_step(key, step)
            self._writer.log_metric(key, number, whole, time.time_ns() // 1_000_000 if time_ms is None else time_ms)
        except NeedsReopenError:
            self._guard(lambda: self._append(lambda writer: writer.log_metric(key, number, whole, time_ms or now_ms())))
        except Exception as error:
            self._answer(error)

    def log_points(self, points: Sequence[Point] | Callable[[], Sequence[Point]]) -> None:
        """Appends some points as one record: all of them survive, or none.

        `points` may be a function that makes them, so that what it refuses is treated as any mistake of the caller.
        """

        def append() -> None:
            given = points() if callable(points) else points
            checked = [
                Point(
                    self._check_metric_key(point.metric),
                    names.check_step(point.metric, point.step),
                    point.time_ms,
                    names.check_metric_value(point.metric, point.value),
                )
                for point in given
            ]
            self._append(lambda writer: writer.log_points(checked))

        self._guard(append)

    def log_metrics(self, metrics: Mapping[str, object], step: int | None = None, time_ms: int | None = None) -> None:
        """Appends one point each of some metrics as one record; what is refused is refused before any is written."""
        self.log_points(lambda: list(points_at(metrics, step, time_ms)))

    def log_params(self, params: Mapping[str, object]) -> None:
        """Appends params; one that is there with another value raises `InvalidInputError`, and none is written."""

        def append() -> None:
            checked = dict(names.check_param(key, value) for key, value in params.items())
            with self._lock:
                fresh = {key: value for key, value in checked.items() if self._is_new_param(key, value)}
                if fresh:
                    self._append(lambda writer: writer.log_params(fresh))
                    self._params.update({key: param_text(value) for key, value in fresh.items()})

        self._guard(append)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Appends tags; the later value of a key stands."""

        def append() -> None:
            self.write_tags(dict(names.check_tag(key, value) for key, value in tags.items()))

        self._guard(append)

    def write_tags(self, tags: Mapping[str, str | None]) -> None:
        """Appends checked tags; None takes one away."""
        self._append(lambda writer: writer.set_tags(tags))
        self._tags.update(key for key, value in tags.items() if value is not None)

    def delete_tag(self, key: str) -> None:
        """Takes a tag away; raises `InvalidInputError` (kind `tag-not-found`) when the run has none of that key."""

        def append() -> None:
            if key not in self._tags:
                raise InvalidInputError(f"run '{self.run_id[:8]}' has no tag '{key}'", kind="tag-not-found")
            self._append(lambda writer: writer.set_tags({key: None}))
            self._tags.discard(key)

        self._guard(append)

    def add_inputs(self, inputs: Sequence[DatasetInput]) -> None:
        """Appends datasets that the run reads."""
        self._guard(lambda: self._append(lambda writer: writer.add_inputs(inputs)))

    def add_input_made(self, make: Callable[[], DatasetInput]) -> DatasetInput | None:
        """Appends the dataset that `make` describes and returns it; None when something went wrong on the way."""
        made: list[DatasetInput] = []

        def append() -> None:
            made.append(make())
            self._append(lambda writer: writer.add_inputs(made))

        self._guard(append)
        return made[0] if made else None

    def set_fields(self, fields: Mapping[str, object]) -> None:
        """Appends changes of the run's own fields, as `name`."""
        self._guard(lambda: self._append(lambda writer: writer.set_fields(fields)))

    # Artifacts

    def add_path(self, path: Path, artifact_path: str | None = None) -> None:
        """Copies a file, or all files of a folder, into the cache and names them below `artifact_path`."""

        def append() -> None:
            prefix = names.check_artifact_path(artifact_path) + "/" if artifact_path else ""
            if path.is_dir():
                self.add_artifacts(ingest_folder(self._cache, path, prefix.rstrip("/")))
            else:
                self.add_artifacts([ingest_file(self._cache, path, names.check_artifact_path(prefix + path.name))])

        self._guard(append)

    def add_bytes(self, data: bytes, artifact_path: str) -> None:
        """Keeps some bytes as the artifact of that path; the same path again replaces it."""

        def append() -> None:
            path = names.check_artifact_path(artifact_path)
            digest, size = self._cache.put_bytes(data)
            self.add_artifacts([Artifact(path=path, digest=digest, size_bytes=size)])

        self._guard(append)

    def add_made(self, make: Callable[[], bytes], artifact_path: str) -> None:
        """Keeps what `make` returns; what it refuses is treated as any mistake of the caller."""
        self._guard(lambda: self.add_bytes(make(), artifact_path))

    def add_artifacts(self, artifacts: Sequence[Artifact]) -> None:
        """Names artifacts whose bytes are in the cache already."""
        self._append(lambda writer: writer.add_artifacts(artifacts))

    # Ends

    def flush(self) -> None:
        """Returns when all that was logged is on disk."""
        self._guard(lambda: self._append(lambda writer: writer.flush()))

    def end(
        self,
        status: RunStatus,
        *,
        end_time_ms: int | None = None,
        exit_code: int | None = None,
        error: str | None = None,
    ) -> None:
        """Ends the run and seals it into git. In a process that joined the run, closes this process's part only."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
        ended_ms = now_ms() if end_time_ms is None else end_time_ms
        if self.owned_here:
            self._close(lambda: self._writer.end(status, ended_ms, exit_code, error))
        else:
            self._close(self._writer.detach)

    def detach(self) -> None:
        """Closes this process's part; the run stays open for others, or for later."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
        self._close(self._writer.detach)

    def _close(self, last_record: Callable[[], object]) -> None:
        if self._writer_pid != os.getpid():
            return  # the child of a fork that has logged nothing: the file is its parent's

        def close() -> None:
            last_record()
            self._seal(self.run_id)

        self._guard(close)

    # What goes wrong

    def _guard(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            self._answer(error)

    def _answer(self, error: Exception) -> None:
        """Raises what is the caller's mistake, unless they asked to be warned; says all else once."""
        if isinstance(error, InvalidInputError) and not self._lenient:
            raise error
        self._report(error)

    def _append(self, record: Callable[[JournalWriter], object]) -> None:
        try:
            record(self._writer)
        except NeedsReopenError as error:
            if error.kind != FORKED:
                raise
            with self._lock:
                if self._writer_pid != os.getpid():
                    self._writer, self._writer_pid = self._reopen(), os.getpid()
            record(self._writer)

    # Checks

    def _check_metric_key(self, key: str) -> str:
        if key not in self._checked_keys:
            names.check_key("metric", key)
            if len(self._checked_keys) < 10_000:
                self._checked_keys.add(key)
        return key

    def _is_new_param(self, key: str, value: Scalar) -> bool:
        known = self._params.get(key)
        if known is None:
            return True
        if known != param_text(value):
            raise InvalidInputError(
                f"cannot change param '{key}' of run '{self.run_id[:8]}' from '{known[:60]}' to "
                f"'{param_text(value)[:60]}': params are write-once",
                kind="param-overwritten",
                hint="log it under another name, or as a tag, which may change",
            )
        return False


def points_at(metrics: Mapping[str, object], step: int | None, time_ms: int | None) -> Iterable[Point]:
    """Yields one point a metric, all at the same step and time, with values and step checked."""
    time_of_all = now_ms() if time_ms is None else time_ms
    for key, value in metrics.items():
        yield Point(key, names.check_step(key, step), time_of_all, names.check_metric_value(key, value))
