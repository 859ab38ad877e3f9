"""What is logged is there; what cannot be logged says so."""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import Digest, RunId
from gitruns.entities.run import Lifecycle, RunStatus
from gitruns.entities.source import Source
from gitruns.entities.values import Point
from gitruns.errors import InternalError
from gitruns.journal import JournalWriter, NeedsReopenError, WriterState, syncing
from journal.hand import Journal, until


def test_all_kinds_of_records_fold_into_one_run(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_params({"lr": 0.1, "big": 10**5000, "none": None, "flag": True, "text": "1e5", "nan": math.nan})
    writer.log_metric("loss", 0.5, 1, 10)
    writer.log_metric("loss", math.nan, 2, 20)
    writer.log_metric("loss", -math.inf, 3, 30)
    writer.log_points([Point("acc", 1, 10, -0.0), Point("loss", 4, 40, 5e-324)])
    writer.set_tags({"a": "1", "b": "2"})
    writer.set_tags({"a": None, "ü/../x": "3\n"})
    artifact = Artifact(path="m/w.bin", digest=Digest("ab" * 32), size_bytes=3)
    assert writer.add_artifacts([artifact])
    dataset = DatasetInput(name="n", digest="d", source="s", context="training")
    writer.add_inputs([dataset])
    environment = Environment(python="3.11", platform="Linux")
    writer.set_fields({"name": "new-name-2", "lifecycle": Lifecycle.DELETED, "environment": environment})
    writer.set_fields({"source": Source(branch="main"), "command": ("a", "b")})
    live = journal.read()
    run = live.run
    assert {key: repr(value) for key, value in run.params.items() if key != "big"} == {
        "flag": "True",
        "lr": "0.1",
        "nan": "nan",
        "none": "None",
        "text": "'1e5'",
    }
    assert run.params["big"] == 10**5000
    assert dict(run.tags) == {"b": "2", "ü/../x": "3\n"}
    assert run.artifacts == (artifact,)
    assert run.inputs == (dataset,)
    assert run.environment == environment
    assert (run.info.name, run.info.lifecycle, run.info.command) == ("new-name-2", Lifecycle.DELETED, ("a", "b"))
    assert run.info.source.branch == "main"
    assert run.live and run.info.status is RunStatus.RUNNING
    assert live.alive and not live.finished and not live.abandoned
    assert run.metrics["loss"].count == 4 and run.metrics["loss"].nan == 1 and run.metrics["loss"].min == -math.inf
    assert [repr(point.value) for point in journal.points()] == ["0.5", "nan", "-inf", "-0.0", "5e-324"]
    assert journal.problems == []


@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED])
def test_the_end_says_how(journal: Journal, status: RunStatus) -> None:
    writer = journal.writer()
    assert writer.end(status, 77, 3, "ValueError: no")
    live = journal.read()
    assert live.finished and live.end is not None
    info = live.run.info
    assert (info.status, info.end_time_ms, info.exit_code, info.error) == (status, 77, 3, "ValueError: no")


def test_a_detached_writer_leaves_the_run_open(journal: Journal) -> None:
    assert journal.writer().detach()
    live = journal.read()
    assert live.detached and live.abandoned and not live.finished
    assert live.run.info.status is RunStatus.RUNNING


def test_a_writer_that_ended_takes_nothing_more(journal: Journal) -> None:
    writer = journal.writer()
    writer.end(RunStatus.FINISHED, 1)
    size = writer.path.stat().st_size
    for call in (
        lambda: writer.log_metric("loss", 1.0, 1, 1),
        lambda: writer.log_params({"a": 1}),
        lambda: writer.end(RunStatus.FAILED, 2),
        lambda: writer.detach(),
    ):
        with pytest.raises(NeedsReopenError) as caught:
            call()
        assert caught.value.kind == "ended"
    assert writer.path.stat().st_size == size and journal.problems == []
    assert not writer.flush()


def test_each_call_is_one_line_written_before_it_returns(journal: Journal) -> None:
    writer = journal.writer()
    for count in range(2, 6):
        writer.log_metric("loss", 1.0, count, 1)
        assert writer.path.read_bytes().count(b"\n") == count
    writer.log_points([Point("a", step, 1, 1.0) for step in range(1000)])
    writer.log_params({str(number): number for number in range(100)})
    assert writer.path.read_bytes().count(b"\n") == count + 2


def test_nothing_to_log_writes_nothing(journal: Journal) -> None:
    writer = journal.writer()
    size = writer.path.stat().st_size
    writer.log_points([])
    writer.log_params({})
    writer.set_tags({})
    writer.add_inputs([])
    assert writer.add_artifacts([])
    assert writer.path.stat().st_size == size


