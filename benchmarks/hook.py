"""The pre-push hook with nothing to do: how much longer `git push` takes, against a hook that does nothing at all.

Budget: 0.15 s longer. Measured for a repository without runs, one whose runs have all been sent, and a push to a
remote that runs have nothing to do with. Compiled modules are at hand, as in an installed gitruns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import git, report, scratch_repo

from gitruns.entities.run import RunStatus
from gitruns.repo.repo import Repo
from gitruns.repo.setup_hooks import plan_hooks, write_hooks
from gitruns.tracking.session import Session

BUDGET_S = 0.15


def main() -> None:
    """Prints the median of a push without our hook, and what our hook adds to it in each state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as place, scratch_repo(50) as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = f"{place}/compiled"
        for name in ("origin", "deploy"):
            git(Path(place), "init", "--quiet", "--bare", f"{name}.git")
            git(folder, "remote", "add", name, f"file://{place}/{name}.git")
        git(folder, "push", "--quiet", "origin", "HEAD")
        empty = folder / ".git" / "hooks" / "pre-push"
        empty.write_text("#!/bin/sh\nexit 0\n")
        empty.chmod(0o755)
        floor = _push(folder, "origin", options.times)
        empty.unlink()
        repo = Repo.open(folder)
        write_hooks(repo, plan_hooks(repo).files, str(Path(sys.executable).parent / "git-runs"))
        took = {"no_runs": _push(folder, "origin", options.times)}
        session = Session.open(folder)
        for _ in range(options.runs):
            session.start().end(RunStatus.FINISHED)
        session.place.close()
        _push(folder, "origin", 1)
        took["all_sent"] = _push(folder, "origin", options.times)
        took["other_remote"] = _push(folder, "deploy", options.times)
        for state, (wall, cpu) in took.items():
            added = wall - floor[0]
            report(
                "hook",
                state=state,
                floor_ms=floor[0] * 1e3,
                added_ms=added * 1e3,
                added_cpu_ms=(cpu - floor[1]) * 1e3,
                ratio_to_budget=added / BUDGET_S,
            )


def _push(folder: Path, remote: str, times: int) -> tuple[float, float]:
    """Median seconds, and seconds of processor time, of a push of one new commit, after one that nobody counts."""
    walls, cpus = [], []
    for number in range(times + 1):
        git(folder, "commit", "--quiet", "--allow-empty", "-m", str(number))
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["git", "push", "--quiet", remote, "HEAD"], cwd=folder, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - started)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls[1:]), statistics.median(cpus[1:])


if __name__ == "__main__":
    main()
