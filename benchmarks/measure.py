"""What the benchmarks share: a scratch repository, a clock, and one JSON line a figure."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_repo(files: int = 1000) -> Iterator[Path]:
    """A clean repository with that many small files in folders of fifty, as the working directory."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as folder:
        root = Path(folder)
        for number in range(files):
            path = root / f"part{number // 50:04}" / f"file{number}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"print({number})\n")
        git(root, "init", "--quiet")
        git(root, "config", "user.name", "bench")
        git(root, "config", "user.email", "bench@example.org")
        git(root, "add", ".")
        git(root, "commit", "--quiet", "--allow-empty", "-m", "first")
        time.sleep(2)  # git's racy window: files younger than the index are read again
        git(root, "status")
        os.chdir(root)
        try:
            yield root
        finally:
            os.chdir(before)


def git(folder: Path, *args: str) -> str:
    """Runs git and returns its output."""
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout


def timed(action: Callable[[], object]) -> float:
    """Returns the seconds that the action took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_of(action: Callable[[], object], times: int) -> float:
    """Returns the median seconds of that many calls."""
    return statistics.median(timed(action) for _ in range(times))


def fsync_seconds(folder: Path, times: int = 30) -> float:
    """Returns the median seconds of one fsync of a small appended file: the floor of anything durable."""
    path = folder / "fsync-probe"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:

        def append_and_sync() -> None:
            os.write(fd, b"x" * 200)
            os.fsync(fd)

        return median_of(append_and_sync, times)
    finally:
        os.close(fd)
        path.unlink()


def create_seconds(folder: Path, times: int = 200) -> float:
    """Returns the median seconds of making a small file and renaming it: what each loose object costs at least.

    It differs a hundredfold between file systems and moments: ext4 is slow to make files for some seconds after many
    were deleted anywhere on the disk.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        names = iter(range(times))

        def create() -> None:
            name = next(names)
            path = Path(scratch, str(name))
            path.write_bytes(b"x" * 100)
            path.rename(Path(scratch, f"named{name}"))

        return median_of(create, times)


def report(name: str, **figures: object) -> None:
    """Prints one figure as a JSON line."""
    rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in figures.items()}
    sys.stdout.write(json.dumps({"benchmark": name, **rounded}) + "\n")
    sys.stdout.flush()
