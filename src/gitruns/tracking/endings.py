"""How a process ends, and what that makes of its open runs.

A return from the script finishes them; an exception that nobody caught fails them, with its text; an interrupt, a
SIGTERM or a SIGHUP kills them. What cannot be caught (SIGKILL, power) is found by whoever comes next.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType

from gitruns.entities.status import RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The status that an ending gives a run, the exit code and the exception where there is one."""

    status: RunStatus
    exit_code: int | None = None
    error: str | None = None


def ending_of(error: BaseException | None) -> Ending:
    """Returns what a block or a script that ended with this exception, or with none, makes of its run."""
    if error is None:
        return Ending(status=RunStatus.FINISHED, exit_code=0)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return Ending(status=RunStatus.FAILED if code else RunStatus.FINISHED, exit_code=code)
    if isinstance(error, KeyboardInterrupt):
        return Ending(status=RunStatus.KILLED, exit_code=130, error="KeyboardInterrupt")
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Ending(status=RunStatus.FAILED, exit_code=1, error=text.rstrip(": ")[:1000])


class EndWatch:
    """Watches for the end of the process from the first run on, and ends what is open then."""

    def __init__(self, end_all: Callable[[Ending], None], close: Callable[[], None]) -> None:
        self._end_all = end_all
        self._close = close
        self._uncaught: BaseException | None = None
        self._installed = False
        self._lock = threading.Lock()

    def install(self) -> None:
        """Installs the hooks, once; what was there before is still called."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
        self._chain_excepthook()
        atexit.register(self._at_exit)
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):
                self._take_signal(name)

    def _chain_excepthook(self) -> None:
        before = sys.excepthook

        def remember(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self._uncaught = error
            before(kind, error, trace)

        sys.excepthook = remember

    def _take_signal(self, name: str) -> None:
        number = getattr(signal, name, None)
        # A program that handles the signal itself knows better; one that ignores it (nohup) means to.
        if number is None or signal.getsignal(number) is not signal.SIG_DFL:
            return
        owner = os.getpid()

        def end(received: int, frame: FrameType | None) -> None:
            if os.getpid() == owner:
                status = Ending(status=RunStatus.KILLED, exit_code=128 + received, error=name)
                with contextlib.suppress(Exception):
                    self._end_all(status)
                    self._close()
            signal.signal(received, signal.SIG_DFL)
            os.kill(os.getpid(), received)

        signal.signal(number, end)

    def _at_exit(self) -> None:
        self._end_all(ending_of(self._uncaught))
        self._close()
