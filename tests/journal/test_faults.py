"""A full disk, a closed descriptor, a folder that vanished: nothing raises, nothing is lost that could be kept."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import shutil
import signal
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, ObjectId, new_run_id
from gitruns.entities.run import RunStatus
from gitruns.journal import NeedsReopenError, logfile, mark_sealed, remove
from journal.hand import Forked, Journal, exit_code, until


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[tuple[Journal, Path]]:
    """A journal on a file system of 256 KiB, and the file that fills the rest of it once it is written."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small file system")
    journal = Journal(place / "gitruns" / "live", new_run_id())
    try:
        yield journal, place / "filler"
    finally:
        journal.close()
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(filler: Path) -> None:
    """Fills the disk to the last byte."""
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC


def test_what_a_full_disk_refused_is_there_when_space_comes_back(full_disk: tuple[Journal, Path]) -> None:
    journal, filler = full_disk
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 0, 1)
    fill(filler)
    for step in range(1, 2_000):
        writer.log_metric("loss", 1.0, step, 1)
    writer.log_params({"lr": 0.1})
    assert not writer.flush()
    assert writer.waiting > 1_000 and writer.dropped == 0
    assert [getattr(problem, "errno", None) for problem in journal.problems] == [errno.ENOSPC]  # said once
    filler.unlink()
    assert writer.flush() and writer.waiting == 0
    writer.log_metric("loss", 1.0, 2_000, 1)
    live = journal.read()
    assert journal.steps() == list(range(2_001))
    assert live.torn_lines == 0 and live.dropped == 0 and live.run.params["lr"] == 0.1


