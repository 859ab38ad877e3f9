"""The journals that this process has open, by run, for all its threads.

A run that began or was resumed here stays open until it is ended. What is only added to another process's run, or to
one that has ended, is let go after a short while, so that nobody waits for us to seal it; in a server, where the
processes that log are elsewhere, that holds for every run.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus

if TYPE_CHECKING:
    from gitruns.repo import Repo, RunLog

IDLE_S = 2.0
SERVER_IDLE_S = 30.0
_CLOSE_EVERY = 64


class _Open:
    __slots__ = ("checked_s", "kept", "log", "used_s")

    def __init__(self, log: RunLog, *, kept: bool) -> None:
        self.log = log
        self.kept = kept
        self.used_s = time.monotonic()
        self.checked_s = float("-inf")


class OpenLogs:
    """Opens logs when they are needed, one a run. `in_server`: no run is kept open for longer than it is used."""

    def __init__(self, repo: Repo, *, in_server: bool) -> None:
        self._repo = repo
        self._in_server = in_server
        self._open: dict[RunId, _Open] = {}
        self._lock = threading.RLock()
        self._tidier: threading.Thread | None = None
        self._ended = 0

    def began(self, log: RunLog) -> None:
        """Takes the log of a run that has begun here."""
        self._put(log, kept=not self._in_server)

    def find(self, run_id: RunId) -> RunLog | None:
        """Returns the log of a run if it is open here."""
        with self._lock:
            found = self._open.get(run_id)
            if found is None or found.log.ended:
                return None
            found.used_s = time.monotonic()
            return found.log

    def get(self, run_id: RunId) -> RunLog:
        """Returns the log of a run, opened to add to it as it stands; raises `NotFoundError`."""
        with self._lock:
            found = self.find(run_id)
            if found is not None:
                return found
            log = self._repo.open_log(run_id, set_running=False)
            self._put(log, kept=False)
            return log

    def resume(self, run_id: RunId) -> RunLog:
        """Returns the log of a run that is running again."""
        with self._lock:
            found = self._open.get(run_id)
            if found is not None and not found.log.ended:
                if found.kept or (found.log.owned_here and self._is_running(run_id)):
                    return found.log
                self._open.pop(run_id).log.detach()
            log = self._repo.open_log(run_id, set_running=True)
            self._put(log, kept=not self._in_server)
            return log

    def _is_running(self, run_id: RunId) -> bool:
        return self._repo.get_run(run_id).info.status is RunStatus.RUNNING

    def end(self, run_id: RunId, status: RunStatus, end_time_ms: int | None) -> None:
        """Ends a run: as its owner, or, while another process has it open, by saying so in the journal."""
        with self._lock:
            found = self._open.pop(run_id, None)
            log = found.log if found is not None and not found.log.ended else None
            if log is None or not log.owned_here:
                if log is not None:
                    log.detach()
                log = self._repo.open_log(run_id)
            if log.owned_here:
                log.end(status, end_time_ms=end_time_ms)
            else:
                ended_ms = time.time_ns() // 1_000_000 if end_time_ms is None else end_time_ms
                log.set_fields({"status": status.value, "end_time_ms": ended_ms})
                log.detach()
            self._ended += 1
            if self._ended % _CLOSE_EVERY == 0:
                self._repo.close()

    def needs_check(self, run_id: RunId) -> bool:
        """Returns whether it is a while since somebody looked at the state of a run that is open here."""
        now = time.monotonic()
        with self._lock:
            found = self._open.get(run_id)
            if found is None or found.log.ended:
                return True
            if now - found.checked_s < 1.0:
                return False
            found.checked_s = now
            return True

    def _put(self, log: RunLog, *, kept: bool) -> None:
        with self._lock:
            self._open[log.run_id] = _Open(log, kept=kept)
            if not kept and (self._tidier is None or not self._tidier.is_alive()):
                self._tidier = threading.Thread(target=self._tidy, name="gitruns-open-logs", daemon=True)
                self._tidier.start()

    def _tidy(self) -> None:
        limit_s = SERVER_IDLE_S if self._in_server else IDLE_S
        while True:
            time.sleep(limit_s / 2)
            with self._lock:
                idle = time.monotonic() - limit_s
                for run_id in [one for one, found in self._open.items() if not found.kept and found.used_s < idle]:
                    self._open.pop(run_id).log.detach()
                if all(found.kept for found in self._open.values()):
                    self._tidier = None
                    return

    def close(self) -> None:
        """Lets go of everything; a run that was not ended stays open for whoever logs next."""
        with self._lock:
            for found in self._open.values():
                found.log.detach()
            self._open.clear()
            self._repo.close()