def test_a_long_list_of_artifacts_is_no_long_line(journal: Journal) -> None:
    writer = journal.writer()
    artifacts = [Artifact(path=f"a/{n:05}", digest=Digest("ab" * 32), size_bytes=n) for n in range(2_500)]
    assert writer.add_artifacts(artifacts)
    assert journal.read().run.artifacts == tuple(artifacts)
    assert max(map(len, writer.path.read_bytes().split(b"\n"))) < 200_000


def test_only_a_run_id_makes_a_folder(journal: Journal) -> None:
    journal.run_id = RunId("../../outside")
    with pytest.raises(InternalError):
        journal.writer()
    assert not journal.root.exists()


def test_a_file_system_without_locks_is_said_in_the_opening(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitruns.journal.place.lock_file", lambda fd: False)
    journal.writer()
    assert journal.read().opening.locked is False


def test_threads_write_whole_records(journal: Journal) -> None:
    writer = journal.writer()

    def log(thread: int) -> None:
        for step in range(2_000):
            writer.log_metric(f"m{thread}", float(step), step, 1)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live = journal.read()
    assert live.torn_lines == 0
    assert {key: summary.count for key, summary in live.run.metrics.items()} == {f"m{n}": 2_000 for n in range(8)}


def test_a_signal_handler_that_logs_does_not_wait_for_itself(journal: Journal) -> None:
    writer = journal.writer()
    handled = 0

    def log(*_: object) -> None:
        nonlocal handled
        handled += 1
        writer.log_metric("handled", 1.0, handled, 1)

    old = signal.signal(signal.SIGALRM, log)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for step in range(5_000):
            writer.log_metric("loop", 1.0, step, 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    live = journal.read()
    assert handled and live.torn_lines == 0
    assert live.run.metrics["loop"].count == 5_000 and live.run.metrics["handled"].count == handled


def test_the_syncer_syncs_and_rests(journal: Journal, monkeypatch: pytest.MonkeyPatch, quick_sync: None) -> None:
    synced: list[int] = []
    monkeypatch.setattr("gitruns.journal.logfile.sync_fd", synced.append)
    writer = journal.writer()
    until(lambda: synced)
    time.sleep(0.1)
    before = len(synced)
    time.sleep(0.1)
    assert len(synced) == before  # nothing was written
    writer.log_metric("loss", 1.0, 1, 1)
    until(lambda: len(synced) > before)
    assert set(synced) == {writer._fd}


def test_no_log_call_waits_for_the_disk(journal: Journal, monkeypatch: pytest.MonkeyPatch, quick_sync: None) -> None:
    syncing_now, go_on = threading.Event(), threading.Event()

    def slow_sync(_: int) -> None:
        syncing_now.set()
        assert go_on.wait(10)

    monkeypatch.setattr("gitruns.journal.logfile.sync_fd", slow_sync)
    writer = journal.writer()
    try:
        assert syncing_now.wait(10)
        for step in range(100):
            writer.log_metric("loss", 1.0, step, 1)
        assert len(journal.points()) == 100
    finally:
        go_on.set()


def test_the_thread_ends_with_the_last_file(journal: Journal, quick_sync: None) -> None:
    def running() -> bool:
        return any(thread.name == "gitruns-journal" for thread in threading.enumerate())

    writer, other = journal.writer(), journal.writer("join")
    until(running)
    writer.end(RunStatus.FINISHED, 1)
    other.log_metric("loss", 1.0, 1, 1)
    assert running()
    other.detach()
    until(lambda: not running())


def test_an_idle_writer_beats(journal: Journal, monkeypatch: pytest.MonkeyPatch, quick_sync: None) -> None:
    monkeypatch.setattr(syncing, "HEARTBEAT_S", 0.05)
    writer = journal.writer(time_ms=5)
    os.utime(writer.path, (1, 1))
    until(lambda: b'["beat",' in writer.path.read_bytes())
    assert time.time() - writer.path.stat().st_mtime < 60
    assert journal.read().last_time_ms > 1_000_000_000_000


def test_a_thread_that_cannot_start_is_no_problem(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    assert writer.flush() and writer.end(RunStatus.FINISHED, 1)
    assert journal.steps() == [1] and journal.problems == []


def test_a_forgotten_writer_stays_alive_with_its_process(journal: Journal) -> None:
    JournalWriter.create(journal.root, journal.opening(), on_problem=journal.problems.append).log_metric("a", 1.0, 1, 1)
    gc.collect()
    live = journal.read()
    assert [writer.state for writer in live.writers] == [WriterState.ALIVE]
    (file,) = syncing.syncer()._files
    assert isinstance(file, JournalWriter)
    journal.writers.append(file)


def test_the_files_are_named_by_chance_only(journal: Journal, tmp_path: Path) -> None:
    names = {journal.writer().path.name, journal.writer("join").path.name}
    assert len(names) == 2 and all(len(name) == 20 and name.endswith(".log") for name in names)
    assert sorted(path.name for path in journal.folder.iterdir()) == sorted(names)
