"""Ids have one form, and equal names give equal experiments."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities import ids
from gitruns.entities.stamp import Stamp, next_stamp
from gitruns.testing import strategies as some


def test_new_ids_have_their_form() -> None:
    assert ids.is_run_id(ids.new_run_id())
    assert len({ids.new_run_id()[:4] for _ in range(50)}) > 40
    assert len(ids.new_writer_id()) == 16


def test_what_is_no_id() -> None:
    for text in ("", "a" * 31, "A" * 32, "a" * 33, "g" * 32, "a" * 32 + "\n"):
        assert not ids.is_run_id(text)
    for text in ("a" * 39, "a" * 41, "a" * 64 + "\n"):
        assert not ids.is_object_id(text)
    assert ids.is_object_id("a" * 40) and ids.is_object_id("a" * 64)
    assert not ids.is_digest("a" * 40) and ids.is_digest("a" * 64)


@given(some.names, st.integers(min_value=0, max_value=3))
def test_experiment_ids_are_what_the_format_says(name: str, attempt: int) -> None:
    found = ids.experiment_id_candidate(name, attempt)
    if name == "Default" and attempt == 0:
        assert found == "0"
        return
    text = name.encode() + (f"\0{attempt}".encode() if attempt else b"")
    number = int(hashlib.sha256(text).hexdigest(), 16) % 900_000_000_000_000_000 + 100_000_000_000_000_000
    assert found == str(number)
    assert len(found) == 18


def test_known_experiment_ids() -> None:
    assert ids.experiment_id_candidate("Default") == "0"
    assert ids.experiment_id_candidate("digits") == ids.experiment_id_candidate("digits", 0)
    assert ids.experiment_id_candidate("digits") != ids.experiment_id_candidate("digits", 1)


stamps = st.builds(Stamp, st.integers(0, 100), st.integers(0, 5), st.sampled_from(["a", "b"]))


@given(st.none() | stamps, st.integers(0, 100), st.sampled_from(["a", "b"]))
def test_a_next_stamp_is_greater_and_not_before_now(previous: Stamp | None, now_ms: int, writer: str) -> None:
    stamp = next_stamp(previous, now_ms, ids.WriterId(writer))
    assert previous is None or (stamp.time_ms, stamp.counter) > (previous.time_ms, previous.counter)
    assert stamp.time_ms >= now_ms and stamp.writer == writer
