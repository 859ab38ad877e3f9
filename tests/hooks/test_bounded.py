"""Work in a child that cannot ask and is ended in time, with all that it has started."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest


def _bounded(work: str, timeout_s: float = 10) -> subprocess.CompletedProcess[str]:
    """Runs a function of that body in a child of a fresh process, and prints what came of it."""
    script = "import os, subprocess, sys, time\nfrom gitruns.cli.bounded import run_bounded\ndef work():\n"
    script += textwrap.indent(textwrap.dedent(work), "    ") + f"\nprint('got', run_bounded(work, {timeout_s}))\n"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)


def _until_gone(pid: int, deadline: float) -> None:
    """Waits for the end of a process; where nobody reaps orphans it stays behind as a zombie."""
    while True:
        done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if done.stdout.strip()[:1] in ("", "Z"):
            return
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("work", "got"),
    [
        ("return 0", "got 0"),
        ("return 14", "got 14"),
        ("print('first')\nreturn 3", "first\ngot 3"),
        ("os.kill(os.getpid(), 9)", "got 247"),
        ("sys.exit(5)", "got 70"),
        ("time.sleep(60)", "got None"),
    ],
)
def test_what_comes_of_it(work: str, got: str) -> None:
    assert _bounded(work, 1 if "sleep" in work else 20).stdout.strip() == got


def test_a_bug_is_said() -> None:
    done = _bounded("raise ValueError('oh')")
    assert done.stdout == "got 70\n"
    assert done.stderr == "gitruns: this is a bug of gitruns: ValueError: oh\n"


def test_it_has_no_terminal_and_no_input() -> None:
    done = _bounded(
        """
        try:
            os.open("/dev/tty", os.O_RDWR)
        except OSError:
            return len(sys.stdin.read()) + (os.getsid(0) != os.getpid())
        """
    )
    assert done.stdout == "got 0\n"


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    work = f"""
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    time.sleep(60)
    """
    started = time.monotonic()
    assert _bounded(work, 0.5).stdout == "got None\n"
    assert time.monotonic() - started < 10
    _until_gone(int((tmp_path / "pid").read_text()), time.monotonic() + 5)


def test_it_does_not_outlive_a_killed_parent_for_long(tmp_path: Path) -> None:
    script = (
        "import os, time\nfrom gitruns.cli import bounded\nbounded._LATEST_S = 0.5\n"
        f"def work():\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
        "bounded.run_bounded(work, 1)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
    pid = int((tmp_path / "pid").read_text())
    _until_gone(pid, deadline)
