"""The points of a journal come out sorted, whatever the memory, and draw the same curve."""

from __future__ import annotations

import hashlib
import math
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitruns.entities.history import MAX_CURVE_BYTES, decode_points, downsample, encode_metric_key, encode_point
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point, Summarizer
from gitruns.journal import mark_sealed, read_points, spool_points
from gitruns.journal.curve import thin_out
from gitruns.testing import strategies as some
from journal.hand import Journal


def tsv(points: list[Point]) -> bytes:
    """The lines of some points of one metric."""
    return "".join(
        encode_point(encode_metric_key(point.metric), point.step, point.time_ms, point.value) for point in points
    ).encode()


def sorted_tsv(points: list[Point]) -> bytes:
    """All points as a part has them: a stable sort by metric."""
    return tsv(sorted(points, key=lambda point: point.metric.encode()))


@pytest.mark.parametrize("memory_bytes", [0, 3_000, 10**9])
def test_the_lines_are_sorted_whatever_the_memory(journal: Journal, tmp_path: Path, memory_bytes: int) -> None:
    chance = random.Random(1)
    writers = [journal.writer("join" if number else "start", time_ms=number) for number in range(3)]
    for step in range(3_000):
        key = chance.choice(["loss", "acc", "é", "a\tb\n", "\U0001f600", "Z"])
        value = chance.choice([chance.random(), math.nan, math.inf, -0.0, 1e16, 1e-7])
        chance.choice(writers).log_metric(key, value, step, chance.randrange(10**13))
    with spool_points(journal.folder, spill_dir=tmp_path, memory_bytes=memory_bytes) as spool:
        content = b"".join(spool.chunks())
        assert content == sorted_tsv(journal.points())
        assert content == b"".join(spool.chunks())
        assert spool.digest == hashlib.sha256(content).hexdigest() and spool.size_bytes == len(content)
        for key, summary in spool.summaries.items():
            summarizer = Summarizer()
            for point in decode_points(content.decode().splitlines(keepends=True)):
                if point.metric == key:
                    summarizer.add(point.step, point.time_ms, point.value)
            assert repr(summary) == repr(summarizer.summary())
    assert [path.name for path in tmp_path.iterdir()] == ["gitruns"]  # nothing is left on disk


def test_small_blocks_spill_many_pieces(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = journal.writer()
    for step in range(500):
        writer.log_points([Point(f"m{step % 7}", step, 1, step / 3), Point("x", step, 1, 0.5)])
    monkeypatch.setattr("gitruns.journal.lines.BLOCK_BYTES", 300)
    monkeypatch.setattr("gitruns.journal.points._PIECE_BYTES", 11)
    with spool_points(journal.folder, spill_dir=tmp_path, memory_bytes=2_000) as spool:
        assert b"".join(spool.chunks()) == sorted_tsv(journal.points())


def test_one_writer_gives_the_summaries_that_reading_gives(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    for step in range(1_000):
        writer.log_metric("loss", math.sin(step) * 10 ** (step % 30), step, 1)
    with spool_points(journal.folder, spill_dir=tmp_path) as spool:
        assert spool.summaries == journal.read().run.metrics


def test_sealed_points_are_left_out(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    mark_sealed(journal.folder, ObjectId("ab" * 20), covers=journal.read().covers)
    writer.log_metric("loss", 2.0, 2, 1)
    live = journal.read()
    writer.log_metric("loss", 3.0, 3, 1)
    with spool_points(journal.folder, spill_dir=tmp_path, live=live) as spool:
        assert b"".join(spool.chunks()) == b"loss\t2\t1\t2.0\n"
    assert journal.steps() == [2, 3]


def test_a_run_without_points_is_an_empty_part(journal: Journal, tmp_path: Path) -> None:
    journal.writer().end(RunStatus.FINISHED, 1)
    with spool_points(journal.folder, spill_dir=tmp_path) as spool:
        assert (b"".join(spool.chunks()), spool.size_bytes, spool.curve(), dict(spool.summaries)) == (b"", 0, b"", {})
        assert spool.digest == hashlib.sha256(b"").hexdigest()


def test_points_of_one_metric_are_read_alone(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_points([Point("a", 1, 1, 1.0), Point("b", 2, 1, 2.0), Point("a", 3, 1, 3.0)])
    assert [point.step for point in read_points(journal.folder, "a")] == [1, 3]


def test_torn_and_unsound_lines_are_no_points(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    with writer.path.open("ab") as file:
        file.write(b'12345678 ["m","loss",9,1,1.0]\n')
    writer.log_metric("loss", 2.0, 2, 1)
    with spool_points(journal.folder, spill_dir=tmp_path) as spool:
        assert spool.summaries["loss"].count == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(some.points(), max_size=30), st.integers(0, 500))
def test_any_points_are_spooled_and_summed_up(
    journal: Journal, tmp_path: Path, points: list[Point], memory_bytes: int
) -> None:
    shutil.rmtree(journal.folder, ignore_errors=True)
    writer = journal.writer()
    for point in points:
        writer.log_metric(point.metric, point.value, point.step, point.time_ms)
    writer.detach(durable=False)
    with spool_points(journal.folder, spill_dir=tmp_path, memory_bytes=memory_bytes) as spool:
        assert b"".join(spool.chunks()) == sorted_tsv(points)
        assert {key: summary.count for key, summary in spool.summaries.items()} == {
            key: sum(point.metric == key for point in points) for key in {point.metric for point in points}
        }


@given(st.lists(some.metric_values, max_size=60), st.integers(1, 8), st.integers(1, 50))
def test_the_curve_is_what_downsampling_the_points_gives(values: list[float], buckets: int, chunk: int) -> None:
    points = [Point("loss", step, 1, value) for step, value in enumerate(values)]
    lines = tsv(points)
    chunks = [lines[start : start + chunk] for start in range(0, len(lines), chunk)]
    assert thin_out(chunks, len(points), buckets) == tsv(downsample(points, buckets))


def test_the_curve_of_many_points_is_bounded(journal: Journal, tmp_path: Path) -> None:
    chance = random.Random(2)
    writer = journal.writer()
    for step in range(20_000):
        writer.log_metric(f"m{step % 5}", chance.random(), step, 1_700_000_000_000 + step)
    with spool_points(journal.folder, spill_dir=tmp_path, memory_bytes=50_000) as spool:
        curve = spool.curve()
    assert len(curve) <= MAX_CURVE_BYTES
    first = [point for point in journal.points() if point.metric == "m0"]
    assert curve.startswith(tsv(downsample(first)))
    assert {point.metric for point in decode_points(curve.decode().splitlines(keepends=True))} <= {"m0", "m1"}


def test_a_metric_that_does_not_fit_ends_the_curve(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    for step in range(130):
        writer.log_metric("b" * 200, 1.0 + step, step, 1)
    writer.log_metric("a", 1.0, 1, 1)
    writer.log_metric("c", 1.0, 1, 1)
    with spool_points(journal.folder, spill_dir=tmp_path) as spool:
        assert spool.curve() == b"a\t1\t1\t1.0\n"
