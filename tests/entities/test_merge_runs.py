"""The laws of merging whole runs and experiments, and each rule by an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entities.merge_states import (
    RUN,
    WRITERS,
    digest_of,
    experiments,
    finished,
    run_states,
    summary_of,
)
from gitruns.entities.artifact import Artifact, Manifest
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import Digest, RunId
from gitruns.entities.merge import (
    RunState,
    merge_experiments,
    merge_runs,
    resolve_artifacts,
    stamp_order,
)
from gitruns.entities.run import Lifecycle, Part, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import fold_summaries
from gitruns.errors import InvalidInputError
from gitruns.gitstore.codec import encode_experiment
from gitruns.gitstore.run_state import decode_run_state, encode_run_state

A, B = WRITERS


def tree(state: RunState) -> dict[str, bytes]:
    return encode_run_state(state)


@settings(max_examples=150)
@given(st.lists(run_states(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_runs_any_order_any_grouping_any_number_of_times(some: list[RunState], random: Any) -> None:
    merged = merge_runs(some)
    everything = tree(merged)
    shuffled = list(some)
    random.shuffle(shuffled)
    assert tree(merge_runs(shuffled)) == everything
    assert tree(merge_runs([*some, *shuffled])) == everything
    assert tree(merge_runs([merged, merged])) == everything
    for state in some:
        assert tree(merge_runs([merged, state])) == everything
    for cut in range(1, len(shuffled)):
        assert tree(merge_runs([merge_runs(shuffled[:cut]), merge_runs(shuffled[cut:])])) == everything


@settings(max_examples=100)
@given(st.lists(run_states(), min_size=1, max_size=3))
def test_a_merge_is_read_back_as_it_was_written(some: list[RunState]) -> None:
    merged = merge_runs(some)
    read = decode_run_state(tree(merged))
    assert tree(merge_runs([read])) == tree(read) == tree(merged)
    assert dict(read.run.metrics) == dict(merged.run.metrics) or "nan" in str(merged.run.metrics)


@settings(max_examples=150)
@given(st.lists(run_states(), min_size=1, max_size=4))
def test_nothing_is_lost_but_to_something_greater(some: Sequence[RunState]) -> None:
    merged = merge_runs(some).run
    for state in some:
        run = state.run
        for name, stamp in run.stamps.items():
            if not name.startswith(("run/status", "run/writer", "run/end_time", "run/source")):  # decided together
                assert merged.stamps[name] >= stamp
        for prefix, ours, theirs in (("params/", run.params, merged.params), ("tags/", run.tags, merged.tags)):
            for key in ours:
                assert key in theirs or _greater(merged.stamps.get(prefix + key), run.stamps.get(prefix + key))
        listed = {artifact.path for artifact in merged.artifacts}
        for artifact in run.artifacts:
            name = f"artifacts/{artifact.path}"
            assert artifact.path in listed or _greater(merged.stamps.get(name), run.stamps.get(name))
        assert {part.digest for part in run.parts} <= {part.digest for part in merged.parts}
        assert {one.digest for one in (run.manifest, *run.more_manifests) if one} <= {
            one.digest for one in (merged.manifest, *merged.more_manifests) if one
        }
        keys = {(one.name, one.digest, one.context) for one in merged.inputs}
        assert all((one.name, one.digest, one.context) in keys for one in run.inputs)
        for path in run.unknown:
            name = f"files/{path}"
            assert path in merged.unknown or _greater(merged.stamps.get(name), run.stamps.get(name))
        assert merged.info.dropped >= run.info.dropped


def _greater(one: Stamp | None, other: Stamp | None) -> bool:
    return stamp_order(one) > stamp_order(other)


@settings(max_examples=150)
@given(st.lists(experiments, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_experiments_any_order_any_grouping_any_number_of_times(some: list[Experiment], random: Any) -> None:
    merged = merge_experiments(some)
    everything = encode_experiment(merged)
    shuffled = list(some)
    random.shuffle(shuffled)
    assert encode_experiment(merge_experiments([*some, *shuffled, merged])) == everything
    for cut in range(1, len(shuffled)):
        halves = [merge_experiments(shuffled[:cut]), merge_experiments(shuffled[cut:])]
        assert encode_experiment(merge_experiments(halves)) == everything
    assert merged.creation_time_ms == min(one.creation_time_ms for one in some)


# How it ended


def merged_info(*states: RunState) -> Any:
    return merge_runs(states).run.info


def stamped(state: RunState, **stamps: Stamp) -> RunState:
    return replace(state, run=replace(state.run, stamps=read_only({f"run/{key}": one for key, one in stamps.items()})))


def test_the_owners_end_beats_a_run_said_to_be_lost() -> None:
    done = finished(status=RunStatus.FAILED, exit_code=3, error="boom", end_time_ms=9)
    lost = finished(status=RunStatus.KILLED, exit_code=None, end_time_ms=99)
    assert merged_info(done, lost) == done.run.info
    by_another = stamped(finished(status=RunStatus.KILLED, exit_code=None), status=Stamp(50, 0, B))
    assert merged_info(done, by_another) == done.run.info
    assert merged_info(by_another, finished(status=RunStatus.RUNNING, end_time_ms=None)).status is RunStatus.KILLED


def test_a_later_resume_beats_an_earlier_end_as_one_decision() -> None:
    done = finished(status=RunStatus.FINISHED, exit_code=0, end_time_ms=9)
    open_again = stamped(
        finished(status=RunStatus.RUNNING, exit_code=None, end_time_ms=None, writer=B),
        status=Stamp(20, 0, B),
        writer=Stamp(20, 0, B),
    )
    assert merged_info(done, open_again) == open_again.run.info
    failed = stamped(finished(status=RunStatus.FAILED, exit_code=1, end_time_ms=30), status=Stamp(30, 0, A))
    assert merged_info(done, open_again, failed) == failed.run.info


def test_each_fact_of_its_own_goes_by_its_stamp() -> None:
    renamed = stamped(finished(name="aaa"), name=Stamp(1, 0, A))
    hidden = stamped(finished(lifecycle=Lifecycle.DELETED), lifecycle=Stamp(2, 0, B))
    info = merged_info(renamed, hidden, finished(name="zzz"))
    assert (info.name, info.lifecycle) == ("aaa", Lifecycle.DELETED)
    shown = stamped(finished(), lifecycle=Stamp(3, 0, A))
    assert merged_info(hidden, shown).lifecycle is Lifecycle.ACTIVE
    assert merged_info(finished(user=None), finished(user="ada")).user == "ada"
    assert merged_info(finished(dropped=2), finished(dropped=5)).dropped == 5


def test_a_source_stays_together_and_a_known_commit_beats_none() -> None:
    known, other = Source(commit="1" * 40, branch="a"), Source(branch="zzz", dirty=True)  # type: ignore[arg-type]
    assert merged_info(finished(source=known), finished(source=other)).source == known


def test_environments_are_not_mixed() -> None:
    one = Environment(python="3.10", platform="z", packages=read_only({"numpy": "1"}))
    other = Environment(python="3.11", platform="a")
    states = [replace(finished(), run=replace(finished().run, environment=env)) for env in (one, other, None)]
    assert merge_runs(states).run.environment == other


# Histories


def with_parts(*datas: bytes, stored: Sequence[bytes] = ()) -> RunState:
    summaries = {digest_of(data): {"loss": summary_of(*map(float, data.split()))} for data in (*datas, *stored)}
    parts = [Part(digest=digest_of(data), size_bytes=len(data)) for data in datas]
    parts += [Part(digest=digest_of(data), size_bytes=len(data), stored_as=gzip_of(data)) for data in stored]
    folded = [one["loss"] for one in summaries.values()]
    run = replace(
        finished().run,
        parts=tuple(sorted(parts, key=lambda part: part.digest)),
        metrics=read_only({"loss": fold_summaries(folded)} if folded else {}),
    )
    points = {digest_of(data): data for data in datas} | {digest_of(data): b"curve" for data in stored}
    return RunState(run=run, points=points, summaries=summaries)


def gzip_of(data: bytes) -> Artifact:
    return Artifact(path=f".gitruns/metrics/{digest_of(data)}.tsv.gz", digest=Digest("9" * 64), size_bytes=3)


def test_a_history_is_the_union_of_its_parts_and_the_summaries_are_folded() -> None:
    merged = merge_runs([with_parts(b"1 2", b"7"), with_parts(b"7", b"3")])
    assert sorted(merged.points.values()) == [b"1 2", b"3", b"7"]
    assert merged.run.metrics["loss"].count == 4
    assert merged.run.metrics["loss"].max == 7.0
    files = tree(merged)
    assert sum(path.startswith("metrics/") for path in files) == 6


def test_one_part_alone_needs_no_summary_of_its_own() -> None:
    merged = merge_runs([with_parts(b"1 2"), with_parts(b"1 2"), finished()])
    assert [path for path in tree(merged) if path.startswith("metrics/")] == [f"metrics/{digest_of(b'1 2')}.tsv"]


def test_a_whole_part_in_the_tree_beats_its_curve_and_a_damaged_one() -> None:
    here, there = with_parts(b"1 2"), with_parts(stored=[b"1 2"])
    merged = merge_runs([there, here])
    assert merged.run.parts[0].stored_as is None
    assert merged.points == {digest_of(b"1 2"): b"1 2"}
    damaged = replace(here, points={digest_of(b"1 2"): b"zzz"})
    assert merge_runs([damaged, here]).points == here.points
    assert merge_runs([damaged, there]).run.parts[0].stored_as == gzip_of(b"1 2")


def test_parts_stay_in_the_tree_though_together_they_are_over_its_budget() -> None:
    one, other = b"1 " * 20_000, b"2 " * 20_000
    merged = merge_runs([with_parts(one), with_parts(other)])
    assert [part.stored_as for part in merged.run.parts] == [None, None]
    assert sum(part.size_bytes for part in merged.run.parts) > 65_536


# Artifacts


def with_artifacts(*artifacts: Artifact, stamps: dict[str, Stamp] | None = None, **more: Any) -> RunState:
    texts = more.pop("texts", {})
    run = replace(finished().run, artifacts=artifacts, stamps=read_only(stamps or {}), **more)
    return RunState(run=run, texts=texts)


def text(path: str, data: bytes) -> Artifact:
    return Artifact(path=path, digest=digest_of(data), size_bytes=len(data), in_git=True)


def test_artifacts_are_united_by_path_then_stamp_and_bring_their_text() -> None:
    old = with_artifacts(text("n", b"old"), text("m", b"m"), texts={"n": b"old", "m": b"m"})
    new = with_artifacts(text("n", b"new"), texts={"n": b"new"}, stamps={"artifacts/n": Stamp(1, 0, A)})
    gone = with_artifacts(stamps={"artifacts/m": Stamp(1, 0, B)})
    merged = merge_runs([old, new, gone])
    assert [artifact.path for artifact in merged.run.artifacts] == ["n"]
    assert merged.texts == {"n": b"new"}


def test_a_text_that_is_not_what_its_digest_says_does_not_count() -> None:
    lying = with_artifacts(text("n", b"true"), texts={"n": b"false"})
    merged = merge_runs([lying, finished()])
    assert not merged.run.artifacts[0].in_git
    assert not merged.texts
    honest = with_artifacts(text("n", b"true"), texts={"n": b"true"})
    assert merge_runs([lying, honest]).texts == {"n": b"true"}


def test_a_file_cannot_stand_where_a_folder_does() -> None:
    file = with_artifacts(text("a", b"1"), texts={"a": b"1"})
    below = with_artifacts(text("a/b", b"2"), texts={"a/b": b"2"})
    merged = merge_runs([file, below])
    assert [(artifact.path, artifact.in_git) for artifact in merged.run.artifacts] == [("a", True), ("a/b", False)]
    assert merged.texts == {"a": b"1"}


def manifest(letter: str) -> Manifest:
    return Manifest(path=".gitruns/artifacts.yaml", digest=Digest(letter * 64), size_bytes=9, count=1)


def test_long_manifests_stand_side_by_side_and_are_joined_by_the_reader() -> None:
    edited = with_artifacts(
        text("late", b"l"), manifest=manifest("1"), stamps={"artifacts/late": Stamp(1, 0, A)}, texts={"late": b"l"}
    )
    other = with_artifacts(manifest=manifest("2"), stamps={"artifacts/gone": Stamp(1, 0, B)})
    run = merge_runs([other, edited, with_artifacts(text("z", b"z"), texts={"z": b"z"})]).run
    assert (run.manifest, run.more_manifests) == (manifest("1"), (manifest("2"),))
    lists = [[listed("late", "f"), listed("x", "1")], [listed("gone", "f"), listed("x", "2")]]
    resolved = resolve_artifacts(run, lists)
    assert resolved == resolve_artifacts(run, lists[::-1])
    assert resolved == (text("late", b"l"), listed("x", "2"), text("z", b"z"))


def listed(path: str, letter: str) -> Artifact:
    return Artifact(path=path, digest=Digest(letter * 64), size_bytes=1)


# What is not merged


def test_a_newer_format_is_never_merged() -> None:
    newer = replace(finished(), run=replace(finished().run, format_version=2))
    with pytest.raises(InvalidInputError, match=f"cannot merge run '{RUN[:12]}': it is stored in format 2") as error:
        merge_runs([finished(), newer])
    assert error.value.kind == "format-too-new"


def test_two_runs_are_not_one() -> None:
    with pytest.raises(InvalidInputError, match="states of several runs") as error:
        merge_runs([finished(), finished(id=RunId("f" * 32))])
    assert error.value.kind == "different-ids"
