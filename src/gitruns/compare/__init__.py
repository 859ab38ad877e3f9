"""Comparison: what differs between runs, which change made a metric better or worse, and whether a change may land.

Reading is kept apart from judging: what is read from git, journals and artifacts goes into plain values, and the pure
part turns equal values into equal answers, so that a review of the same commits and runs has the same bytes.

`gitruns.compare` is a function for users and this package for us. Importing a package sets its name on its parent, so
the package can be called, and does what the function does.
"""

import sys
from types import ModuleType
from typing import Any

from gitruns.compare.baseline import Baseline, find_baseline
from gitruns.compare.calling import compare
from gitruns.compare.directions import Direction, Directions
from gitruns.compare.run_diff import RunDiff, diff_of, diff_runs
from gitruns.compare.table import Comparison, compare_runs, comparison_of

__all__ = [
    "Baseline",
    "Comparison",
    "Direction",
    "Directions",
    "RunDiff",
    "compare",
    "compare_runs",
    "comparison_of",
    "diff_of",
    "diff_runs",
    "find_baseline",
]


class _Callable(ModuleType):
    def __call__(self, runs: Any, **how: Any) -> Comparison:
        return compare(runs, **how)


sys.modules[__name__].__class__ = _Callable
