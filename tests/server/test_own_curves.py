"""Curves: thinned without losing an extreme, of what is in git, in a store, and in the journal of a live run."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gitruns
from gitruns.entities.ids import RunId
from gitruns.repo import Repo
from gitruns.repo.live_series import KEPT_POINTS, thinned
from gitruns.repo.series import SeriesReader
from gitruns.server.routes.own.thinning import thin_out
from gitruns.tracking import fluent
from server.own_world import World, run_script
from server.serving import isolated_environ

VALUES = st.lists(st.tuples(st.integers(-50, 10_000), st.floats(allow_nan=True, allow_infinity=True)), max_size=300)


@given(VALUES, st.integers(2, 60))
def test_thinned_curves_keep_ends_and_extremes(points: list[tuple[int, float]], most: int) -> None:
    points.sort(key=lambda point: point[0])
    axis = array("q", (at for at, _ in points))
    values = array("d", (value for _, value in points))
    chosen = thin_out(axis, values, most)
    assert len(chosen) <= max(most, 2)
    assert chosen == sorted(set(chosen))
    if len(points) <= most:
        assert chosen == list(range(len(points)))
        return
    assert chosen[0] == 0 and chosen[-1] == len(points) - 1
    numbers = [value for value in values if not math.isnan(value)]
    if numbers and most >= 4:
        kept = [values[place] for place in chosen if not math.isnan(values[place])]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))


def test_each_stretch_of_the_axis_keeps_its_extremes() -> None:
    axis = array("q", range(10_000))
    values = array("d", (math.sin(at / 300) for at in axis))
    values[4321] = 7.0
    chosen = thin_out(axis, values, 102)
    assert 4321 in chosen and len(chosen) <= 102
    for start in range(0, 10_000, 200):
        inside = [place for place in chosen if start <= place < start + 200]
        piece = values[start : start + 200]
        assert {min(piece), max(piece)} <= {values[place] for place in inside}


def test_points_that_crowd_together_do_not_take_the_room_of_the_others() -> None:
    axis = array("q", [*range(100), *[100] * 5000, *range(101, 200)])
    values = array("d", (float(place % 7) for place in range(len(axis))))
    chosen = thin_out(axis, values, 42)
    assert sum(axis[place] == 100 for place in chosen) <= 4
    assert sum(axis[place] > 110 for place in chosen) >= 15


@given(VALUES.filter(bool), st.integers(1, 40))
def test_what_is_followed_keeps_ends_and_extremes(points: list[tuple[int, float]], buckets: int) -> None:
    values = array("d", (value for _, value in points))
    column = (array("q", (at for at, _ in points)), array("q", range(len(points))), values)
    kept = thinned(column, buckets)
    assert len(kept[0]) <= 2 * buckets + 2
    assert (kept[1][0], kept[1][-1]) == (0, len(points) - 1)
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        left = [value for value in kept[2] if not math.isnan(value)]
        assert (min(left), max(left)) == (min(numbers), max(numbers))


# Reading


@pytest.fixture
def in_repo(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(git_repo)
    yield git_repo
    fluent._close_sessions()
    fluent._sessions.clear()


def points_of(repo: Repo, run_id: str, metric: str) -> list[tuple[int, int, float]]:
    return [(point.step, point.time_ms, point.value) for point in repo.metric_history(RunId(run_id), metric)]


def read(
    reader: SeriesReader, repo: Repo, run_id: str, metric: str, *, whole: bool = False
) -> list[tuple[int, int, float]]:
    found = reader.read(repo.get_run(RunId(run_id)), [metric, "nothing"], whole=whole)
    assert "nothing" not in found
    return list(zip(*found[metric], strict=True)) if metric in found else []


def test_columns_are_the_points_wherever_they_are(in_repo: Path) -> None:
    with gitruns.start_run() as run:
        for step in range(50):
            gitruns.log_metric("loss", step / 3, step=step)
            gitruns.log_metric("loss/\tval\u00e9", -step, step=step)
        gitruns.log_metric("nan", math.inf)
        live, reader = Repo.open(in_repo), None
        reader = SeriesReader(live)
        for metric in ("loss", "loss/\tval\u00e9", "nan"):
            assert read(reader, live, run.info.run_id, metric) == points_of(live, run.info.run_id, metric)
        gitruns.log_metric("loss", 99.0, step=50)  # what is added is seen
        assert read(reader, live, run.info.run_id, "loss")[-1][2] == 99.0
        assert len(read(reader, live, run.info.run_id, "loss")) == 51
    sealed = Repo.open(in_repo)
    for metric in ("loss", "loss/\tval\u00e9", "nan"):
        assert read(reader, sealed, run.info.run_id, metric) == points_of(sealed, run.info.run_id, metric)
    with gitruns.start_run(run_id=run.info.run_id):  # resumed: half of it in git, half in the journal
        gitruns.log_metric("loss", 100.0, step=51)
        again = Repo.open(in_repo)
        assert read(SeriesReader(again), again, run.info.run_id, "loss") == points_of(again, run.info.run_id, "loss")
        assert len(read(reader, again, run.info.run_id, "loss")) == 52


def test_a_long_history_is_drawn_from_the_tree_and_whole_on_demand(in_repo: Path) -> None:
    with gitruns.start_run() as run:
        for step in range(6000):
            gitruns.log_metric("loss", 50.0 if step == 4321 else 1 / (step + 1), step=step)
    repo = Repo.open(in_repo)
    assert repo.get_run(RunId(run.info.run_id)).parts[0].stored_as is not None
    reader = SeriesReader(repo)
    drawn = read(reader, repo, run.info.run_id, "loss")
    assert len(drawn) < 200 and max(value for _, _, value in drawn) == 50.0
    assert read(reader, repo, run.info.run_id, "loss", whole=True) == points_of(repo, run.info.run_id, "loss")


def test_a_live_run_is_followed_in_bounded_memory(in_repo: Path) -> None:
    count = KEPT_POINTS + 5000
    with gitruns.start_run() as run:
        for step in range(count):
            gitruns.log_metric("loss", 9.0 if step == 777 else 0.5, step=step)
        repo = Repo.open(in_repo)
        reader = SeriesReader(repo)
        found = read(reader, repo, run.info.run_id, "loss")
        assert KEPT_POINTS // 4 < len(found) <= KEPT_POINTS
        assert (found[0][0], found[-1][0]) == (0, count - 1)
        assert (777, 9.0) in {(step, value) for step, _, value in found}
        assert len(read(reader, repo, run.info.run_id, "loss", whole=True)) == count


# Over HTTP


def test_many_runs_and_metrics_in_one_request(world: World) -> None:
    ids = [world.ids[name] for name in ("run0", "run1", "child")]
    body = {"run_ids": [*ids, "0" * 32], "metrics": ["loss", "broken", "nothing"], "max_points": 50}
    answer = world.asked("/metrics/curves", body)
    assert [(one["run_id"], one["metric"]) for one in answer["curves"]] == [
        *((run_id, metric) for run_id in ids[:2] for metric in ("loss", "broken")),
        (ids[2], "loss"),
    ]
    assert [one["run_id"] for one in answer["unreadable"]] == ["0" * 32]
    loss = answer["curves"][0]
    assert (loss["count"], loss["thinned"]) == (1000, True)
    assert len(loss["x"]) == len(loss["y"]) <= 50
    assert (loss["x"][0], loss["x"][-1]) == (0, 999)
    assert max(loss["y"]) > 5 and loss["x"][loss["y"].index(max(loss["y"]))] == 317
    broken = answer["curves"][1]
    assert (broken["y"], broken["thinned"]) == (["nan"], False)


def test_axes(world: World) -> None:
    body = {"run_ids": [world.ids["run0"]], "metrics": ["loss"], "max_points": 2000}
    steps, times, relative = (
        world.asked("/metrics/curves", {**body, "axis": axis})["curves"][0] for axis in ("step", "time", "relative")
    )
    assert steps["x"] == list(range(1000)) and steps["thinned"] is False
    began = world.found("/runs/{run0}")["start_time_ms"]
    assert [at - began for at in times["x"]] == relative["x"]
    assert times["x"] == sorted(times["x"])
    assert sorted(times["y"]) == sorted(steps["y"])
    piece = world.asked("/metrics/curves", {**body, "start": 300, "end": 330, "max_points": 10})["curves"][0]
    assert piece["x"][0] == 300 and piece["x"][-1] == 330 and 317 in piece["x"]
    assert piece["thinned"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"run_ids": []},
        {"metrics": []},
        {"run_ids": ["latest"]},
        {"max_points": 1},
        {"max_points": 10_001},
        {"axis": "epoch"},
        {"start": 0.5},
        {"detail": "more"},
        {"run_ids": [f"{number:032x}" for number in range(500)], "metrics": list("abcdefg")},
        {"run_ids": [f"{number:032x}" for number in range(500)], "max_points": 10_000},
    ],
)
def test_more_than_is_given(world: World, change: dict[str, object]) -> None:
    body = {"run_ids": [world.ids["run0"]], "metrics": ["loss"]}
    reply = world.post("/metrics/curves", {**body, **change})
    assert (reply.status, reply.json["kind"] in ("bad-request", "too-much")) == (400, True)


LONG = """
import gitruns
with gitruns.start_run() as run:
    for step in range(6000):
        gitruns.log_metric("long", step, step=step)
print(run.info.run_id)
"""


def test_all_points_of_a_long_history(world: World) -> None:
    run_id = run_script(world.repo, isolated_environ(world.repo.parent), LONG)
    body = {"run_ids": [run_id], "metrics": ["long"], "detail": "all", "max_points": 10_000}
    assert len(world.asked("/metrics/curves", body)["curves"][0]["x"]) == 6000
    shown = world.asked("/metrics/curves", {**body, "detail": "curve"})["curves"][0]
    assert (len(shown["x"]) < 200, shown["thinned"], shown["count"]) == (True, True, 6000)
