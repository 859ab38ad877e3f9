"""Records survive the way to a line and back, and nothing else passes for one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.ids import Digest, ExperimentId, ObjectId, WriterId, new_run_id
from gitruns.entities.run import Identity, Lifecycle, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.entities.values import Scalar
from gitruns.journal import Opening, ProcessMark
from gitruns.journal.fold import add_points
from gitruns.journal.info import ShapeError
from gitruns.journal.lines import decode_block
from gitruns.journal.record import (
    artifact_from_json,
    artifact_to_json,
    decode_opening,
    decode_params,
    decode_record,
    encode_opening,
    encode_params,
    encode_points,
    encode_record,
    input_from_json,
    input_to_json,
)
from gitruns.testing import strategies as some

FULL = Opening(
    kind="resume",
    info=RunInfo(
        id=new_run_id(),
        name="bold-otter-1",
        experiment_id=ExperimentId("12"),
        writer=WriterId("00ff00ff00ff00ff"),
        status=RunStatus.RUNNING,
        start_time_ms=1,
        end_time_ms=2,
        user="ada",
        host="box",
        entry_point="train.py",
        command=("python", "train.py", "--name=a b"),
        source=Source(
            commit=ObjectId("1" * 40),
            base=ObjectId("2" * 64),
            branch="main",
            code_tree=ObjectId("3" * 40),
            snapshot_tree=ObjectId("4" * 40),
            dirty=True,
            left_out=(LeftOut(path="a/b", reason="too-large", size=7), LeftOut(path="c", reason="secret")),
            remote_url="https://example.org/x",
            autocrlf="true",
            eol="lf",
        ),
        parent_run_id=new_run_id(),
        exit_code=3,
        error="ValueError: no",
        lifecycle=Lifecycle.DELETED,
        dropped=4,
    ),
    identity=Identity(name="Ada", email="ada@example.org", utc_offset_minutes=-90),
    environment=Environment(
        python="3.11",
        platform="Linux",
        packages=read_only({"a": "1 (editable)"}),
        hardware=read_only({"cpu": "x"}),
        variables=read_only({"V": "w"}),
    ),
    base=ObjectId("5" * 40),
    experiment_name="wind",
    time_ms=5,
    process=ProcessMark(host="box", boot_id="b", pid=1, pid_start=2, pid_namespace="pid:[3]"),
)


def round_trip(opening: Opening) -> Opening:
    record = decode_record(encode_opening(opening)[:-1])
    assert record is not None
    return decode_opening(record)


def test_an_opening_comes_back_whole() -> None:
    assert round_trip(FULL) == FULL


def test_an_opening_without_anything_optional_comes_back() -> None:
    info = RunInfo(id=FULL.info.id, name="x", writer=FULL.info.writer, start_time_ms=1)
    mark = ProcessMark(host="h", boot_id=None, pid=1, pid_start=None, pid_namespace=None)
    bare = Opening(kind="start", info=info, identity=FULL.identity, time_ms=1, process=mark)
    assert round_trip(bare) == bare


@pytest.mark.parametrize("locked", [True, False])
def test_an_opening_says_whether_the_file_could_be_locked(locked: bool) -> None:
    assert round_trip(replace(FULL, locked=locked)).locked is locked


@pytest.mark.parametrize(
    "record",
    [
        ["open", 1],
        ["open", 2, {}],
        ["open", 1, []],
        ["open", 1, {"kind": "steal"}],
        ["open", 1, {"kind": "start", "info": {"id": "../../etc"}}],
        ["beat", 1],
    ],
)
def test_what_is_no_opening_is_refused(record: list[object]) -> None:
    with pytest.raises(ShapeError):
        decode_opening(record)


@given(st.dictionaries(some.names, some.scalars, max_size=5))
def test_params_come_back_exactly(params: dict[str, Scalar]) -> None:
    record = decode_record(encode_params(7, params)[:-1])
    assert record is not None and record[:2] == ["params", 7]
    assert some.same(decode_params(record[2]), params)


@given(st.lists(some.points(), min_size=1, max_size=5))
def test_points_come_back_bit_for_bit(points: list[object]) -> None:
    record = decode_record(encode_points(points)[:-1])  # type: ignore[arg-type]
    assert record is not None
    found: dict[str, list[tuple[int, int, float]]] = {}
    add_points(record, found)
    expected: dict[str, list[tuple[int, int, float]]] = {}
    for point in points:
        expected.setdefault(point.metric, []).append((point.step, point.time_ms, point.value))  # type: ignore[attr-defined]
    flat = {key: [cell for item in items for cell in item] for key, items in found.items()}
    assert some.same(flat, {key: [cell for item in items for cell in item] for key, items in expected.items()})


def test_artifacts_and_inputs_come_back() -> None:
    artifact = Artifact(path="a/ü.txt", digest=Digest("ab" * 32), size_bytes=2**40, in_git=True)
    assert artifact_from_json(artifact_to_json(artifact)) == artifact
    given = DatasetInput(
        name="n", digest="d", source="s", schema="{}", profile="p", context="training", tags=(("a", "b"),)
    )
    assert input_from_json(input_to_json(given)) == given


@pytest.mark.parametrize(
    "artifact",
    [
        ["../up", "ab" * 32, 1, False],
        ["/etc/passwd", "ab" * 32, 1, False],
        [".gitruns/x", "ab" * 32, 1, False],
        ["a", "../../x", 1, False],
        ["a", "ab" * 32, -1, False],
        ["a", "ab" * 32, "1", False],
        ["a"],
        "a",
    ],
)
def test_an_artifact_that_names_something_else_is_refused(artifact: object) -> None:
    with pytest.raises(ValueError):
        artifact_from_json(artifact)


lines = st.one_of(
    st.builds(lambda value: encode_record(["m", "loss", 1, 2, value])[:-1], st.floats(allow_nan=False)),
    st.just(encode_record(["tags", 1, {"a": "b\n"}])[:-1]),
    st.binary(max_size=30).filter(lambda line: b"\n" not in line),
    st.just(b""),
    st.just(encode_record([])[:-1]),
    st.just(b"00000000 " + b"[]"),
)


@given(st.lists(lines, max_size=8))
def test_a_block_of_lines_is_read_as_each_of_them(block: list[bytes]) -> None:
    each = [record for line in block if line and (record := decode_record(line)) is not None]
    torn = sum(1 for line in block if line and decode_record(line) is None)
    assert decode_block(block) == (each, torn)


def test_a_body_that_closes_the_array_of_its_block_makes_no_records() -> None:
    from zlib import crc32

    body = b'["beat",1],["beat",2]'
    forged = b"%08x %b" % (crc32(body), body)
    assert decode_block([forged, forged]) == ([], 2)
    half = b'["beat",1'
    assert decode_block([b"%08x %b" % (crc32(half), half)]) == ([], 1)


@given(st.data())
def test_any_damage_to_a_line_is_noticed(data: st.DataObject) -> None:
    line = bytearray(encode_record(["params", 1, {"lr": "0.1"}])[:-1])
    place = data.draw(st.integers(0, len(line) - 1).filter(lambda place: place != 8))
    line[place] ^= data.draw(st.integers(1, 255))
    assert decode_record(bytes(line)) is None


@given(st.integers(1, 40))
def test_a_whole_record_behind_a_torn_one_is_found(cut: int) -> None:
    torn = encode_record(["m", "loss", 1, 2, 0.5])[:-1][:cut]
    assert decode_record(torn + encode_record(["beat", 9])[:-1]) == ["beat", 9]
