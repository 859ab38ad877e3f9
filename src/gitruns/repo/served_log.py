"""The open log of a run whose program is elsewhere: whoever writes for it must know what is in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitruns.entities.values import Point
from gitruns.errors import GitRunsError, LockedError
from gitruns.journal import JournalWriter, NeedsReopenError
from gitruns.repo.runlog import RunLog


class LogClosedError(GitRunsError):
    """This log was let go by another thread: open the run again and log there. Nothing was written."""

    default_kind = "log-closed"


class ServedLog(RunLog):
    """Raises what a training program is only warned of: nobody shall be told that it is logged when it is not."""

    def log_metric(self, key: str, value: Any, step: int | None = None, time_ms: int | None = None) -> None:
        """Appends one point; on return it survives a kill of the process."""
        super().log_metric(key, value, step, time_ms)
        if self._writer.waiting:
            raise self._not_written()

    @property
    def known_params(self) -> Mapping[str, str]:
        """The params of the run when it was opened, and those that were logged here since, as text."""
        return self._params

    def write_points(self, points: Sequence[Point]) -> None:
        """Appends checked points as one record."""
        self._append(lambda writer: writer.log_points(points))

    def _append(self, record: Callable[[JournalWriter], object]) -> None:
        super()._append(record)
        if self._writer.waiting:
            raise self._not_written()

    def _close(self, last_record: Callable[[], object]) -> None:
        try:
            written = last_record()
        except Exception as error:
            self._answer(error)
        if not written:
            raise self._not_written()
        try:
            self._seal(self.run_id)
        except Exception as error:  # the journal has it all: the next command seals it
            self._report(error)

    def _answer(self, error: Exception) -> None:
        if isinstance(error, NeedsReopenError):
            raise LogClosedError(f"the log of run '{self.run_id[:8]}' was closed") from error
        raise error

    def _not_written(self) -> LockedError:
        return LockedError(
            f"cannot write the journal of run '{self.run_id[:8]}': the file system does not take it",
            kind="journal-not-written",
            hint="see whether the disk of the repository is full, then try again",
        )
