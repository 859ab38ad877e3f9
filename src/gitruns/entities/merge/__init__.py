"""Joins the states that several clones have made of one thing into one state, without asking anybody.

Promises, as laws that tests hold: the order of the states does not matter, nor does merging some of them first, nor
merging one twice; and nothing is lost: every value of every state is in the result, or a greater one is in its place.
No clock, no repository and no network is looked at: the same states give the same bytes on every machine.

`fields` has what merges are made of: `merge_fields`, `merge_files`, `merge_stamps`, `greatest`.
Source: docs/format.md, "Merge"; docs/design/005-merge.md.
"""

from gitruns.entities.merge.fields import (
    FILE_PREFIX,
    Stamped,
    greatest,
    merge_fields,
    merge_files,
    merge_stamps,
    stamp_order,
)

__all__ = [
    "FILE_PREFIX",
    "Stamped",
    "greatest",
    "merge_fields",
    "merge_files",
    "merge_stamps",
    "stamp_order",
]
