"""Runs a command as if we were not there, and keeps what it prints.

What the command writes is shown at once, byte for byte, on the stream it was written to. Where we write to a terminal
the command does so too (a pseudo-terminal of the same size), so colours and progress bars stay. Signals that reach us
are passed on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import termios
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

_CHUNK = 1 << 16
_LINGER_S = 1.0
"""How long we go on reading after the command has ended, for what its children still print."""

_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH")
_FROM_KEYBOARD = ("SIGINT", "SIGQUIT")


class Console:
    """The first and the last bytes of what was printed, in memory that has a bound."""

    def __init__(self, limit: int) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._head_limit = limit - limit // 2
        self._tail_limit = limit // 2
        self.total = 0

    def add(self, data: bytes) -> None:
        """Takes what was printed next."""
        self.total += len(data)
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        rest = data[room:]
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail and self._tail_bytes - len(self._tail[0]) >= self._tail_limit:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> bytes:
        """Returns what was kept, with a line that says so where something was left out."""
        tail = b"".join(self._tail)
        left_out = self.total - len(self._head) - min(len(tail), self._tail_limit)
        if left_out <= 0:
            return bytes(self._head) + tail
        kept = tail[len(tail) - self._tail_limit :] if self._tail_limit else b""
        return bytes(self._head) + b"\n[git runs: %d bytes left out]\n" % left_out + kept


def run_shown(command: Sequence[str], environ: Mapping[str, str], console: Console) -> int:
    """Runs the command to its end and returns its return code as `subprocess` has it: negative for a signal.

    Raises OSError when the command cannot be started.
    """
    with _Channels() as channels, _signals_passed_on(channels) as pass_to:
        child = subprocess.Popen(command, env=dict(environ), stdout=channels.child_stdout, stderr=channels.child_stderr)
        pass_to(child)
        channels.close_child_ends()
        try:
            channels.pump(console, lambda: child.poll() is not None)
        finally:
            code = child.wait()
    return code


class _Channels:
    """The ways from the command's stdout and stderr to ours."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._child_ends: set[int] = set()
        self._open: dict[int, int] = {}  # where we read -> where we write
        self._terminals: list[int] = []
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        both = os.isatty(1) and os.isatty(2)
        self.child_stdout = self._channel(1)
        # One terminal for both keeps the order in which they were written.
        self.child_stderr = self.child_stdout if both else self._channel(2)

    def _channel(self, ours: int) -> int:
        if os.isatty(ours):
            read, write = os.openpty()
            settings = termios.tcgetattr(write)
            settings[1] &= ~termios.OPOST  # the real terminal turns line ends, once
            termios.tcsetattr(write, termios.TCSANOW, settings)
            self._terminals.append(read)
            _copy_size(ours, read)
        else:
            read, write = os.pipe()
        self._child_ends.add(write)
        self._open[read] = ours
        self._selector.register(read, selectors.EVENT_READ)
        return write

    def __enter__(self) -> _Channels:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close_child_ends()
        for read in list(self._open):
            self._close(read)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def close_child_ends(self) -> None:
        """Closes what is the command's own, so that its end is seen."""
        while self._child_ends:
            os.close(self._child_ends.pop())

    @property
    def wake(self) -> int:
        """What to write to when something has happened outside."""
        return self._wake_write

    def resized(self) -> None:
        """Gives the command's terminals the size that ours has now."""
        for read in self._terminals:
            if read in self._open:
                _copy_size(self._open[read], read)

    def pump(self, console: Console, has_ended: Callable[[], bool]) -> None:
        """Shows and keeps what comes, until the command has ended and nothing more comes."""
        deadline = None
        while self._open:
            if deadline is None and has_ended():
                deadline = time.monotonic() + _LINGER_S
            wait = None if deadline is None else max(deadline - time.monotonic(), 0)
            ready = [key.fd for key, _ in self._selector.select(wait)]
            if deadline is not None and not ready:
                return
            for read in ready:
                if read == self._wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(read, _CHUNK)
                else:
                    self._pass(read, console)

    def _pass(self, read: int, console: Console) -> None:
        try:
            data = os.read(read, _CHUNK)
        except OSError:  # a pseudo-terminal whose other end is closed
            data = b""
        if not data:
            self._close(read)
            return
        console.add(data)
        try:
            _write_all(self._open[read], data)
        except OSError:  # our reader went away: now the command's next write fails, as it would without us
            self._close(read)

    def _close(self, read: int) -> None:
        del self._open[read]
        self._selector.unregister(read)
        os.close(read)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:  # somebody made our stdout non-blocking
            time.sleep(0.01)


def _copy_size(source: int, target: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


@contextlib.contextmanager
def _signals_passed_on(channels: _Channels) -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Passes signals on to the child that the yielded function is told of; those that came before it are kept."""
    child: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGWINCH:
            channels.resized()
        if signal.Signals(number).name in _FROM_KEYBOARD and _in_foreground():
            return  # the terminal has sent it to the child as well
        if child:
            child[0].send_signal(number)
        else:
            early.append(number)

    def tell(started: subprocess.Popen[bytes]) -> None:
        child.append(started)
        for number in early:
            started.send_signal(number)

    before: dict[int, object] = {}
    for name in _PASSED_ON:
        number = getattr(signal, name, None)
        # What is ignored (nohup) stays so, also in the child.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, pass_on)
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    wake_before = signal.set_wakeup_fd(channels.wake, warn_on_full_buffer=False)
    try:
        yield tell
    finally:
        signal.set_wakeup_fd(wake_before)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us


def _in_foreground() -> bool:
    """Returns whether our process group is the one that the terminal's keys reach."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
