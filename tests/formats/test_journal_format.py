"""The journal as docs/format.md describes it: an independent reader folds what the writers wrote as gitruns does."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from formats import independent_reader as reader
from gitruns.entities.run import Identity, RunInfo, RunStatus
from gitruns.entities.values import Point
from gitruns.journal import JournalReader, JournalWriter, Opening, OpeningKind, current_process_mark, read_points
from gitruns.testing import strategies as some
from gitruns.testing.strategies import same

Action = tuple[int, str, Any]

actions = st.one_of(
    st.tuples(st.just("points"), st.lists(some.points(), min_size=1, max_size=4)),
    st.tuples(st.just("metric"), some.points()),
    st.tuples(st.just("params"), st.dictionaries(some.names, some.scalars, min_size=1, max_size=3)),
    st.tuples(st.just("tags"), st.dictionaries(st.sampled_from("abé"), st.none() | some.texts, min_size=1)),
    st.tuples(st.just("artifacts"), st.lists(some.artifacts, min_size=1, max_size=2)),
    st.tuples(st.just("inputs"), st.lists(some.inputs, min_size=1, max_size=2)),
    st.tuples(st.just("name"), some.names),
    st.tuples(st.just("torn"), st.sampled_from([b"\n", b"deadbeef [1,2", b'00000000 ["tags",1,{}]\n', b"\xff\x00"])),
)


def perform(writer: JournalWriter, what: str, given: Any) -> None:
    """Logs one thing, or has a broken line in the file."""
    if what == "points":
        writer.log_points(given)
    elif what == "metric":
        writer.log_metric(given.metric, given.value, given.step, given.time_ms)
    elif what == "params":
        writer.log_params(given)
    elif what == "tags":
        writer.set_tags(given)
    elif what == "artifacts":
        writer.add_artifacts(given)
    elif what == "inputs":
        writer.add_inputs(given)
    elif what == "name":
        writer.set_fields({"name": given})
    else:
        with writer.path.open("ab") as file:
            file.write(given)


def problem(error: BaseException) -> None:
    """Nothing may go wrong here."""
    raise error


@settings(max_examples=60)
@given(
    some.run_infos,
    st.lists(st.sampled_from(["start", "join", "resume"]), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(min_value=0, max_value=2), actions), max_size=12),
    st.lists(st.sampled_from(["end", "detach", "open"]), min_size=3, max_size=3),
)
def test_an_independent_reader_folds_a_journal_as_gitruns_does(
    info: RunInfo, kinds: list[OpeningKind], steps: list[tuple[int, tuple[str, Any]]], endings: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "live" / info.id
        writers = [
            JournalWriter.create(
                folder.parent,
                Opening(
                    kind=kind,
                    info=info,
                    identity=Identity(name="Ada", email="ada@example.org"),
                    time_ms=number // 2,
                    process=current_process_mark(),
                ),
                on_problem=problem,
            )
            for number, kind in enumerate(kinds)
        ]
        for who, (what, given) in steps:
            perform(writers[who % len(writers)], what, given)
        for writer, ending in zip(writers, endings, strict=False):
            if ending == "end":
                writer.end(RunStatus.FAILED, 17, exit_code=1, error=f"by {writer.id}", durable=False)
        check(folder)
        for writer in writers:
            if writer.closed is None:
                writer.detach(durable=False)
        check(folder)


def by_metric(points: Iterable[Point]) -> list[Point]:
    """The points by metric, those of one metric in the order given."""
    return sorted(points, key=lambda point: point.metric)


def check(folder: Path) -> None:
    """Holds the two readers against each other."""
    ours, theirs = JournalReader(folder).refresh(), reader.read_journal(folder)
    run = ours.run
    assert same(dict(run.params), theirs.params | {}) and run.params.keys() == theirs.params.keys()
    assert dict(run.tags) == theirs.tags
    assert {item.path: [item.path, item.digest, item.size_bytes, item.in_git] for item in run.artifacts} == (
        theirs.artifacts
    )
    assert {(item.name, item.digest, item.context or "") for item in run.inputs} == theirs.inputs.keys()
    for item in run.inputs:
        other = theirs.inputs[item.name, item.digest, item.context or ""]
        assert (item.source, item.schema, item.profile) == (other["source"], other["schema"], other["profile"])
        assert [list(tag) for tag in item.tags] == other["tags"]
    assert run.info.name == theirs.fields.get("name", theirs.info["name"])
    assert run.info.id == theirs.info["id"]
    assert (None if ours.end is None else [ours.end.status.value, *ours.end[1:]]) == theirs.end
    points = [[point.metric, point.step, point.time_ms, point.value] for point in by_metric(read_points(folder))]
    assert ours.dropped == theirs.dropped
    assert same(points, [list(point) for point in sorted(theirs.points, key=itemgetter(0))])
    assert {metric for metric, *_ in theirs.points} == run.metrics.keys()


RUN_ID = "0123456789abcdef0123456789abcdef"
clocks = st.integers(min_value=0, max_value=4)
few_keys = st.sampled_from(["a", "b"])
owners_first = st.sampled_from(["start", "resume", "join"])


def by_hand(kind: str, *rest: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Records of one kind."""
    return st.tuples(st.just(kind), *rest).map(list)


