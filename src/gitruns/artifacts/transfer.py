"""What uploads and downloads have in common: how far they are, and when they have to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgress:
    """How far a transfer is: files and bytes that are done, those that were there already counted as done."""

    what: str
    files_done: int
    files: int
    bytes_done: int
    bytes: int


OnProgress = Callable[[TransferProgress], None]


class DeadlineError(Exception):
    """The time that was given is over; what is not done stays pending."""


class Meter:
    """Counts for many threads, tells `progress`, and ends the work when the deadline (monotonic seconds) is over."""

    def __init__(self, what: str, files: int, size: int, progress: OnProgress | None, deadline: float | None) -> None:
        self._what = what
        self._files, self._bytes = files, size
        self._files_done = self._bytes_done = self.bytes_moved = 0
        self._progress = progress
        self._deadline = deadline
        self._lock = threading.Lock()
        self._stopped = False

    def moved(self, count: int) -> None:
        """Counts bytes that were moved."""
        with self._lock:
            self.bytes_moved += count
            self._bytes_done += count
            self._tell()

    def moved_some(self, count: int) -> None:
        """Counts bytes of something longer; raises `DeadlineError` when it is time to stop."""
        self.moved(count)
        self.check()

    def skipped(self, count: int) -> None:
        """Counts bytes that need not be moved."""
        with self._lock:
            self._bytes_done += count

    def file_done(self, count: int = 1) -> None:
        """Counts files."""
        with self._lock:
            self._files_done += count
            self._tell()

    def stop(self) -> None:
        """Has all who check stop."""
        self._stopped = True

    def check(self) -> None:
        """Raises `DeadlineError` when it is time to stop."""
        if self._stopped or (self._deadline is not None and time.monotonic() > self._deadline):
            raise DeadlineError

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(
                TransferProgress(
                    what=self._what,
                    files_done=self._files_done,
                    files=self._files,
                    bytes_done=self._bytes_done,
                    bytes=self._bytes,
                )
            )
