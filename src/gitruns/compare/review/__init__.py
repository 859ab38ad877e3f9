"""The review of a change: do the runs of this code hold what the runs of the code before it did?

The head's runs are found by equal code, so a squash, a rebase or another clone changes nothing; the base's by the
merge base or its nearest ancestor that was run. What is chosen, and why, is part of the report.
"""

from gitruns.compare.review.build import Request, build_review
from gitruns.compare.review.report import Review, Verdict

__all__ = ["Request", "Review", "Verdict", "build_review"]
