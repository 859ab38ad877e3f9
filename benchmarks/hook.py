"""The pre-push hook with nothing to do: how much longer `git push` takes, against a hook that does nothing at all.

Budget: 0.15 s longer. Measured for a repository without runs, one whose runs have all been sent, and a push to a
remote that runs have nothing to do with. Compiled modules are at hand, as in an installed gitruns.
"""

from __future__ import annotations

import argparse
import os
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
        floor = _push_s(folder, "origin", options.times)
        empty.unlink()
        repo = Repo.open(folder)
        write_hooks(repo, plan_hooks(repo).files, str(Path(sys.executable).parent / "git-runs"))
        added = {"no_runs": _push_s(folder, "origin", options.times) - floor}
        session = Session.open(folder)
        for _ in range(options.runs):
            session.start().end(RunStatus.FINISHED)
        session.place.close()
        _push_s(folder, "origin", 1)
        added["all_sent"] = _push_s(folder, "origin", options.times) - floor
        added["other_remote"] = _push_s(folder, "deploy", options.times) - floor
        for state, seconds in added.items():
            report(
                "hook", state=state, floor_ms=floor * 1e3, added_ms=seconds * 1e3, ratio_to_budget=seconds / BUDGET_S
            )


def _push_s(folder: Path, remote: str, times: int) -> float:
    """Median seconds of a push of one new commit, after one that nobody counts."""
    taken = []
    for number in range(times + 1):
        git(folder, "commit", "--quiet", "--allow-empty", "-m", str(number))
        started = time.perf_counter()
        subprocess.run(["git", "push", "--quiet", remote, "HEAD"], cwd=folder, check=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


if __name__ == "__main__":
    main()
