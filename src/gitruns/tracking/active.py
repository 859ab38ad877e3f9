"""Which run is current: per thread, else the one the process started last.

A thread that started no run of its own logs into the run that the process started last and has not ended: workers
of a pool add to the run of their script. A forked child inherits all of it and adds to the same runs.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitruns.repo import RunLog


class ActiveRuns:
    """A stack of open runs for each thread, and one of all."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[RunLog] = []
        self._lock = threading.RLock()  # a signal handler may end runs in the midst of a look-up

    def push(self, log: RunLog) -> None:
        """Makes a run the current one of this thread."""
        self._own().append(log)
        with self._lock:
            self._all.append(log)

    def pop(self, log: RunLog) -> None:
        """Takes a run off, wherever it stands."""
        with self._lock:
            if log in self._all:
                self._all.remove(log)
        own = self._own()
        if log in own:
            own.remove(log)

    def own(self) -> RunLog | None:
        """Returns the current run that this thread started, if any."""
        stack = self._own()
        while stack and stack[-1].ended:
            stack.pop()
        return stack[-1] if stack else None

    def current(self) -> RunLog | None:
        """Returns the run that a log call of this thread goes to, or None."""
        own = self.own()
        if own is not None:
            return own
        with self._lock:
            while self._all and self._all[-1].ended:
                self._all.pop()
            return self._all[-1] if self._all else None

    def open_runs(self) -> list[RunLog]:
        """Returns all open runs of the process, the one started last first."""
        with self._lock:
            return [log for log in reversed(self._all) if not log.ended]

    def _own(self) -> list[RunLog]:
        try:
            stack: list[RunLog] = self._local.stack
        except AttributeError:
            stack = self._local.stack = []
        return stack
