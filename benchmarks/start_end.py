"""Start and end of an empty run in a clean tree of 1,000 files, against the two fsyncs it cannot do without.

Budget: at most 10 ms and the time of two fsyncs, median after the first run.
"""

from __future__ import annotations

import argparse

from measure import create_seconds, fsync_seconds, median_of, report, scratch_repo, timed

import gitruns


def main() -> None:
    """Prints the first run, the median of the others, and what is left of it without two fsyncs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    with scratch_repo(options.files) as folder:
        floor = fsync_seconds(folder / ".git")
        create = create_seconds(folder / ".git")

        def one_run() -> None:
            gitruns.start_run()
            gitruns.end_run()

        first = timed(one_run)
        median = median_of(one_run, options.runs)
        report(
            "start_end",
            first_ms=first * 1e3,
            median_ms=median * 1e3,
            fsync_ms=floor * 1e3,
            create_file_ms=create * 1e3,
            beyond_two_fsyncs_ms=(median - 2 * floor) * 1e3,
            budget_ms=10.0,
            ratio_to_budget=(median - 2 * floor) * 1e3 / 10.0,
        )


if __name__ == "__main__":
    main()
