"""Measures push and fetch against plain git moving the same objects: python benchmarks/sync.py [--archived N]

1. 1,000 new runs pushed to a bare repository, and fetched into a fresh clone; beside it plain git with the same refs.
2. With N archived runs (100,000 by default) on the remote: a push and a fetch of code that has nothing to do with them,
   from a clone that has them and from one that has not, beside a remote without runs; the push that has nothing to do;
   and the fetch of all of them into a fresh clone, with the index.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from generate import generate
from measure import git, report, timed

from gitruns.repo import Repo
from gitruns.repo.archiving import archive_runs
from gitruns.sync import fetch, push


def bare(folder: Path, source: Path) -> Path:
    """Makes a bare repository with the code of `source`, and nothing else."""
    git(folder.parent, "init", "--quiet", "--bare", str(folder))
    git(source, "push", "--quiet", str(folder), "HEAD:refs/heads/main")
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    return folder


def clone(remote: Path, folder: Path) -> Path:
    """Clones over the file protocol, so that objects are really sent."""
    git(folder.parent, "clone", "--quiet", remote.as_uri(), str(folder))
    git(folder, "config", "user.name", "bench")
    git(folder, "config", "user.email", "bench@example.org")
    return folder


def best_of(times: int, make: Callable[[int], Callable[[], object]]) -> float:
    """Returns the least seconds of that many calls, each on what `make` has prepared for it."""
    return min(timed(make(number)) for number in range(times))


def thousand(base: Path, count: int) -> None:
    """Pushes and fetches new runs."""
    source = base / "thousand"
    generate(source, count)

    def ours(number: int) -> Callable[[], object]:
        copy = base / f"ours-{number}"
        shutil.copytree(source, copy)
        git(copy, "remote", "add", "origin", bare(base / f"ours-{number}.git", source).as_uri())
        git(copy, "fetch", "--quiet", "origin")
        repo = Repo.open(copy)
        return lambda: push(repo)

    def plain(number: int) -> Callable[[], object]:
        remote = bare(base / f"plain-{number}.git", source)
        return lambda: subprocess.run(
            ["git", "push", "--quiet", remote.as_uri(), "refs/runs/*:refs/runs/*"], cwd=source, check=True
        )

    pushed, plain_push = best_of(3, ours), best_of(3, plain)
    report("push of new runs", runs=count, seconds=pushed, plain_git=plain_push, ratio=pushed / plain_push)

    def ours_fetch(remote: Path) -> Callable[[int], Callable[[], object]]:
        def make(number: int) -> Callable[[], object]:
            repo = Repo.open(clone(remote, base / f"{remote.name}-fetch-{number}"))
            return lambda: fetch(repo)

        return make

    def plain_fetch(remote: Path) -> Callable[[int], Callable[[], object]]:
        def make(number: int) -> Callable[[], object]:
            folder = clone(remote, base / f"{remote.name}-plain-{number}")
            spec = "+refs/runs/*:refs/runs/*"
            return lambda: subprocess.run(["git", "fetch", "--quiet", "origin", spec], cwd=folder, check=True)

        return make

    for name, remote in (("one segment", base / "ours-0.git"), ("a ref a run", base / "plain-0.git")):
        fetched, by_git = best_of(3, ours_fetch(remote)), best_of(3, plain_fetch(remote))
        report(f"fetch of new runs, {name}", runs=count, seconds=fetched, plain_git=by_git, ratio=fetched / by_git)


def unrelated(base: Path, count: int) -> None:
    """Moves code while the remote has very many archived runs."""
    source = base / "many"
    generate(source, count, points=5)
    repo = Repo.open(source)
    report("archive", runs=count, seconds=timed(lambda: archive_runs(repo)))
    remote, without = bare(base / "many.git", source), bare(base / "none.git", source)
    git(source, "remote", "add", "origin", remote.as_uri())
    git(source, "fetch", "--quiet", "origin")
    repo = Repo.open(source)
    report("push of archived runs", runs=count, seconds=timed(lambda: push(repo)))
    refs = len(git(remote, "for-each-ref", "refs/runs/").splitlines())
    report(
        "push with nothing to do", runs=count, refs=refs, seconds=best_of(3, lambda _: lambda: push(Repo.open(source)))
    )
    fresh = clone(remote, base / "fresh")
    other = Repo.open(fresh)
    report("fetch of archived runs into a fresh clone", runs=count, seconds=timed(lambda: fetch(other)))
    report("index there", runs=count, seconds=timed(lambda: other.count_runs("")))
    report("fetch with nothing to do", runs=count, seconds=best_of(3, lambda _: lambda: fetch(Repo.open(fresh))))
    second, third = clone(remote, base / "second"), clone(without, base / "third")
    for name, folder in (("with the runs", fresh), ("without them", second), ("no runs on the remote", third)):
        times = [move_code(folder, remote if folder != third else without, number, base) for number in range(5)]
        pushed, fetched = min(one[0] for one in times), min(one[1] for one in times)
        report(f"unrelated git push and git fetch, {name}", runs=count, push_seconds=pushed, fetch_seconds=fetched)


def move_code(folder: Path, remote: Path, number: int, base: Path) -> tuple[float, float]:
    """Returns the seconds of a plain `git push` of one commit, and of a plain `git fetch` of one by somebody else."""
    git(folder, "commit", "--quiet", "--allow-empty", "-m", f"{folder.name} {number}")
    pushed = timed(lambda: git(folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{folder.name}-{number}"))
    git(remote, "branch", f"theirs-{folder.name}-{number}", "main")
    return pushed, timed(lambda: git(folder, "fetch", "--quiet", "origin"))


def main() -> None:
    """Measures all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--archived", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as folder:
        thousand(Path(folder), arguments.runs)
        if arguments.archived:
            unrelated(Path(folder), arguments.archived)


if __name__ == "__main__":
    main()