records = st.one_of(
    by_hand("m", few_keys, st.integers(0, 3), clocks, st.sampled_from([0.5, 1e-7, "nan", "-inf"])),
    by_hand("params", clocks, st.dictionaries(few_keys, st.sampled_from(["1", '"x"', ".nan", "null"]), min_size=1)),
    by_hand("tags", clocks, st.dictionaries(few_keys, st.sampled_from(["x", "y", None]), min_size=1)),
    by_hand(
        "artifacts",
        clocks,
        st.lists(st.tuples(few_keys, st.sampled_from(["0" * 64, "f" * 64]), st.just(1), st.just(False)), max_size=2),
    ),
    by_hand("fields", clocks, st.dictionaries(st.just("name"), st.sampled_from(["one", "two"]), min_size=1)),
    by_hand("dropped", clocks, st.integers(0, 5)),
    by_hand("beat", clocks),
    by_hand("later", clocks, st.just("a newer version's record")),
    by_hand("end", clocks, st.sampled_from(["FINISHED", "FAILED"]), clocks, st.none(), st.none(), st.integers(0, 3)),
    by_hand("close", clocks, st.integers(0, 3)),
)


def line(record: list[Any]) -> bytes:
    """A line as docs/format.md has it, by another JSON encoder."""
    body = json.dumps(record).encode()
    return b"%08x " % zlib.crc32(body) + body + b"\n"


def opening(kind: str, time_ms: int, name: str) -> list[Any]:
    """The first record of a file, with what is required and nothing else."""
    info = {
        "id": RUN_ID,
        "name": name,
        "experiment_id": "0",
        "writer": "0" * 16,
        "status": "RUNNING",
        "start_time_ms": 1,
        "source": {"dirty": False},
        "lifecycle": "active",
    }
    process = {"host": "elsewhere", "boot_id": None, "pid": 1, "pid_start": None, "pid_namespace": None}
    identity = ["Ada", "ada@example.org", 0]
    return ["open", 1, {"kind": kind, "time": time_ms, "info": info, "identity": identity, "process": process}]


@settings(max_examples=300)
@given(st.lists(st.tuples(owners_first, clocks, st.lists(records, max_size=8)), min_size=1, max_size=3))
def test_the_order_of_times_and_writers_decides_alike(files: list[tuple[str, int, list[list[Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / RUN_ID
        folder.mkdir()
        for number, (kind, time_ms, content) in enumerate(files):
            data = b"".join(map(line, [opening(kind, time_ms, f"run {number}"), *content]))
            (folder / f"{number:016x}.log").write_bytes(data)
        check(folder)
