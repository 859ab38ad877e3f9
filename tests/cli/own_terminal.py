"""A terminal of our own to run a command on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

# The terminal must be the controlling one of a session of its own, or its keys reach nobody.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def run_on_terminal(
    command: list[str],
    folder: Path,
    *,
    columns: int = 80,
    keys: bytes = b"",
    until: bytes = b"",
    environ: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Runs a command on a pseudo-terminal; types `keys` once `until` was printed. Returns exit code and output."""
    terminal, child_end = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *command],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "", "GIT_PAGER": "cat", **(environ or {})},
        stdin=child_end,
        stdout=child_end,
        stderr=child_end,
        start_new_session=True,
    )
    os.close(child_end)
    seen, typed = b"", False
    deadline = time.monotonic() + 30
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                data = os.read(terminal, 65536)
                if not data:
                    break
                seen += data
            if until and until in seen and not typed:
                typed = True
                os.write(terminal, keys)
    os.close(terminal)
    return process.wait(timeout=10), seen
