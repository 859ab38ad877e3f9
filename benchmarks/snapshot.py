"""What a start spends on the source: a clean tree, and a dirty one of 100,000 files against git itself.

Floors, measured in the same run: `git status` (one look at the tree), and `git add -A` and `git write-tree` with a
private index seeded from the user's (one look, and the changed files written). Budgets: a clean tree of 1,000 files in
3 ms, the look at 100,000 files in 2 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from measure import git, median_of, report, scratch_repo, timed

from gitruns.capture import capture_source
from gitruns.gitstore import open_store

_fresh: Iterator[int] = iter(range(10**9))


def change(folder: Path, dirty: int, files: int) -> None:
    """Gives some tracked files, and a tenth as many untracked ones, content that no repository has seen."""
    for number in range(0, files, max(files // dirty, 1)):
        (folder / f"part{number // 50:04}/file{number}.py").write_text(f"print({number}, {next(_fresh)})\n" * 30)
    for number in range(dirty // 10):
        (folder / f"part{number:04}/new{number}.py").write_text(f"print({next(_fresh)})\n")


def add_all(folder: Path) -> None:
    """git's own way to a tree of all that is there, beside the user's index."""
    private = folder / ".git/bench-index"
    shutil.copy2(folder / ".git/index", private)
    os.environ["GIT_INDEX_FILE"] = str(private)
    try:
        git(folder, "add", "--all")
        git(folder, "write-tree")
    finally:
        del os.environ["GIT_INDEX_FILE"]


def clean_tree(files: int, rounds: int) -> None:
    """Prints the median of a capture that finds nothing changed."""
    with scratch_repo(files) as folder:
        store = open_store(folder, environ=dict(os.environ))
        first = timed(lambda: capture_source(store))
        median = median_of(lambda: capture_source(store), rounds)
        status = median_of(lambda: git(folder, "status", "--porcelain"), rounds)
        report(
            "snapshot_clean",
            files=files,
            first_ms=first * 1e3,
            median_ms=median * 1e3,
            git_status_ms=status * 1e3,
            ratio_to_git_status=median / status,
            budget_ms=3.0 if files == 1000 else None,
        )


def dirty_tree(files: int, dirty: int, rounds: int) -> None:
    """Prints the first snapshot of a dirty tree, and the look that finds it unchanged."""
    with scratch_repo(files) as folder:
        store = open_store(folder, environ=dict(os.environ))
        new, floor = [], []
        for _ in range(rounds):
            change(folder, dirty, files)
            new.append(timed(lambda: capture_source(store)))
            change(folder, dirty, files)
            floor.append(timed(lambda: add_all(folder)))
        time.sleep(2.1)  # younger files vouch for nothing
        capture_source(store)
        again = median_of(lambda: capture_source(store), rounds)
        status = median_of(lambda: git(folder, "status", "--porcelain"), rounds)
        report(
            "snapshot_dirty",
            files=files,
            changed=dirty,
            snapshot_ms=statistics.median(new) * 1e3,
            git_add_ms=statistics.median(floor) * 1e3,
            ratio_to_git_add=statistics.median(new) / statistics.median(floor),
            unchanged_ms=again * 1e3,
            git_status_ms=status * 1e3,
            ratio_to_git_status=again / status,
            budget_unchanged_ms=2000.0 if files == 100_000 else None,
        )


def main() -> None:
    """Prints a line for the clean trees and one for each dirty one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    # So many loose objects would wake git's own gc behind the measurement.
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gc.auto", "GIT_CONFIG_VALUE_0": "0"}
    clean_tree(1000, 50)
    clean_tree(options.files, options.rounds)
    dirty_tree(1000, 20, options.rounds)
    dirty_tree(options.files, 100, options.rounds)
    dirty_tree(options.files, 10_000, options.rounds)


if __name__ == "__main__":
    main()
