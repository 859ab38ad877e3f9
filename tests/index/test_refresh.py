"""The index follows its source: what changed is read, what did not is not."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, RunId
from gitruns.entities.run import Lifecycle, Run
from gitruns.index import UNSETTLED, Index, Search, mark_of
from index.sources import DEFAULT, MemorySource, make_run, run_id, summary


def names(index: Index, text: str = "", **more: object) -> list[str]:
    """Returns the names of the runs that a search finds."""
    found, _ = index.list_runs(Search(filter=text, **more))  # type: ignore[arg-type]
    return [one.run.info.name for one in found]


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(make_run(number, metrics={"acc": number / 10}) for number in range(5))


@pytest.fixture
def index(tmp_path: Path, source: MemorySource) -> Index:
    return Index(tmp_path / "gitruns" / "index.db", source)


def test_what_is_there_is_found(index: Index) -> None:
    assert names(index) == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert names(index, "acc > 0.25") == ["run-4", "run-3"]


def test_nothing_is_read_twice(index: Index, source: MemorySource) -> None:
    names(index)
    read, asked = source.read_count, source.states_count
    names(index, "acc > 0.1")
    assert (source.read_count, source.states_count) == (read, asked)


def test_a_new_run_is_the_only_one_read(index: Index, source: MemorySource) -> None:
    names(index)
    read = source.read_count
    source.put(make_run(7, metrics={"acc": 0.7}))
    assert names(index, "acc > 0.35") == ["run-7", "run-4"]
    assert source.read_count == read + 1


def test_a_changed_run_takes_the_place_of_what_it_was(index: Index, source: MemorySource) -> None:
    names(index)
    source.put(make_run(2, name="renamed", metrics={"loss": 5.0}, tags={"new": "tag"}))
    assert names(index, "loss > 1") == ["renamed"]
    assert "run-2" not in names(index)
    assert names(index, "acc > 0.15 and acc < 0.25") == []
    known = {(key.kind, key.name): key.runs for key in index.known_keys()}
    assert known == {("metric", "acc"): 4, ("metric", "loss"): 1, ("tag", "new"): 1}


def test_a_run_that_is_gone_is_gone(index: Index, source: MemorySource) -> None:
    names(index)
    source.drop(run_id(2), run_id(4))
    assert names(index) == ["run-3", "run-1", "run-0"]
    assert index.stats().values == 3


def test_a_run_that_was_only_packed_is_not_read_again(index: Index, source: MemorySource) -> None:
    source.combine = lambda said: max(said.values()).split("-")[-1]  # type: ignore[method-assign]
    names(index)
    read = source.read_count
    source.live, source.refs = source.refs, {}
    source.touch("live")
    source.touch("refs")
    assert len(names(index)) == 5
    assert source.read_count == read


def test_live_runs_lie_over_what_is_in_refs(index: Index, source: MemorySource) -> None:
    names(index)
    source.put(make_run(1, metrics={"acc": 0.99}, live=True), place="live")
    assert names(index, "live and acc > 0.9") == ["run-1"]
    source.put(make_run(1, metrics={"acc": 0.999}, live=True), place="live")
    assert names(index, "acc > 0.995") == ["run-1"]
    source.drop(run_id(1), place="live")
    assert names(index, "acc > 0.9") == []
    assert names(index, "acc = 0.1") == ["run-1"]


def test_an_unsettled_place_is_looked_at_each_time(index: Index, source: MemorySource) -> None:
    names(index)
    source.unsettled.add("refs")
    _, changed = source.refs[run_id(3)]
    source.refs[run_id(3)] = ("other", replace(changed, info=replace(changed.info, name="unseen")))
    assert "unseen" in names(index)  # though its mark never said so
    source.refs[run_id(3)] = ("third", changed)
    assert "run-3" in names(index)


def test_a_place_that_is_gone_takes_its_runs_along(index: Index, source: MemorySource) -> None:
    source.put(make_run(9), place="live")
    assert len(names(index)) == 6
    source.live.clear()
    del source.marks["live"]
    assert len(names(index)) == 5


def test_a_run_that_cannot_be_read_is_named_and_the_others_stay(index: Index, source: MemorySource) -> None:
    source.broken[run_id(2)] = "params.yaml:3: duplicate key"
    assert len(names(index)) == 4
    assert [(one.run_id, one.reason) for one in index.unreadable()] == [(run_id(2), "params.yaml:3: duplicate key")]
    source.broken.clear()
    source.put(make_run(2))
    assert len(names(index)) == 5
    assert index.unreadable() == []


def test_a_run_that_cannot_be_written_is_named_and_the_others_stay(index: Index, source: MemorySource) -> None:
    source.put(make_run(8, tags={"bad": "\ud800"}), make_run(9, metrics={"m": replace(summary(1.0), step=2**70)}))
    assert len(names(index)) == 5
    assert [one.run_id for one in index.unreadable()] == sorted([run_id(8), run_id(9)])
    assert all(one.reason.startswith("cannot be indexed") for one in index.unreadable())


def test_a_run_that_was_away_for_a_moment_comes_back(index: Index, source: MemorySource) -> None:
    hidden = source.read
    source.read = lambda wanted: [one for one in hidden(wanted) if one.info.id != run_id(3)]  # type: ignore
    assert len(names(index)) == 4
    source.read = hidden  # type: ignore[method-assign]
    assert len(names(index)) == 5


def test_experiments_are_followed(index: Index, source: MemorySource) -> None:
    digits = Experiment(id=ExperimentId("11"), name="digits", creation_time_ms=5, last_update_time_ms=5)
    source.put(make_run(6, experiment="11"))
    assert names(index, "experiment = digits") == []
    source.set_experiments(DEFAULT, digits)
    assert names(index, "experiment = digits") == ["run-6"]
    source.set_experiments(DEFAULT, replace(digits, lifecycle=Lifecycle.DELETED))
    assert names(index, "experiment = digits") == []
    assert names(index, "experiment = digits", lifecycle=Lifecycle.DELETED) == ["run-6"]


def test_rebuilding_reads_everything_and_changes_nothing(index: Index, source: MemorySource) -> None:
    before = names(index)
    read = source.read_count
    report = index.rebuild()
    assert report.written == 5 and source.read_count == read + 5
    assert names(index) == before
    source.drop(run_id(0))
    index.rebuild()
    assert names(index) == before[:-1]


def test_verifying_finds_what_differs(tmp_path: Path, index: Index, source: MemorySource) -> None:
    source.put(make_run(9, params={"nan": float("nan"), "z": -0.0}, metrics={"m": summary(float("nan"))}))
    assert index.verify() == []
    index.close()
    other = sqlite3.connect(tmp_path / "gitruns" / "index.db", isolation_level=None)
    other.execute("UPDATE metrics SET last = last + 1 WHERE id = (SELECT min(id) FROM metrics)")
    other.execute("UPDATE details SET name = 'forged' WHERE run = 3")
    other.close()
    assert sorted(one.what for one in index.verify()) == ["info differs", "metrics differs"]
    index.rebuild()
    assert index.verify() == []


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source = MemorySource(make_run(number) for number in range(300))
    Index(tmp_path / "index.db", source, progress=lambda done, of: told.append((done, of))).refresh()
    assert told[-1] == (300, 300)
    assert [done for done, _ in told] == sorted({done for done, _ in told}) and len(told) > 1


def test_runs_come_back_whole(index: Index, source: MemorySource) -> None:
    run = make_run(
        20,
        params={"int": 2**70, "neg": -0.0, "nan": float("nan"), "none": None, "flag": True, "text": "nul\0é"},
        tags={"mlflow.note.content": "a note", "x": ""},
        metrics={"m": summary(-0.0, float("inf"), float("nan")), "big": 1e300},
        command=("python", "train.py", "a b"),
        exit_code=3,
        live=True,
    )
    source.put(run)
    [listed] = index.runs([run.info.id])
    assert repr(listed.run) == repr(run)  # by text: NaN is not equal to itself, and -0.0 is to 0.0
    assert listed.inputs == 0
    assert index.runs([run_id(99), run_id(1), run_id(20)])[0].run.info.id == run_id(1)


# Marks


def test_a_mark_changes_with_each_change(tmp_path: Path) -> None:
    now = time.time_ns() + 10_000_000_000
    folder, file = tmp_path / "refs", tmp_path / "packed-refs"
    folder.mkdir()
    marks = [mark_of([folder, file], now)]
    file.write_text("a")
    marks.append(mark_of([folder, file], now))
    os.utime(file, ns=(5, 5))
    marks.append(mark_of([folder, file], now))
    (folder / "x").write_text("")
    marks.append(mark_of([folder, file], now))
    os.utime(folder, ns=(7, 7))
    marks.append(mark_of([folder, file], now))
    assert len(set(marks)) == 5 and UNSETTLED not in marks
    assert mark_of([folder, file], now) == marks[-1]
    file.write_text("b")  # the same size, the same file
    os.utime(file, ns=(5, 6))
    assert mark_of([folder, file], now) != marks[-1]


def test_what_changed_just_now_may_change_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    assert mark_of([tmp_path / "file"], time.time_ns()) == UNSETTLED
    assert mark_of([tmp_path / "file"], 0) == UNSETTLED  # a clock that was set back
    assert mark_of([tmp_path / "nothing", tmp_path / "file" / "below"], 0) != UNSETTLED


# Any order of arrival


class Arrivals(RuleBasedStateMachine):
    """Runs come, change, move between places and go; the index holds what the source holds."""

    def __init__(self) -> None:
        super().__init__()
        self.source = MemorySource()
        self.index = Index(None, self.source)

    numbers = st.integers(0, 6)
    values = st.sampled_from([0.1, 0.5, 0.9])

    @rule(number=numbers, value=values, place=st.sampled_from(["refs", "live"]), key=st.sampled_from("ab"))
    def put(self, number: int, value: float, place: str, key: str) -> None:
        self.source.put(make_run(number, metrics={key: value}, tags={key: str(value)}), place=place)

    @rule(number=numbers, place=st.sampled_from(["refs", "live"]))
    def drop(self, number: int, place: str) -> None:
        if run_id(number) in getattr(self.source, place):
            self.source.drop(run_id(number), place=place)

    @rule(number=numbers, value=values)
    def seal(self, number: int, value: float) -> None:
        if run_id(number) in self.source.live:
            self.source.put(make_run(number, metrics={"a": value}))
            self.source.drop(run_id(number), place="live")

    @rule(unsettled=st.booleans())
    def settle(self, unsettled: bool) -> None:
        self.source.unsettled = {"live"} if unsettled else set()

    @rule(number=numbers, broken=st.booleans())
    def break_run(self, number: int, broken: bool) -> None:
        if broken:
            self.source.broken[run_id(number)] = "broken"
        else:
            self.source.broken.pop(run_id(number), None)
        for place in ("refs", "live"):
            found: dict[RunId, tuple[str, Run]] = getattr(self.source, place)
            if run_id(number) in found:
                self.source.put(found[run_id(number)][1], place=place)

    @rule()
    def rebuild(self) -> None:
        self.index.rebuild()

    @invariant()
    def the_index_holds_what_the_source_holds(self) -> None:
        found, _ = self.index.list_runs(Search(lifecycle=None))
        assert {one.run.info.id: one.run for one in found} == {one.info.id: one for one in self.source.runs()}
        uses = {(key.kind, key.name): key.runs for key in self.index.known_keys()}
        for kind in ("metric", "tag"):
            for name in "ab":
                held: Sequence[Run] = [one for one in self.source.runs() if name in getattr(one, f"{kind}s")]
                assert uses.get((kind, name), 0) == len(held)


TestArrivals = Arrivals.TestCase
TestArrivals.settings = settings(max_examples=40, stateful_step_count=20)
