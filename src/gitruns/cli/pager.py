"""Long output goes through a pager, as git's does."""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from typing import TextIO

from gitruns.cli.terminal import ReadConfig, in_pager

_SHELL_CHARACTERS = frozenset("|&;<>()$`\\\"' \t\n*?[#~=%")
_DEFAULTS = {"LESS": "FRX", "LV": "-c"}  # git's: quit if it fits, show colours, leave the screen as it is


def find_pager(environ: Mapping[str, str], read_config: ReadConfig) -> str | None:
    """Returns the command that git would page with: GIT_PAGER, core.pager, PAGER, less; None for no pager."""
    if in_pager(environ):
        return None
    if (read_config("pager.runs") or "").lower() in ("false", "no", "off", "0"):
        return None
    for candidate in (environ.get("GIT_PAGER"), read_config("core.pager"), environ.get("PAGER")):
        if candidate is not None:
            return None if candidate in ("", "cat") else candidate
    return "less" if shutil.which("less", path=environ.get("PATH")) else None


def _arguments(command: str) -> list[str]:
    # The pager is the user's own setting, and git hands it to a shell when it is more than a program's name.
    if _SHELL_CHARACTERS.isdisjoint(command):
        return [command]
    return ["sh", "-c", command]


@contextlib.contextmanager
def paged(command: str, environ: Mapping[str, str], encoding: str) -> Iterator[TextIO | None]:
    """Yields a stream that a pager shows, or None when it cannot be started; waits for the reader to be done.

    A reader who leaves before the end is no error.
    """
    try:
        pager = subprocess.Popen(_arguments(command), stdin=subprocess.PIPE, env={**_DEFAULTS, **environ})
    except OSError:
        yield None
        return
    assert pager.stdin is not None  # noqa: S101  we asked for a pipe
    stream = io.TextIOWrapper(pager.stdin, encoding=encoding, errors="backslashreplace", line_buffering=False)
    try:
        with contextlib.suppress(BrokenPipeError):
            yield stream
            stream.flush()
    finally:
        # From here on Ctrl-C is the pager's: less takes it as "stop searching" and stays.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        with contextlib.suppress(BrokenPipeError):
            stream.close()
        pager.wait()
        signal.signal(signal.SIGINT, before)