def test_the_next_call_finds_the_space_that_came_back(
    full_disk: tuple[Journal, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "_RETRY_INTERVAL_S", 0.0)
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    for step in range(1_000):
        writer.log_metric("loss", 1.0, step, 1)
    filler.unlink()
    writer.log_metric("loss", 1.0, 1_000, 1)
    assert writer.waiting == 0 and journal.steps() == list(range(1_001))


def test_the_syncer_finds_the_space_that_came_back(full_disk: tuple[Journal, Path], quick_sync: None) -> None:
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    for step in range(1_000):
        writer.log_metric("loss", 1.0, step, 1)
    assert writer.waiting
    filler.unlink()
    until(lambda: not writer.waiting)
    assert journal.steps() == list(range(1_000))


def test_what_does_not_fit_the_buffer_is_counted_exactly(
    full_disk: tuple[Journal, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "MAX_WAITING_BYTES", 20_000)
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    for step in range(3_000):
        writer.log_metric("loss", 1.0, step, 1)
    artifact = Artifact(path="w.bin", digest=Digest("ab" * 32), size_bytes=1)
    assert not writer.add_artifacts([artifact])  # kept beyond the bound: it names bytes that are there
    assert 0 < writer.dropped < 3_000
    filler.unlink()
    assert writer.flush()
    live = journal.read()
    kept = journal.steps()
    assert kept == list(range(len(kept)))  # the oldest were kept
    assert len(kept) + writer.dropped == 3_000
    assert live.dropped == live.run.info.dropped == writer.dropped
    assert live.run.artifacts == (artifact,)
    writer.end(RunStatus.FINISHED, 1)
    assert journal.read().run.info.dropped == writer.dropped


def test_an_end_on_a_full_disk_comes_through_later(full_disk: tuple[Journal, Path], quick_sync: None) -> None:
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    for step in range(1_000):
        writer.log_metric("loss", 1.0, step, 1)
    assert not writer.end(RunStatus.FINISHED, 1)
    with pytest.raises(NeedsReopenError):
        writer.log_metric("loss", 1.0, 1, 1)
    assert journal.read().alive
    filler.unlink()
    until(lambda: journal.read().finished)
    assert journal.steps() == list(range(1_000))


def test_a_run_can_start_on_a_full_disk(full_disk: tuple[Journal, Path]) -> None:
    journal, filler = full_disk
    fill(filler)
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    assert len(journal.problems) == 1 and not list(filler.parent.rglob("*.log"))
    filler.unlink()
    assert writer.flush()
    assert journal.steps() == [1] and journal.read().opening == writer.opening


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(journal: Journal, forked: Forked) -> None:
    def log() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = journal.writer()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        for step in range(1_000):
            writer.log_metric("loss", 1.0, step, 1)
        assert writer.path.stat().st_size == 5_000  # the last line is cut in two
        assert [getattr(problem, "errno", None) for problem in journal.problems] == [errno.EFBIG]
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert writer.end(RunStatus.FINISHED, 1)

    assert exit_code(forked(log)) == 0
    live = journal.read()
    assert live.finished and live.torn_lines == 0 and journal.steps() == list(range(1_000))
    (path,) = journal.folder.glob("*.log")
    lines = path.read_bytes().splitlines()
    assert all(line[:8] == b"%08x" % crc32(line[9:]) for line in lines)  # no part of one is there twice


def test_a_line_that_was_cut_in_two_is_lost_with_the_process_and_no_other_is(journal: Journal, forked: Forked) -> None:
    def log() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = journal.writer()
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        for step in range(1_000):
            writer.log_metric("loss", 1.0, step, 1)

    assert exit_code(forked(log)) == 0
    live = journal.read()
    assert live.torn_lines == 1 and live.abandoned
    assert journal.steps() == list(range(len(journal.steps())))


def test_a_descriptor_that_was_closed_is_opened_again(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    os.close(writer._fd)
    for step in range(2, 5):
        writer.log_metric("loss", 1.0, step, 1)
    assert journal.steps() == [1, 2, 3, 4]
    assert [getattr(problem, "errno", None) for problem in journal.problems] == [errno.EBADF]
    assert len(list(journal.folder.iterdir())) == 1
    live = journal.read()
    assert live.alive
    writer.end(RunStatus.FINISHED, 1)
    assert journal.read().finished


def test_a_file_that_cannot_be_opened_again_now_is_waited_for(journal: Journal, forked: Forked) -> None:
    def log() -> None:
        writer = journal.writer()
        writer.log_metric("loss", 1.0, 1, 1)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        os.close(writer._fd)
        writer.log_metric("loss", 1.0, 2, 1)
        assert writer.waiting == 1 and not writer.flush()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert writer.end(RunStatus.FINISHED, 1)

    assert exit_code(forked(log)) == 0
    assert journal.steps() == [1, 2] and journal.read().finished and len(journal.read().writers) == 1


def test_another_file_in_the_place_of_a_lost_one_is_kept(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    place = writer.path
    content = place.read_bytes()
    backup = place.with_suffix(".backup")
    backup.write_bytes(content)
    os.close(writer._fd)
    backup.replace(place)
    writer.log_metric("loss", 1.0, 2, 1)
    assert place.read_bytes() == content and journal.steps() == [1, 2]
    assert writer.end(RunStatus.FINISHED, 1)
    live = journal.read()
    assert [one.opening.kind for one in live.writers] == ["start", "resume"] and live.end is not None


def test_a_signal_handler_that_logs_while_lines_are_written_late(
    full_disk: tuple[Journal, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "_RETRY_INTERVAL_S", 0.0)
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    for step in range(1_000):
        writer.log_metric("loss", 1.0, step, 1)
    filler.unlink()
    numbers = itertools.count()  # a handler may be interrupted by the next
    handled: list[int] = []

    def log(*_: object) -> None:
        number = next(numbers)
        writer.log_metric("handled", 1.0, number, 1)
        handled.append(number)

    old = signal.signal(signal.SIGALRM, log)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        until(lambda: writer.flush() and len(handled) > 5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert writer.flush()
    for metric, steps in (("loss", list(range(1_000))), ("handled", sorted(handled))):
        assert sorted(point.step for point in journal.points() if point.metric == metric) == steps


def test_a_descriptor_that_became_another_file_is_left_alone(
    journal: Journal, tmp_path: Path, quick_sync: None
) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    fd = writer._fd
    os.close(fd)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    assert other == fd
    until(lambda: writer._fd != fd)  # the syncer notices
    os.write(other, b"theirs")
    writer.log_metric("loss", 1.0, 2, 1)
    assert (tmp_path / "other").read_bytes() == b"theirs" and journal.steps() == [1, 2]
    os.close(other)


def test_a_folder_that_vanished_is_brought_back_with_all_that_was_in_it(journal: Journal) -> None:
    writer = journal.writer()
    for step in range(100):
        writer.log_metric("loss", 1.0, step, 1)
    shutil.rmtree(journal.root.parent)  # all of `gitruns`
    for step in range(100, 200):
        writer.log_metric("loss", 1.0, step, 1)
    assert writer.flush() and journal.problems == []
    live = journal.read()
    assert journal.steps() == list(range(200)) and live.alive and live.opening == writer.opening
    writer.end(RunStatus.FINISHED, 1)
    assert journal.read().finished


def test_the_syncer_brings_a_removed_file_back(journal: Journal, quick_sync: None) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    writer.path.unlink()
    writer.log_metric("loss", 1.0, 2, 1)
    until(writer.path.exists)
    assert journal.steps() == [1, 2]


def test_a_repository_that_vanished_is_not_made_again(journal: Journal, tmp_path: Path) -> None:
    journal.root = tmp_path / "repository" / ".git" / "gitruns" / "live"
    journal.root.mkdir(parents=True)
    writer = journal.writer()
    for step in range(10):
        writer.log_metric("loss", 1.0, step, 1)
    shutil.rmtree(tmp_path / "repository")
    for step in range(10):
        writer.log_metric("loss", 1.0, step, 1)
    assert not writer.flush()
    assert not writer.end(RunStatus.FINISHED, 1)
    assert not (tmp_path / "repository").exists()
    assert [type(problem) for problem in journal.problems] == [FileNotFoundError]
    assert writer.dropped == 22  # 20 points, opening and end
    assert writer._fd == -1


def test_a_repository_that_moved_takes_its_journal_along(journal: Journal, tmp_path: Path) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    journal.root.parent.rename(tmp_path / "moved")
    writer.log_metric("loss", 1.0, 2, 1)
    assert writer.end(RunStatus.FINISHED, 1)
    moved = Journal(tmp_path / "moved" / "live", journal.run_id)
    assert moved.steps() == [1, 2] and moved.read().finished and journal.problems == []


def test_a_folder_that_cannot_be_made_is_waited_for(journal: Journal) -> None:
    journal.root.parent.mkdir(parents=True)
    journal.root.write_text("a file where a folder should be")
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    assert not writer.flush() and len(journal.problems) == 1
    journal.root.unlink()
    assert writer.flush() and journal.steps() == [1]


def test_a_writer_that_was_sealed_too_early_carries_on_as_a_resume(journal: Journal) -> None:
    writer = journal.writer()
    writer.log_metric("loss", 1.0, 1, 1)
    mark_sealed(journal.folder, ObjectId("ab" * 20), covers=journal.read().covers)
    # What another machine does that does not see the lock.
    os.truncate(writer.path, 0)
    shutil.rmtree(journal.folder)
    writer.log_metric("loss", 2.0, 2, 1)
    assert writer.end(RunStatus.FINISHED, 7)
    live = journal.read()
    assert live.finished and live.opening.kind == "resume" and live.base is None
    assert journal.steps() == [2]


def test_a_living_writer_keeps_its_file(journal: Journal) -> None:
    writer = journal.writer()
    mark_sealed(journal.folder, ObjectId("ab" * 20))
    remove(journal.folder)
    assert writer.path.exists()


def test_who_is_told_of_a_problem_may_fail_and_may_log(journal: Journal) -> None:
    told = []

    def report(problem: BaseException) -> None:
        told.append(problem)
        writer.log_metric("problems", 1.0, 1, 1)
        raise RuntimeError("even this")

    writer = journal.writer()
    writer._on_problem = report
    os.close(writer._fd)
    writer.log_metric("loss", 1.0, 1, 1)
    writer.log_metric("loss", 1.0, 2, 1)
    assert len(told) == 1 and len(journal.points()) == 3


def test_threads_lose_nothing_while_the_disk_is_full(full_disk: tuple[Journal, Path]) -> None:
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)

    def log(thread: int) -> None:
        for step in range(500):
            writer.log_metric(f"m{thread}", 1.0, step, 1)
            if thread == 0 and step == 250:
                filler.unlink()

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush()
    for number in range(4):
        assert [point.step for point in journal.points() if point.metric == f"m{number}"] == list(range(500))


@pytest.mark.slow
def test_the_buffer_takes_64_mebibytes_and_no_more(full_disk: tuple[Journal, Path]) -> None:
    journal, filler = full_disk
    writer = journal.writer()
    fill(filler)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    count = 1_000_000
    for step in range(count):
        writer.log_metric("loss", 0.5, step, 1_700_000_000_000)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 50 * 2**20 < used < 80 * 2**20
    assert writer.dropped + writer.waiting + len(journal.steps()) in (count, count + 1)  # one may be half written
