"""`import gitruns` and `git runs -h` against bare Python; budgets 100 ms over it and 200 ms."""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import report, timed

TIMES = 15


def median_seconds(*command: str) -> float:
    """Returns the median seconds of a whole command."""
    return statistics.median(
        timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(TIMES)
    )


def main() -> None:
    """Prints both figures."""
    bare = median_seconds(sys.executable, "-c", "pass")
    imported = median_seconds(sys.executable, "-c", "import gitruns")
    report("import", bare_ms=bare * 1e3, import_ms=(imported - bare) * 1e3, budget_ms=100.0)
    helped = median_seconds(sys.executable, "-m", "gitruns.cli.main", "-h")
    report("help", total_ms=helped * 1e3, budget_ms=200.0)


if __name__ == "__main__":
    main()
