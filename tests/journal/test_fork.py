"""A fork leaves the file to the parent; the child opens its own; nothing is written twice and nobody waits."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from gitruns.entities.run import RunStatus
from gitruns.journal import NeedsReopenError, WriterState, syncing
from journal.hand import Forked, Journal, exit_code, until

CHILD = Path(__file__).with_name("spawning_child.py")


def test_a_child_must_open_its_own_file(journal: Journal, forked: Forked) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)

    def log() -> None:
        for call in (
            lambda: writer.log_metric("loss", 1.0, 9, 1),
            lambda: writer.log_params({"a": 1}),
            lambda: writer.end(RunStatus.FAILED, 1),
        ):
            try:
                call()
            except NeedsReopenError as error:
                assert error.kind == "forked"
            else:
                raise AssertionError("the parent's file was written")
        assert not writer.flush() and not writer.sync() and writer.closed == "forked"
        own = journal.writer("join")
        own.log_metric("loss", 1.0, 2, 1)
        own.detach()

    assert exit_code(forked(log)) == 0
    writer.log_metric("loss", 1.0, 3, 1)
    live = journal.read()
    assert sorted(journal.steps()) == [1, 2, 3] and live.torn_lines == 0
    assert [(one.opening.kind, one.state) for one in live.writers] == [
        ("start", WriterState.ALIVE),
        ("join", WriterState.CLOSED),
    ]


def test_what_waits_is_the_parents_alone(journal: Journal, forked: Forked) -> None:
    journal.root.parent.mkdir(parents=True)
    journal.root.write_text("in the way")
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)

    def look() -> None:
        journal.root.unlink()
        assert (writer.waiting, writer.dropped) == (0, 0) and not writer.flush()
        assert not journal.root.exists()

    assert exit_code(forked(look)) == 0
    assert writer.flush() and journal.steps() == [1]


def test_forks_while_threads_log_do_not_hang(journal: Journal, forked: Forked) -> None:
    writer = journal.writer()
    stop = threading.Event()

    def log() -> None:
        step = 0
        while not stop.is_set():
            writer.log_metric(threading.current_thread().name, 1.0, step, 1)
            step += 1

    threads = [threading.Thread(target=log, name=f"t{number}") for number in range(2)]
    for thread in threads:
        thread.start()

    def join() -> None:
        own = journal.writer("join")
        own.log_metric("child", 1.0, os.getpid(), 1)
        own.flush()
        own.detach()

    try:
        for _ in range(10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of the threads of this test, not of ours
                assert exit_code(forked(join)) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    live = journal.read()
    assert live.torn_lines == 0 and live.run.metrics["child"].count == 10


def test_a_fork_sees_no_thread_of_ours(journal: Journal, forked: Forked, quick_sync: None) -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]

    writer = journal.writer()
    until(running)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "gitruns-journal")
    before = writer.path.stat().st_mtime_ns
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Python 3.12 warns of a fork in a process with threads

        def look() -> None:
            assert running() == []

        assert exit_code(forked(look)) == 0
    assert running() and not thread.is_alive()  # it was gone, and it is back
    writer.log_metric("loss", 1.0, 1, 1)
    until(lambda: not writer._dirty)
    assert writer.path.stat().st_mtime_ns > before


def test_a_fork_without_open_files_starts_no_thread(forked: Forked) -> None:
    assert exit_code(forked(lambda: None)) == 0
    assert syncing.syncer()._thread is None


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing_write_into_one_run(journal: Journal, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    done = subprocess.run(
        [sys.executable, "-W", "error", CHILD, method, journal.root, journal.run_id, "2", "500"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    live = journal.read()
    assert live.finished and live.torn_lines == 0
    assert sorted(journal.steps()) == sorted([*range(500)] * 2 + [0, 1])


def test_sixteen_processes_write_160_000_points(journal: Journal, forked: Forked) -> None:
    owner = journal.writer()

    def log(worker: int) -> None:
        own = journal.writer("join")
        for step in range(10_000):
            own.log_metric(f"w{worker}", step / 3, step, 1_000 + step)
        assert own.detach()

    children = [forked(lambda worker=worker: log(worker)) for worker in range(16)]  # type: ignore[misc]
    assert [exit_code(child) for child in children] == [0] * 16
    assert owner.end(RunStatus.FINISHED, 1)
    live = journal.read()
    assert live.finished and live.torn_lines == 0 and live.dropped == 0
    assert sum(summary.count for summary in live.run.metrics.values()) == 160_000
    steps: dict[str, list[int]] = {}
    for point in journal.points():
        steps.setdefault(point.metric, []).append(point.step)
    assert steps == {f"w{worker}": list(range(10_000)) for worker in range(16)}


def test_a_child_that_logs_while_its_parent_ends_is_waited_for(journal: Journal, forked: Forked) -> None:
    writer = journal.writer()
    reads, writes = os.pipe()

    def log() -> None:
        own = journal.writer("join")
        os.write(writes, b"x")
        time.sleep(0.2)
        own.log_metric("late", 1.0, 1, 1)
        own.detach()

    child = forked(log)
    os.read(reads, 1)
    writer.end(RunStatus.FINISHED, 1)
    live = journal.read()
    assert live.end is not None and not live.finished
    assert exit_code(child) == 0
    assert journal.read().finished and journal.steps() == [1]
    os.close(reads)
    os.close(writes)
