"""The journals that this process has open, by run, for all its threads.

A run that began or was resumed here stays open until it is ended. What is only added to another process's run, or to
one that has ended, is let go after a short while, so that nobody waits for us to seal it. In a server, where the
processes that log are elsewhere, no run is kept for longer than it is used, and a process that dies says nothing of
the runs that it had open; other workers of it have their own journals of the same runs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from gitruns.entities.ids import RunId
from gitruns.entities.run import RunStatus
from gitruns.errors import GitRunsError
from gitruns.repo import LogClosedError

if TYPE_CHECKING:
    from gitruns.repo import Repo, RunLog

T = TypeVar("T")

IDLE_S = 2.0
"""How long a log is kept that was opened only to add to a run of another process, or to one that has ended."""

SERVER_IDLE_S = 300.0
"""How long a server keeps a run open that is not ended and that nobody logs into: sealing it is a commit."""

CHECKED_FOR_S = 1.0
"""How long it counts that a run was seen to be one that may be logged into."""

MOST_OPEN = 400
"""How many runs a server keeps open at once: each takes a file descriptor."""

_TICK_S = 1.0
_CLOSE_EVERY = 64
_LOCKS = 128
_ATTEMPTS = 3
_COARSE_NS = 20_000_000  # file systems tell times in ticks: a folder changed twice within one looks changed once


class _Open:
    __slots__ = ("alone", "checked_s", "folder", "folder_ns", "kept", "limit_s", "log", "used_s")

    def __init__(self, log: RunLog, folder: str, *, kept: bool, limit_s: float) -> None:
        self.log = log
        self.folder = folder
        self.kept = kept
        self.limit_s = limit_s
        self.used_s = time.monotonic()
        self.checked_s = float("-inf")
        self.folder_ns = 0
        self.alone = False


class OpenLogs:
    """Opens logs when they are needed, one a run and process."""

    def __init__(self, repo: Repo, *, in_server: bool) -> None:
        self._repo = repo
        self._in_server = in_server
        self._open: dict[RunId, _Open] = {}
        self._locks = [threading.RLock() for _ in range(_LOCKS)]  # those who open and close a run wait for each other
        self._tidying = threading.Lock()
        self._tidier: threading.Thread | None = None
        self._sealed = 0  # since what was sealed was put on disk last

    def _lock_of(self, run_id: RunId) -> threading.RLock:
        return self._locks[hash(run_id) % _LOCKS]

    # Opening

    def began(self, log: RunLog) -> None:
        """Takes the log of a run that has begun here."""
        self._put(log, kept=not self._in_server)

    def find(self, run_id: RunId) -> RunLog | None:
        """Returns the log of a run if it is open here."""
        found = self._open.get(run_id)
        if found is None or found.log.ended:
            return None
        found.used_s = time.monotonic()
        return found.log

    def get(self, run_id: RunId) -> RunLog:
        """Returns the log of a run, opened to add to it as it stands; raises `NotFoundError`."""
        log = self.find(run_id)
        if log is not None:
            return log
        with self._lock_of(run_id):
            log = self.find(run_id)
            if log is None:
                log = self._repo.open_log(run_id, set_running=False, on_behalf=self._in_server)
                self._put(log, kept=False)
            return log

    def write(self, run_id: RunId, record: Callable[[RunLog], T]) -> T:
        """Lets `record` write into a run's log; once more when that was closed in between, which is nobody's fault."""
        for _ in range(_ATTEMPTS):
            with suppress(LogClosedError):
                return record(self.get(run_id))
        return record(self.get(run_id))

    def resume(self, run_id: RunId) -> RunLog:
        """Returns the log of a run that is running again."""
        with self._lock_of(run_id):
            found = self._open.get(run_id)
            if found is not None and not found.log.ended:
                if found.kept or (found.log.owned_here and self._is_running(run_id)):
                    return found.log
                self._open.pop(run_id).log.detach()
            log = self._repo.open_log(run_id, set_running=True, on_behalf=self._in_server)
            if not self._is_running(run_id):  # another process joined it, or ended it by saying so
                log.set_fields({"status": RunStatus.RUNNING.value, "end_time_ms": None})
            self._put(log, kept=not self._in_server)
            return log

    def _is_running(self, run_id: RunId) -> bool:
        return self._repo.get_run(run_id).info.status is RunStatus.RUNNING

    def _put(self, log: RunLog, *, kept: bool) -> None:
        limit_s = SERVER_IDLE_S if self._in_server and not log.info.status.ended else IDLE_S
        folder = str(self._repo.live_root / log.run_id)
        self._open[log.run_id] = _Open(log, folder, kept=kept, limit_s=limit_s)
        if not kept:
            self._see_to_tidier()

    # Ending

    def end(self, run_id: RunId, status: RunStatus, end_time_ms: int | None) -> None:
        """Ends a run: as its owner, or, while another process has it open, by saying so in the journal."""
        with self._lock_of(run_id):
            found = self._open.pop(run_id, None)
            log = found.log if found is not None and not found.log.ended else None
            if log is None or not log.owned_here:
                if log is not None:
                    log.detach()
                log = self._repo.open_log(run_id, on_behalf=self._in_server)
            if log.owned_here:
                log.end(status, end_time_ms=end_time_ms)
            else:
                ended_ms = time.time_ns() // 1_000_000 if end_time_ms is None else end_time_ms
                log.set_fields({"status": status.value, "end_time_ms": ended_ms})
                log.detach()
            self._repo.forget(run_id)
        self._sealed += 1
        if self._in_server:  # a client waits for no other run to be synced
            self._see_to_tidier()
        elif self._sealed >= _CLOSE_EVERY:
            self._sync()

    def _sync(self) -> None:
        self._sealed = 0
        self._repo.close()

    # What log calls ask, many times a second

    def ready(self, run_id: RunId) -> RunLog | None:
        """Returns the log of a run that is open and was seen, a second ago at most, to be one that takes records.

        Takes microseconds and waits for nobody. Another writer that has opened the run meanwhile, to delete it say,
        has changed the journal's folder.
        """
        found = self._open.get(run_id)
        if found is None or found.log.ended:
            return None
        now = time.monotonic()
        if now - found.checked_s >= CHECKED_FOR_S:
            return None
        if _changed_ns(found.folder) != found.folder_ns:
            return None
        found.used_s = now
        return found.log

    def look_again(self) -> None:
        """Has the next call of each run look at its state: something was changed that is in no journal."""
        for found in list(self._open.values()):
            found.checked_s = float("-inf")

    def needs_check(self, run_id: RunId) -> bool:
        """Returns whether it is a while since somebody looked at the state of a run that is open here."""
        return self.ready(run_id) is None

    def checking(self, run_id: RunId) -> Callable[[], None]:
        """Returns what to call when a look at the run's state, which begins now, has found that it takes records."""
        found = self._open.get(run_id)
        if found is None:
            return lambda: None
        folder_ns, now_s, now_ns = _changed_ns(found.folder), time.monotonic(), time.time_ns()
        alone = self._in_server and _count_writers(found.folder) == 1

        def done() -> None:
            found.folder_ns = folder_ns if now_ns - folder_ns > _COARSE_NS else -1
            found.checked_s = now_s
            found.alone = alone

        return done

    @contextmanager
    def params_of(self, run_id: RunId, *, wait: bool = True) -> Iterator[bool]:
        """Holds the right to add params to a run, so that two writers do not give one of them two values.

        With `wait` False it says whether it could be had at once. Among processes that holds in a server, whose
        workers share its runs; whoever logs in a process of their own has the journal's rule, first write wins.
        """
        lock = self._lock_of(run_id)
        if not lock.acquire(blocking=wait):
            yield False
            return
        try:
            if self._in_server:
                with self._repo.locked_params(run_id, wait=wait) as held:
                    yield held
            else:
                yield True
        finally:
            lock.release()

    def is_alone(self, run_id: RunId) -> bool:
        """Returns whether this process is the only one that has written into the run's journal since it opened it."""
        found = self._open.get(run_id)
        return found is not None and _count_writers(found.folder) == 1

    def seen_alone(self, run_id: RunId) -> bool:
        """Returns whether it was so when the run was looked at; to be asked of one that is `ready`."""
        found = self._open.get(run_id)
        return found is not None and found.alone

    # Letting go

    def _see_to_tidier(self) -> None:
        with self._tidying:
            if self._tidier is None or not self._tidier.is_alive():
                self._tidier = threading.Thread(target=self._tidy, name="gitruns-open-logs", daemon=True)
                self._tidier.start()

    def _tidy(self) -> None:
        while True:
            time.sleep(_TICK_S)
            for run_id in self._to_let_go():
                with suppress(GitRunsError, OSError):  # what is wrong with one run must not keep the others
                    self.let_go(run_id)
            if self._in_server and self._sealed:
                with suppress(GitRunsError, OSError):
                    self._sync()
                    self._repo.trim()
            with self._tidying:
                waiting = self._in_server and self._sealed
                if not waiting and all(found.kept for found in list(self._open.values())):
                    self._tidier = None
                    return

    def _to_let_go(self) -> list[RunId]:
        now = time.monotonic()
        found = sorted(
            ((one.used_s, run_id, one) for run_id, one in list(self._open.items()) if not one.kept),
            key=lambda item: item[0],
        )
        over = max(0, len(found) - MOST_OPEN) if self._in_server else 0
        return [
            run_id
            for number, (used_s, run_id, one) in enumerate(found)
            if now - used_s > one.limit_s
            or number < over
            or (self._in_server and now - used_s > IDLE_S and self._was_ended(run_id, one))
        ]

    def _was_ended(self, run_id: RunId, one: _Open) -> bool:
        """Returns whether another worker has ended a run that is open here too, looking at it only when it changed."""
        folder_ns = _changed_ns(one.folder)
        if folder_ns == one.folder_ns and self.is_alone(run_id):
            return False
        with suppress(GitRunsError, OSError):
            return self._repo.get_run(run_id).info.status.ended
        return False

    def let_go(self, run_id: RunId) -> None:
        """Closes this process's part of a run; whoever does so last seals it."""
        with self._lock_of(run_id):
            found = self._open.pop(run_id, None)
            if found is not None:
                found.log.detach()
                self._repo.forget(run_id)
                self._sealed += 1

    def close(self) -> None:
        """Lets go of everything; a run that was not ended stays open for whoever logs next."""
        for run_id in list(self._open):
            with suppress(GitRunsError, OSError):
                self.let_go(run_id)
        self._repo.close()


def _count_writers(folder: str) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.name.endswith(".log") for entry in entries)
    except OSError:
        return 0


def _changed_ns(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116  a path object would cost more than the call
    except OSError:
        return 0
