"""Measures the archive: python benchmarks/archive.py [COUNT] [--folder FOLDER] [--rounds N]

How long it takes to archive COUNT runs, how many refs are left, how quickly their tips are read by a new process, and
what the runs cost everybody else: a `git push` and a `git fetch` of one commit of code, over git's own protocol to a
`git daemon` on loopback, with and without runs in clone and remote. FOLDER keeps what was generated for the next time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generate import generate
from measure import git, report

from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs

_TIPS = """
import os, sys, time
from pathlib import Path
from gitruns.gitstore import open_store
store = open_store(Path(sys.argv[1]), environ=os.environ)
store.config("x.y")
start = time.perf_counter()
if sys.argv[2] == "all":
    store.run_tips()
else:
    store.run_tip(sys.argv[2])
print(time.perf_counter() - start)
"""


def timed(*words: str, cwd: Path) -> float:
    """Returns how long a git command takes, in seconds."""
    start = time.perf_counter()
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - start


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Serves the repositories of a folder and gives their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [f"--port={port}", "--listen=127.0.0.1", f"--base-path={folder}", "--export-all", "--reuseaddr"]
    process = subprocess.Popen(
        ["git", "daemon", *words, "--enable=receive-pack", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def make_remote(source: Path, bare: Path, *, with_runs: bool) -> None:
    """Makes a bare repository of the code, and of the runs if they shall be there."""
    if with_runs:
        shutil.copytree(source / ".git", bare)
        git(bare, "config", "core.bare", "true")
    else:
        git(source.parent, "clone", "--quiet", "--bare", "--no-local", str(source), str(bare))


def make_clone(source: Path, clone: Path, *, with_runs: bool) -> None:
    """Makes a clone, with the runs of its source if it shall have them."""
    if with_runs:
        shutil.copytree(source, clone)
        git(clone, "remote", "add", "origin", str(source))
    else:
        git(source.parent, "clone", "--quiet", "--no-local", str(source), str(clone))
    git(clone, "config", "user.name", "bench")
    git(clone, "config", "user.email", "bench@example.org")


def commit(clone: Path, number: int) -> None:
    """Makes one commit of code."""
    (clone / "train.py").write_text(f"print('round {number} of {clone.name}')\n")
    git(clone, "commit", "--quiet", "--all", "-m", f"round {number}")


def exchange(writer: Path, reader: Path, rounds: int) -> tuple[float, float]:
    """Returns the least times of pushing a commit from one clone and fetching it into another."""
    pushes, fetches = [], []
    for number in range(rounds):
        commit(writer, number)
        pushes.append(timed("push", "--quiet", "origin", "HEAD", cwd=writer))
        fetches.append(timed("fetch", "--quiet", "origin", cwd=reader))
    return min(pushes), min(fetches)  # on a busy machine the least says most


def measure_exchange(source: Path, work: Path, name: str, rounds: int, *, remote_runs: bool, clone_runs: bool) -> None:
    """Measures pushing and fetching code with runs on the remote, in the clones, on both or on neither."""
    place = work / "exchange"
    place.mkdir()
    bare = place / "remote.git"
    make_remote(source, bare, with_runs=remote_runs)
    writer, reader = place / "writer", place / "reader"
    with daemon(place) as address:
        for clone in (writer, reader):
            make_clone(source if clone_runs else bare, clone, with_runs=clone_runs)
            git(clone, "remote", "set-url", "origin", f"{address}/{bare.name}")
        push_s, fetch_s = exchange(writer, reader, rounds)
    refs = len(git(writer, "for-each-ref").splitlines())
    report("exchange code", case=name, refs=refs, push_s=push_s, fetch_s=fetch_s)
    shutil.rmtree(place)


def measure_tips(folder: Path, count: int) -> None:
    """Measures reading the tips in a new process."""
    some = next(iter(Repo.open(folder).store.run_tips()))
    for what in ("all", some):
        run = [sys.executable, "-c", _TIPS, str(folder), what]
        times = [float(subprocess.run(run, check=True, capture_output=True, text=True).stdout) for _ in range(5)]
        report("read tips, cold", runs=count, what="all" if what == "all" else "one", seconds=statistics.median(times))


def main() -> None:
    """Measures and prints one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    os.environ.setdefault("GIT_CONFIG_NOSYSTEM", "1")
    with tempfile.TemporaryDirectory(prefix="gitruns-archive-") as folder:
        work = Path(folder)
        loose = given.folder or work / "loose"
        if not loose.exists():
            generate(loose, given.count, points=3)
        archived = work / "archived"
        shutil.copytree(loose, archived)
        start = time.perf_counter()
        done = archive_runs(Repo.open(archived))
        seconds = time.perf_counter() - start
        refs = len(git(archived, "for-each-ref").splitlines())
        report("archive", runs=len(done.folded), segments=len(done.segments), refs=refs, seconds=seconds)
        measure_tips(archived, given.count)
        for name, source, remote_runs, clone_runs in (
            ("no runs", loose, False, False),
            ("archived", archived, True, True),
            ("archived, second remote without", archived, False, True),
            ("a ref a run", loose, True, True),
        ):
            measure_exchange(source, work, name, given.rounds, remote_runs=remote_runs, clone_runs=clone_runs)


if __name__ == "__main__":
    sys.exit(main())
