"""What gitruns merges is what a second implementation, written from docs/format.md alone, makes of the same trees."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from entities.merge_states import run_states
from formats.independent_merge import merged
from gitruns.entities.merge import RunState, merge_runs
from gitruns.gitstore.run_state import decode_run_state, encode_run_state


@settings(max_examples=150)
@given(st.lists(run_states(), min_size=2, max_size=4))
def test_both_make_the_same_tree(some: list[RunState]) -> None:
    trees = [encode_run_state(state) for state in some]
    ours = encode_run_state(merge_runs([decode_run_state(tree) for tree in trees]))
    assert merged(trees) == ours
