"""Does work in a child that cannot ask, and that is ended when it takes too long.

The child has a session of its own: no terminal, so nothing below it, git and ssh included, can ask for a password;
and one group of processes, so ending it ends all.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

CRASHED = 70
"""What a child ends with whose work has raised; it has said so."""

_GRACE_S = 1.0
_LATEST_S = 5.0
"""A child whose parent was killed ends itself so long after its time."""


def run_bounded(work: Callable[[], int], timeout_s: float) -> int | None:
    """Returns what `work` returns, 0 to 255, or None when it was ended after `timeout_s` seconds.

    Call it before anything starts threads: the child is a fork.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ended, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ended)
        _be_child(work, timeout_s)
    os.close(held)
    try:
        done = bool(select.select([ended], [], [], timeout_s)[0])
    except BaseException:
        _end(child)
        raise
    finally:
        os.close(ended)
    if not done:
        _end(child)
        return None
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _be_child(work: Callable[[], int], timeout_s: float) -> None:
    code = CRASHED
    try:
        os.setsid()
        with open(os.devnull) as nothing:  # noqa: PTH123  a descriptor is wanted
            os.dup2(nothing.fileno(), 0)

        def end_all(number: int, frame: FrameType | None) -> None:
            os.killpg(0, signal.SIGKILL)

        signal.signal(signal.SIGALRM, end_all)
        signal.setitimer(signal.ITIMER_REAL, timeout_s + _LATEST_S)
        code = work()
    except BaseException as error:
        with contextlib.suppress(Exception):
            sys.stderr.write(f"gitruns: this is a bug of gitruns: {type(error).__name__}: {error}\n")
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _end(child: int) -> None:
    """Ends the child and what it has started: first with a word, then without."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, number)
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline:
            if os.waitpid(child, os.WNOHANG)[0]:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child, signal.SIGKILL)  # what it has left behind
                return
            time.sleep(0.01)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
