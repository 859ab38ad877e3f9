"""Joins the states that several clones have made of one thing into one state, without asking anybody.

Promises, as laws that tests hold: the order of the states does not matter, nor does merging some of them first, nor
merging one twice; and nothing is lost: every value of every state is in the result, or a greater one is in its place.
No clock, no repository and no network is looked at: the same states give the same bytes on every machine.

`merge_runs` and `merge_experiments` join whole states. What they are made of is for other kinds of state too:
`merge_fields` (a mapping with stamps), `merge_files` (files without a rule), `merge_stamps` (stamps of unknown fields),
`greatest` (fields that are one decision), `check_mergeable`. Source: docs/format.md, "Merge";
docs/design/005-merge.md.
"""

from gitruns.entities.merge.experiment import merge_experiments
from gitruns.entities.merge.fields import (
    FILE_PREFIX,
    Stamped,
    greatest,
    merge_fields,
    merge_files,
    merge_stamps,
    stamp_order,
)
from gitruns.entities.merge.history import fold_parts
from gitruns.entities.merge.listing import all_manifests, resolve_artifacts
from gitruns.entities.merge.run import merge_runs
from gitruns.entities.merge.state import RunState, check_mergeable

__all__ = [
    "FILE_PREFIX",
    "RunState",
    "Stamped",
    "all_manifests",
    "check_mergeable",
    "fold_parts",
    "greatest",
    "merge_experiments",
    "merge_fields",
    "merge_files",
    "merge_runs",
    "merge_stamps",
    "resolve_artifacts",
    "stamp_order",
]
