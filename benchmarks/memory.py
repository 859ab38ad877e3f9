"""Memory over ten million points: of the process that logs them, of one that reads them, of one that sorts them.

Budget: a logging process takes at most 40 MB over bare Python, and no more after ten million points than after the
first hundred thousand. Each subject is a process of its own. `growth_mb` is what it grew by after its first tenth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import report

METRICS = ("train/loss", "train/acc", "val/loss", "lr")


def resident_mb() -> float:
    """Returns the memory of this process that is in use now."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 1e6
    return peak_mb()


def peak_mb() -> float:
    """Returns the most memory that this process ever had in use."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def write(root: Path, points: int) -> dict[str, float]:
    """Logs the points, as a training loop does, and keeps an eye on the memory."""
    from gitruns.entities.ids import new_run_id, new_writer_id
    from gitruns.entities.run import Identity, RunInfo, RunStatus
    from gitruns.journal import JournalWriter, Opening, current_process_mark

    opening = Opening(
        kind="start",
        info=RunInfo(id=new_run_id(), name="bench", writer=new_writer_id(), start_time_ms=0),
        identity=Identity(name="bench", email="bench@example.org"),
        time_ms=time.time_ns() // 1_000_000,
        process=current_process_mark(),
    )
    writer = JournalWriter.create(root, opening, on_problem=print)
    first = 0.0
    start = time.perf_counter()
    for step in range(points):
        writer.log_metric(METRICS[step & 3], 1.0 / (step + 1), step, time.time_ns() // 1_000_000)
        if step == points // 10:
            first = resident_mb()
    seconds = time.perf_counter() - start
    last = resident_mb()
    writer.end(RunStatus.FINISHED, 1)
    return {"resident_mb": last, "growth_mb": last - first, "us_per_point": seconds / points * 1e6}


def read(root: Path, points: int) -> dict[str, float]:
    """Folds the journal into a run: a tenth of it first, as if the rest were written later."""
    from gitruns.journal import JournalReader
    from gitruns.journal.fold import FileFold
    from gitruns.journal.lines import read_records

    (folder,) = root.iterdir()
    (path,) = folder.glob("*.log")
    part = FileFold(path)
    for block in read_records(path, 0, path.stat().st_size // 10):
        part.add_all(block.records)
    first = peak_mb()
    start = time.perf_counter()
    live = JournalReader(folder).refresh()
    seconds = time.perf_counter() - start
    assert sum(summary.count for summary in live.run.metrics.values()) == points
    return {"peak_mb": peak_mb(), "growth_mb": peak_mb() - first, "us_per_point": seconds / points * 1e6}


def spool(root: Path, points: int) -> dict[str, float]:
    """Sorts the points for the seal, with 32 MiB of lines in memory at a time."""
    from gitruns.journal import JournalReader, spool_points

    (folder,) = root.iterdir()
    live = JournalReader(folder).refresh()
    first = peak_mb()
    start = time.perf_counter()
    with spool_points(folder, spill_dir=root, live=live) as spooled:
        curve = spooled.curve()
        assert sum(map(len, spooled.chunks())) == spooled.size_bytes and curve
        seconds = time.perf_counter() - start
    return {"peak_mb": peak_mb(), "growth_mb": peak_mb() - first, "us_per_point": seconds / points * 1e6}


def bare(root: Path, points: int) -> dict[str, float]:
    """Python, and nothing else."""
    return {"resident_mb": resident_mb(), "peak_mb": peak_mb()}


SUBJECTS = {"bare": bare, "write": write, "read": read, "spool": spool}


def measured(subject: str, root: Path, points: int) -> dict[str, float]:
    """Runs one subject in a process of its own and returns its figures."""
    command = [sys.executable, __file__, "--subject", subject, "--root", str(root), "--points", str(points)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Prints one line a subject."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--subject", choices=sorted(SUBJECTS), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        sys.stdout.write(json.dumps(SUBJECTS[options.subject](options.root, options.points)))
        return
    with tempfile.TemporaryDirectory(prefix="gitruns-bench-") as folder:
        root = Path(folder) / "live"
        floor = measured("bare", root, 0)
        for subject in ("write", "read", "spool"):
            figures = measured(subject, root, options.points)
            kind = "resident_mb" if "resident_mb" in figures else "peak_mb"
            report(
                "memory",
                subject=subject,
                points=options.points,
                over_bare_python_mb=figures[kind] - floor[kind],
                budget_mb=40.0 if subject == "write" else None,
                **figures,
            )


if __name__ == "__main__":
    main()
