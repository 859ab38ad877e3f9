"""Reading on from where the last reading ended gives what reading from scratch gives, whoever wrote."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitruns.entities.ids import ObjectId, new_run_id
from gitruns.entities.run import RunStatus
from gitruns.errors import ConflictError, NotFoundError
from gitruns.journal import (
    JournalReader,
    WriterState,
    list_live,
    mark_sealed,
    read_points,
    remove,
    sealed_commit,
    sweep,
    unclosed_openings,
    unmark_sealed,
)
from gitruns.journal import lines as lines_module
from gitruns.journal.locks import lock_file, lock_is_held
from gitruns.journal.record import encode_record
from gitruns.testing import strategies as some
from journal.hand import Forked, Journal, dead_process, exit_code

COMMIT = ObjectId("ab" * 20)


def write(path: Path, *records: list[object]) -> None:
    """Appends records as a writer would."""
    with path.open("ab") as file:
        for record in records:
            file.write(encode_record(record))


def test_reading_on_is_reading_all(journal: Journal) -> None:
    chance = random.Random(7)
    writers = [journal.writer("join" if number else "start", time_ms=100 + number) for number in range(3)]
    reader = JournalReader(journal.folder)
    for step in range(400):
        writer = chance.choice(writers)
        action = chance.randrange(5)
        if action < 3:
            writer.log_metric(chance.choice(["loss", "acc"]), chance.random(), step, 1_000 + step)
        elif action == 3:
            writer.set_tags({f"t{chance.randrange(3)}": chance.choice([None, str(step)])})
        else:
            writer.log_params({f"p{step}": step})
        if chance.random() < 0.2:
            assert reader.refresh() == journal.read()
    assert reader.refresh() == journal.read()


records = st.one_of(
    st.builds(lambda key, value: ["m", key, 1, 2, value], some.names, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(lambda time, key, value: ["params", time, {key: value}], some.times_ms, some.names, st.just("1")),
    st.builds(lambda time, key, value: ["tags", time, {key: value}], some.times_ms, some.names, some.texts),
    st.builds(lambda time: ["beat", time], some.times_ms),
    st.just(["end", 50, "FINISHED", 60, 0, None, 2]),
    st.just(["of a newer version", {"x": 1}]),
    st.just(["m", "k", "no step", 1, 1.0]),
    st.just(["tags", 1, 7]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(records, max_size=8), st.data())
def test_the_state_does_not_depend_on_where_a_reading_stopped(
    journal: Journal, rows: list[list[object]], data: st.DataObject
) -> None:
    shutil.rmtree(journal.folder, ignore_errors=True)
    whole = replace(journal, run_id=journal.run_id, writers=[])
    writer = whole.writer(time_ms=10)
    writer._release()
    opening = writer.path.read_bytes()
    content = b"".join(encode_record(row) for row in rows)
    reader = JournalReader(journal.folder)
    for cut in sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4))):
        writer.path.write_bytes(opening + content[:cut])
        reader.refresh(now_s=0)
    writer.path.write_bytes(opening + content)
    # A line seen half while its writer is dead counts as torn though somebody then completes it: not of interest here.
    assert replace(reader.refresh(), torn_lines=0) == replace(journal.read(), torn_lines=0)


def test_blocks_of_any_size_give_the_same(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = journal.writer()
    for step in range(50):
        writer.log_metric("loss", step / 3, step, 1)
        writer.log_params({f"p{step}": "x" * step})
    expected, points = journal.read(), journal.points()
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(lines_module, "BLOCK_BYTES", size)
        assert journal.read() == expected and journal.points() == points


def test_the_first_param_and_the_last_tag_stand_by_time_then_writer(journal: Journal) -> None:
    early, late = journal.writer(time_ms=1), journal.writer("join", time_ms=2)
    write(early.path, ["params", 20, {"a": "1", "b": "1"}], ["tags", 30, {"t": "late", "u": "x"}])
    write(late.path, ["params", 10, {"a": "2"}], ["params", 20, {"b": "2"}], ["tags", 20, {"t": "early"}])
    write(late.path, ["tags", 30, {"u": "y"}])
    run = journal.read().run
    assert run.params["a"] == 2 and run.tags["t"] == "late"
    first = min(early, late, key=lambda writer: writer.id)
    assert run.params["b"] == (1 if first is early else 2)
    assert run.tags["u"] == ("y" if first is early else "x")


def test_a_clock_that_goes_back_does_not_change_the_order_of_one_writer(journal: Journal) -> None:
    writer = journal.writer(time_ms=1_000)
    write(writer.path, ["params", 900, {"a": "1"}], ["params", 100, {"a": "2"}])
    write(writer.path, ["tags", 5_000, {"t": "1"}], ["tags", 100, {"t": "2"}])
    other = journal.writer("join", time_ms=1_000)
    write(other.path, ["params", 950, {"a": "3"}], ["tags", 4_000, {"t": "3"}])
    run = journal.read().run
    assert run.params["a"] == (1 if writer.id < other.id else 3) and run.tags["t"] == "2"


def test_a_deleted_tag_stays_deleted_and_is_known_as_change(journal: Journal) -> None:
    writer = journal.writer()
    writer.set_tags({"a": "1", "b": "2"})
    writer.set_tags({"a": None})
    live = journal.read()
    assert dict(live.run.tags) == {"b": "2"}
    assert {key: timed.value for key, timed in live.tag_changes.items()} == {"a": None, "b": "2"}


def test_torn_lines_are_counted_and_the_rest_is_there(journal: Journal) -> None:
    writer = journal.writer(process=dead_process())
    for step in range(10):
        writer.log_metric("loss", 1.0, step, 1)
    lines = writer.path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:-9] + b"\n"  # torn in the middle, with its end
    lines[5] = lines[5][:11]  # torn, the next follows on the same line
    lines[7] = b"\0" * 40 + b"\n"  # a hole that a power cut left
    lines[9] = b"\n" + lines[9]
    writer._release()
    writer.path.write_bytes(b"".join(lines) + lines[1][:20])
    live = journal.read()
    assert live.torn_lines == 3
    assert journal.steps() == [0, 1, 3, 5, 7, 8, 9]


def test_half_a_line_of_a_living_writer_is_waited_for(journal: Journal) -> None:
    writer = journal.writer()
    line = encode_record(["m", "loss", 4, 1, 1.0])
    reader = JournalReader(journal.folder)
    with writer.path.open("ab", buffering=0) as file:
        file.write(line[:20])
        assert reader.refresh().torn_lines == 0
        file.write(line[20:])
    live = reader.refresh()
    assert live.torn_lines == 0 and live.run.metrics["loss"].count == 1


def test_a_line_longer_than_a_record_is_one_torn_line(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = journal.writer()
    with writer.path.open("ab") as file:
        file.write(b"x" * 200_000 + b"\n")
    writer.log_metric("loss", 1.0, 4, 1)
    monkeypatch.setattr(lines_module, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 50_000)
    live = journal.read()
    assert live.run.metrics["loss"].count == 1 and live.torn_lines > 0


@pytest.mark.parametrize(
    "record",
    [
        ["m"],
        ["m", "loss", 1, 2],
        ["m", "loss", 1, 2, "much"],
        ["m", "loss", 1.5, 2, 1.0],
        ["m", "loss", 1, None, 1.0],
        ["m", 7, 1, 2, 1.0],
        ["m", [], 1, 2, 1.0],
        ["m", "loss", 1, 2, True],
        ["m", "x" * 2_000, 1, 2, 1.0],
        ["m", "a", 1, 2, 1.0, "b", 1, 2, None],
        ["params", 1, {"a": "[1]"}],
        ["params", 1, {"a": "1\n- 2"}],
        ["params", 1, {"a": 1}],
        ["params", 1],
        ["params", "x", {}],
        ["tags", 1, {"a": 1}],
        ["tags", 1, ["a"]],
        ["artifacts", 1, [["../x", "ab" * 32, 1, False]]],
        ["inputs", 1, [{"name": 1}]],
        ["fields", 1, {"name": 1}],
        ["fields", 1, {"lifecycle": "gone"}],
        ["fields", 1, {"name": "x" * 600}],
        ["end", 1, "ENDED", 1, None, None, 0],
        ["end", 1],
        ["close", 1],
        ["beat"],
        ["beat", "now"],
    ],
)
def test_a_record_that_is_not_what_its_kind_promises_counts_as_torn(journal: Journal, record: list[object]) -> None:
    writer = journal.writer()
    before = journal.read()
    write(writer.path, record)
    live = journal.read()
    assert live.torn_lines == 1
    assert (live.run, live.end) == (before.run, before.end)
    assert list(read_points(journal.folder)) == []


def test_records_and_fields_of_a_newer_version_are_left_alone(journal: Journal) -> None:
    writer = journal.writer()
    write(writer.path, ["stars", {"x": 1}], ["fields", 1, {"mood": "good"}])
    live = journal.read()
    assert live.torn_lines == 0 and "mood" not in live.field_changes


def test_the_owner_ends_the_run_and_a_joiner_does_not(journal: Journal) -> None:
    owner, joiner = journal.writer(time_ms=1), journal.writer("join", time_ms=2)
    joiner.end(RunStatus.FAILED, 5)
    assert journal.read().end is None
    owner.end(RunStatus.FINISHED, 6)
    live = journal.read()
    assert live.finished and live.run.info.status is RunStatus.FINISHED


def test_a_run_is_not_finished_while_somebody_writes(journal: Journal) -> None:
    owner, joiner = journal.writer(time_ms=1), journal.writer("join", time_ms=2)
    owner.end(RunStatus.FINISHED, 6)
    live = journal.read()
    assert live.end is not None and live.alive and not live.finished
    joiner.detach()
    assert journal.read().finished


def test_the_last_of_the_owners_ends_the_run(journal: Journal) -> None:
    first, second = journal.writer(time_ms=1), journal.writer("resume", time_ms=2)
    first.end(RunStatus.FAILED, 5)
    assert journal.read().end is None
    second.end(RunStatus.FINISHED, 6)
    live = journal.read()
    assert live.finished and live.run.info.status is RunStatus.FINISHED
    assert live.opening == first.opening


def test_the_last_time_is_one_that_a_caller_cannot_make_up(journal: Journal) -> None:
    writer = journal.writer(time_ms=1_000_000)
    writer.log_metric("loss", 1.0, 1, 5)
    assert journal.read().last_time_ms == 1_000_000
    writer.log_metric("loss", 1.0, 1, 1_030_000)
    assert journal.read().last_time_ms == 1_030_000
    writer.log_metric("loss", 1.0, 1, 1_700_000_000_000_000)
    assert journal.read().last_time_ms == 1_030_000
    write(writer.path, ["beat", 2_000_000])
    assert journal.read().last_time_ms == 2_000_000


def test_dropped_records_of_all_writers_add_up(journal: Journal) -> None:
    first, second = journal.writer(), journal.writer("join")
    write(first.path, ["dropped", 1, 4], ["dropped", 1, 7])
    write(second.path, ["close", 1, 3])
    live = journal.read()
    assert live.dropped == live.run.info.dropped == 10


def test_there_is_no_run_in_an_empty_or_foreign_folder(journal: Journal) -> None:
    for prepare in (
        lambda: None,
        lambda: journal.folder.mkdir(parents=True),
        lambda: (journal.folder / "0123456789abcdef.log").touch(),
    ):
        prepare()
        with pytest.raises(NotFoundError) as caught:
            journal.read()
        assert caught.value.kind == "journal-not-found"
    write(journal.folder / "0123456789abcdef.log", ["beat", 1])
    with pytest.raises(NotFoundError) as caught:
        journal.read()
    assert caught.value.kind == "journal-unreadable"


def test_a_file_of_another_run_is_no_part_of_this_one(journal: Journal) -> None:
    writer = journal.writer()
    other = Journal(journal.root, new_run_id())
    stranger = other.writer()
    stranger.detach()
    shutil.copy(stranger.path, journal.folder)
    assert [writer.path for writer in journal.read().writers] == [writer.path]


def test_a_link_is_not_followed(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    writer.detach()
    target = tmp_path / "elsewhere.log"
    shutil.move(writer.path, target)
    writer.path.symlink_to(target)
    assert list_live(journal.root) == []


def test_a_folder_of_another_user_is_not_seen(journal: Journal, forked: Forked) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    journal.writer().detach()
    journal.folder.chmod(0o700)
    for folder in (journal.root, *journal.root.parents):
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)

    def look() -> None:
        os.setuid(65534)
        assert list_live(journal.root) == [] and sealed_commit(journal.folder) is None
        with pytest.raises(NotFoundError):
            journal.read()

    assert exit_code(forked(look)) == 0


def test_live_runs_are_listed_by_id(journal: Journal) -> None:
    assert list_live(journal.root) == []
    ids = sorted(new_run_id() for _ in range(3))
    for run_id in reversed(ids):
        Journal(journal.root, run_id).writer().detach()
    (journal.root / "not-a-run").mkdir()
    (journal.root / new_run_id()).mkdir()
    assert list_live(journal.root) == ids


# Sealed


def test_a_sealed_run_is_there_until_it_is_removed(journal: Journal) -> None:
    writer = journal.writer()
    assert sealed_commit(journal.folder) is None
    with pytest.raises(ConflictError):
        remove(journal.folder)
    writer.end(RunStatus.FINISHED, 1)
    mark_sealed(journal.folder, COMMIT, covers=journal.read().covers)
    assert sealed_commit(journal.folder) == COMMIT
    with pytest.raises(NotFoundError):
        journal.read()
    assert list_live(journal.root) == [journal.run_id]
    unmark_sealed(journal.folder)
    assert journal.read().finished
    mark_sealed(journal.folder, COMMIT)
    remove(journal.folder)
    assert not journal.folder.exists() and list_live(journal.root) == []
    remove(journal.folder)  # twice is once


def test_what_comes_after_a_seal_is_another_journal(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    writer.end(RunStatus.FINISHED, 1)
    mark_sealed(journal.folder, COMMIT, covers=journal.read().covers)
    late = journal.writer("join")
    late.log_metric("loss", 2.0, 2, 1)
    late.detach()
    live = journal.read()
    assert live.base == COMMIT and live.opening.kind == "join" and live.end is None
    assert journal.steps() == [2] and live.run.metrics["loss"].count == 1
    remove(journal.folder)
    assert not writer.path.exists() and late.path.exists()
    mark_sealed(journal.folder, ObjectId("cd" * 20), covers=live.covers)
    remove(journal.folder)
    assert not journal.folder.exists()


def test_a_writer_that_was_sealed_too_early_loses_nothing(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    reader = JournalReader(journal.folder)
    mark_sealed(journal.folder, COMMIT, covers=reader.refresh().covers)
    writer.log_metric("loss", 2.0, 2, 1)
    remove(journal.folder)
    live = reader.refresh()
    assert live == journal.read() and live.base == COMMIT and live.run.metrics["loss"].count == 1
    assert live.opening == writer.opening and journal.steps() == [2]


def test_records_of_a_dead_writer_that_no_seal_covers_stay(journal: Journal) -> None:
    writer = journal.writer(process=dead_process())
    mark_sealed(journal.folder, COMMIT, covers=journal.read().covers)
    writer.log_metric("loss", 2.0, 2, 1)
    writer._release()
    remove(journal.folder)
    assert journal.steps() == [2]


def test_half_a_line_of_a_dead_writer_does_not_keep_the_journal(journal: Journal) -> None:
    writer = journal.writer()
    writer.end(RunStatus.FINISHED, 1)
    with writer.path.open("ab") as file:
        file.write(b"1234 [")
    mark_sealed(journal.folder, COMMIT, covers=journal.read().covers)
    remove(journal.folder)
    assert not journal.folder.exists()


@pytest.mark.parametrize(
    "mark", [b"", b"{", b"[]", b'{"commit": "x", "covers": {}}', b'{"commit": "%s"}' % (b"ab" * 20)]
)
def test_a_damaged_mark_is_no_mark(journal: Journal, mark: bytes) -> None:
    journal.writer().end(RunStatus.FINISHED, 1)
    (journal.folder / "sealed").write_bytes(mark)
    assert sealed_commit(journal.folder) is None and journal.read().finished


def test_files_without_a_goodbye_are_found_without_reading_all(journal: Journal) -> None:
    killed, closed = journal.writer(), journal.writer("join")
    closed.detach()
    killed._release()
    mark_sealed(journal.folder, COMMIT)
    assert unclosed_openings(journal.folder) == [(killed.path, killed.opening)]


def test_what_a_killed_creator_left_is_swept(journal: Journal) -> None:
    journal.folder.mkdir(parents=True)
    (journal.folder / "0123456789abcdef.new").write_bytes(b"half")
    kept = Journal(journal.root, new_run_id())
    kept.writer().detach()
    sweep(journal.root)
    assert list(journal.root.iterdir()) == [kept.folder]


def test_sweeping_is_not_in_the_way_of_a_run_that_starts(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = []

    def sweep_before_locking(fd: int) -> bool:
        if len(sweeps) < 3:
            sweeps.append(sweep(journal.root))
            assert not journal.folder.exists()
        return lock_file(fd)

    monkeypatch.setattr("gitruns.journal.place.lock_file", sweep_before_locking)
    writer = journal.writer()
    assert len(sweeps) == 3 and journal.problems == [] and lock_is_held(writer.path)


def test_a_dead_writer_is_read_to_its_end(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = journal.writer(process=dead_process())
    reader = JournalReader(journal.folder)
    reader.refresh()

    def die_meanwhile(*given: object, **options: object) -> WriterState:
        # The last words of a writer that dies between being read and being looked at.
        writer.log_metric("loss", 1.0, 1, 1)
        writer._release()
        return WriterState.DEAD

    monkeypatch.setattr("gitruns.journal.reader.writer_state", die_meanwhile)
    assert reader.refresh().run.metrics["loss"].count == 1
